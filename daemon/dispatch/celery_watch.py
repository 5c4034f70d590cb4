"""Looks at workers and queues now and then, and tells what they and their events say, so that nobody who asks has to wait."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import anyio

from daemon.celery_events import QueueSeen, QueuesSeen, WorkerSeen, WorkersSeen
from daemon.clock import SECOND_US, Clock, instant
from daemon.dispatch.celery_line import CeleryLine
from daemon.dispatch.queue_rows import QueueRow, list_queues, site_queues
from daemon.dispatch.told_tasks import host_of, told_of
from daemon.errors import BrokerDown
from daemon.ports import Emit
from daemon.public import Public
from shim.client import Client
from shim.control import methods, worker_stats
from shim.errors import RequestInvalid, ShimError
from shim.events import Event
from shim.results import Results

EVERY_S = 15.0
LOOK_LIMIT_S = 10.0
ANSWER_LIMIT_S = 1.0
"""Patience with workers; it is spent only while one does not answer."""

GONE_S = 600.0
"""A worker that was not heard of for so long is spoken of no more."""

ROUTES_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class CeleryLook:
    """What was found.

    Attributes:
        at_us: when.
        workers: those that are alive, by name.
        queues: of the site, and those its workers take from.
        keeps_results: whether the result back-end answers; ``None`` if there is none, or none that can be asked here.
        is_complete: whether every worker has answered.
        took_s: how long it took.
    """

    at_us: int
    workers: tuple[str, ...]
    queues: tuple[QueueRow, ...]
    keeps_results: bool | None
    is_complete: bool
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """What one look finds: who answered, how many processes each has, the queues, and the result back-end."""

    answered: frozenset[str]
    slots: Mapping[str, int]
    queues: tuple[QueueRow, ...]
    keeps_results: bool | None
    is_complete: bool


class CeleryWatch:
    """A service."""

    name = Public("celery-watch")

    def __init__(
        self,
        line: CeleryLine,
        clock: Clock,
        tell: Emit,
        items: Iterable[tuple[str, str | None]],
        *,
        every_s: float = EVERY_S,
    ) -> None:
        """Look at nothing yet.

        Args:
            line: the client.
            clock: the daemon's.
            tell: takes what is found; for numbers alone.
            items: task and queue of everything the site sends.
            every_s: how often it is looked.
        """
        self._line = line
        self._clock = clock
        self._tell = tell
        self._items = tuple(items)
        self._every_s = every_s
        self._routes: dict[str, str] = {}
        self._stop = anyio.Event()
        self.last: CeleryLook | None = None
        """The last look that succeeded."""
        self.failure: Public | None = None
        """Why the last one did not."""
        line.hear(self._heard)

    async def open(self) -> None:
        """Take nothing: the broker may be away."""
        self._stop = anyio.Event()

    async def serve(self) -> None:
        """Look now and then until drained."""
        while not self._stop.is_set():
            await self.look()
            with anyio.move_on_after(self._every_s):
                await self._stop.wait()

    async def drain(self) -> None:
        """Look no more."""
        self._stop.set()

    async def look(self) -> None:
        """Look once; what cannot be seen now is seen the next time."""
        try:
            with anyio.fail_after(LOOK_LIMIT_S):
                await self._look(self._line.client)
        except (ShimError, BrokerDown) as error:
            self.failure = Public(error.code)
        except TimeoutError:
            self.failure = Public("no-answer")
        else:
            self.failure = None

    def age_s(self) -> float:
        """Say how old the last look is; endless if there was none."""
        return float("inf") if self.last is None else (self._clock.now_us() - self.last.at_us) / SECOND_US

    async def _look(self, client: Client) -> None:
        if not client.has_control:
            return
        began_s = self._clock.monotonic_s()
        found = await look_at(client, self._items, instant(self._clock.now_us()))
        seen = self._workers(found.answered)
        self._tell(WorkersSeen(seen))
        self._tell(QueuesSeen(tuple(_seen(row, found.slots) for row in found.queues)))
        self.last = CeleryLook(
            self._clock.now_us(),
            tuple(worker.name for worker in seen if worker.is_alive),
            found.queues,
            found.keeps_results,
            is_complete=found.is_complete,
            took_s=self._clock.monotonic_s() - began_s,
        )

    def _workers(self, answered: frozenset[str]) -> tuple[WorkerSeen, ...]:
        now = instant(self._clock.now_us())
        found = {name: WorkerSeen(name, host_of(name), is_alive=True, active=0) for name in answered}
        for worker in self._line.state.workers(now):
            heard_at = worker.heard_at
            if heard_at is not None and (now - heard_at).total_seconds() < GONE_S:
                is_alive = worker.is_alive or worker.hostname in answered
                found[worker.hostname] = WorkerSeen(
                    worker.hostname, host_of(worker.hostname), is_alive, worker.active or 0
                )
        return tuple(found[name] for name in sorted(found))

    def _heard(self, events: Sequence[Event], at: datetime) -> None:
        del at
        for told in told_of(events, self._line.state, self._queue_of):
            self._tell(told)

    def _queue_of(self, task: str) -> str:
        """Say where tasks of a name go by the site's routes."""
        known = self._routes.get(task)
        if known is None:
            known = self._routed(task)
            if len(self._routes) < ROUTES_LIMIT:
                self._routes[task] = known
        return known

    def _routed(self, task: str) -> str:
        try:
            client = self._line.client
            queues = client.queues_of(task)
        except (BrokerDown, RequestInvalid):
            return "celery"
        return queues[0] if len(queues) == 1 else "celery"


async def look_at(client: Client, items: Iterable[tuple[str, str | None]], now: datetime) -> Found:
    """Look once, with any client that can ask workers.

    Raises:
        ShimError: the broker does not answer.
    """
    wanted = site_queues(client, items)
    rows, is_complete = await list_queues(client, wanted, now=now, timeout_s=ANSWER_LIMIT_S)
    stats = worker_stats(await client.control.call(methods.stats(), timeout_s=ANSWER_LIMIT_S))
    slots = {name: found.concurrency or 1 for name, found in stats.items()}
    answered = frozenset(slots) | {name for row in rows for name in row.consumers}
    return Found(answered, slots, tuple(rows), await _keeps_results(client), is_complete=is_complete)


async def _keeps_results(client: Client) -> bool | None:
    results = client.results
    if not isinstance(results, Results):
        return None
    try:
        await results.link.call("PING")
    except ShimError:
        return False
    return True


def _seen(row: QueueRow, slots: Mapping[str, int]) -> QueueSeen:
    processes = sum(slots.get(name, 1) for name in row.consumers)
    return QueueSeen(row.name, row.waiting, len(row.consumers), processes, row.oldest_age_s)
