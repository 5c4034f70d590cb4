"""One Celery client of a site for as long as the daemon runs: what the API asks of tasks, workers and queues, and the event stream."""

from __future__ import annotations

import anyio

from daemon.clock import Clock, instant
from daemon.dispatch.celery_side import CelerySide
from daemon.dispatch.client import as_daemon_error
from daemon.dispatch.heard_state import HeardState, Listener
from daemon.errors import BrokerDown
from daemon.public import Public
from shim.client import BrokerKind, Client, open_client
from shim.errors import ShimError
from shim.events import EventReceiver

TASKS_LIMIT = 100_000
AWAY = "the way to the broker is not open yet"


class CeleryLine:
    """A service that holds a client open.

    Attributes:
        state: what the event stream has told so far; empty on brokers whose events are not followed.
        receiver: follows it; ``None`` before the start and on such brokers.
    """

    name = Public("celery-line")

    def __init__(self, side: CelerySide, clock: Clock, *, tasks_limit: int = TASKS_LIMIT) -> None:
        """Open nothing yet."""
        self._side = side
        self._clock = clock
        self.state = HeardState(tasks_limit=tasks_limit)
        self.receiver: EventReceiver | None = None
        self._client: Client | None = None
        self._stop = anyio.Event()

    @property
    def is_open(self) -> bool:
        """Say whether there is a client; that the broker answers is not said."""
        return self._client is not None

    @property
    def client(self) -> Client:
        """The client.

        Raises:
            BrokerDown: it is not open.
        """
        if self._client is None:
            raise BrokerDown(AWAY)
        return self._client

    def hear(self, listener: Listener) -> None:
        """Have ``listener`` told of every event from now on."""
        self.state.hear(listener)

    async def open(self) -> None:
        """Take nothing: the broker may be away."""
        self._stop = anyio.Event()

    async def serve(self) -> None:
        """Hold the client open, and follow the events, until drained.

        Raises:
            DaemonError: settings nobody could work with, or a broker that refuses.
        """
        side = self._side
        try:
            async with open_client(
                side.conf,
                client_name="carillon-api",
                task_options=side.options_of,
                app=side.app,
                now=lambda: instant(self._clock.now_us()),
            ) as client:
                self._client = client
                async with anyio.create_task_group() as tasks:
                    if client.kind is BrokerKind.REDIS:
                        self.receiver = client.events(self.state)
                        tasks.start_soon(self.receiver.run)
                    await self._stop.wait()
                    tasks.cancel_scope.cancel()
        except ShimError as error:
            raise as_daemon_error(error) from None
        finally:
            self._client = self.receiver = None

    async def drain(self) -> None:
        """Close it."""
        self._stop.set()
