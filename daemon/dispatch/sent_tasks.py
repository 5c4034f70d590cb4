"""Hears of tasks as others send them: the ``task-sent`` events of whoever has ``task_send_sent_event`` on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import anyio

from daemon.clock import SECOND_US, Clock
from daemon.dispatch.client import as_daemon_error
from daemon.errors import BrokerDown, SettingsInvalid
from shim.client import Client
from shim.client.conf import BrokerKind, redis_broker
from shim.connector import Connector
from shim.errors import BrokerUnavailable
from shim.events import Event, events_pattern, read_message
from shim.subscription import Subscription

OPEN_LIMIT_S = 10.0
"""How long to wait for the broker at the start."""
_SENT = "task-sent"


class SentTask(NamedTuple):
    """A task someone sent, and when by the sender's clock. Its arguments are not kept.

    Attributes:
        sender: the node that sent it, as Celery names it.
        is_first: whether no other task called for it.
    """

    task: str
    task_id: str
    at_us: int
    sender: str
    is_first: bool


class SentTasks:
    """Listens for tasks that are sent; ``run`` must be running in a task group.

    Attributes:
        deaf_since_us: since when it may have missed some; ``None`` while it hears all.
    """

    def __init__(
        self, client: Client, clock: Clock, *, heard: Callable[[SentTask], None], missed: Callable[[int, int], None]
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        Args:
            client: of the site.
            clock: tells when nobody listened.
            heard: told of each task as it arrives.
            missed: told from when to when nobody listened, once somebody does again.

        Raises:
            SettingsInvalid: the broker is not Redis.
        """
        if client.kind is not BrokerKind.REDIS:
            message = "tasks can be listened to on Redis and Valkey only"
            raise SettingsInvalid(message, hint="celery events shows those of other brokers")
        self._clock, self._heard, self._missed = clock, heard, missed
        self.deaf_since_us: int | None = clock.now_us()
        self._last_us: int | None = None
        self._failure: BrokerUnavailable | None = None
        self._tried = anyio.Event()
        self._was_open = False
        url, exchange = redis_broker(client.conf), client.conf.get("event_exchange") or "celeryev"
        pattern = events_pattern(url.database, exchange=exchange, key_prefix=client.transport.key_prefix)
        self._subscription = Subscription(
            Connector(url, client_name="carillon-shadow"),
            self._receive,
            patterns=(pattern,),
            opened=self._listening,
            closed=self._lost,
        )

    async def run(self) -> None:
        """Listen until cancelled; a connection that breaks is opened again."""
        await self._subscription.run()

    async def opened(self) -> None:
        """Wait until it listens; a first attempt that fails is the last.

        Raises:
            DaemonError: the broker does not answer, or refuses.
        """
        with anyio.move_on_after(OPEN_LIMIT_S):
            await self._tried.wait()
        if self.deaf_since_us is None:
            return
        if self._failure is not None:
            raise as_daemon_error(self._failure)
        message = f"the broker did not let us listen within {OPEN_LIMIT_S:g} s"
        raise BrokerDown(message, hint="see that it is up, and that its user may subscribe to channels")

    def _receive(self, channel: str, payload: bytes) -> None:
        self._last_us = self._clock.now_us()
        if channel.endswith("/worker.heartbeat"):
            return
        for event in read_message(payload).events:
            if event.kind == _SENT:
                self._heard(_sent_task(event))

    async def _listening(self) -> None:
        self._failure, since_us = None, self.deaf_since_us
        self.deaf_since_us, self._last_us = None, self._clock.now_us()
        if self._was_open and since_us is not None:
            self._missed(since_us, self._last_us)
        self._was_open = True
        self._tried.set()

    def _lost(self, failure: BrokerUnavailable | None) -> None:
        self._failure = failure
        self._tried.set()
        if self.deaf_since_us is None:
            # What came after the last message may be missed, though it is noticed only now.
            self.deaf_since_us = self._last_us


def _sent_task(event: Event) -> SentTask:
    name, parent = event.fields.get("name"), event.fields.get("parent_id")
    return SentTask(
        name if isinstance(name, str) else "",
        event.task_id,
        round(event.at_s * SECOND_US),
        event.hostname,
        is_first=parent is None,
    )
