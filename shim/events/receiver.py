"""Follows the event stream and keeps a state up to date.

Messages are taken in as they are read from the socket, a bounded number in each turn of the loop, and none is buffered
here. A reader that is too slow is therefore held back by its own socket: the server keeps what waits, and in the end cuts
the connection (``client-output-buffer-limit pubsub``). What is lost then is recorded as a gap, like after any other cut.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

import anyio

from shim.connector import Connector
from shim.errors import BrokerUnavailable
from shim.events.channel import EXCHANGE, events_pattern
from shim.events.message import read_message
from shim.events.state import EventState
from shim.subscription import PING_EVERY_S, Subscription

BROKEN, STOPPED = "the connection broke", "the receiver was stopped"


class EventReceiver:
    """Listens to every event; ``run`` must be running in a task group.

    Attributes:
        state: what is kept up to date.
        failure: why there is no connection, if the last attempt to make one failed.
    """

    def __init__(
        self,
        connector: Connector,
        state: EventState,
        *,
        now: Callable[[], datetime],
        pattern: str | None = None,
        opened: Callable[[], Awaitable[None]] | None = None,
        ping_every_s: float = PING_EVERY_S,
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        Args:
            connector: opens the connection to the broker.
            state: what is kept up to date.
            now: the clock, aware.
            pattern: channels to listen to, from ``events_pattern``; those of Celery's defaults if not given.
            opened: called each time the stream is listened to on a new connection, for instance to enable events and ask
                workers for a heartbeat.
            ping_every_s: silence after which the server is asked whether it is there.
        """
        self.state = state
        self._now = now
        self._opened = opened
        self.failure: BrokerUnavailable | None = None
        self._heard_at: datetime | None = None
        self._news: anyio.Event | None = None
        self._subscription = Subscription(
            connector,
            self._receive,
            patterns=(pattern or events_pattern(connector.url.database, exchange=EXCHANGE),),
            opened=self._listening,
            closed=self._lost,
            ping_every_s=ping_every_s,
        )

    async def run(self) -> None:
        """Follow the stream until cancelled; a connection that breaks is opened again."""
        try:
            await self._subscription.run()
        finally:
            self._miss(STOPPED)

    async def changed(self, since: int) -> None:
        """Wait until the state has a change after cursor ``since``."""
        while self.state.cursor <= since:
            if self._news is None:
                self._news = anyio.Event()
            await self._news.wait()

    def _receive(self, _: str, payload: bytes) -> None:
        at = self._heard_at = self._now()
        self.state.take(read_message(payload), at)
        self._tell()

    async def _listening(self) -> None:
        self.failure, self._heard_at = None, self._now()
        self.state.close_gap(self._heard_at)
        self._tell()
        if self._opened is not None:
            await self._opened()

    def _lost(self, failure: BrokerUnavailable | None) -> None:
        self.failure = failure
        self._miss(BROKEN)

    def _miss(self, reason: str) -> None:
        if self._heard_at is not None:  # what came after the last message may be missed, though it is noticed only now
            self.state.open_gap(self._heard_at, reason)
            self._tell()

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None
