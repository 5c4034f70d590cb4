"""A service that counts what waits in the queues of the site once a minute, and keeps six hours of it in memory."""

from __future__ import annotations

from collections.abc import Mapping

import anyio

from daemon.clock import Clock
from daemon.dispatch.broker_words import asking_broker
from daemon.dispatch.celery_line import CeleryLine
from daemon.dispatch.queue_history import MINUTE_S, QueueHistory, begun, taken_from
from daemon.dispatch.site_queues import SiteQueues
from daemon.dispatch.worker_looks import WorkerLooks
from daemon.errors import DaemonError
from daemon.public import Public
from shim.control import queue_rows, worker_stats
from shim.errors import RequestInvalid

MINUTE_US = MINUTE_S * 1_000_000


class QueueWatch:
    """Counts; see ``QueueHistory`` for what it is good for.

    Attributes:
        history: what was counted.
    """

    name = Public("queue-watch")

    def __init__(self, line: CeleryLine, looks: WorkerLooks, queues: SiteQueues, clock: Clock) -> None:
        """Count nothing yet."""
        self.history = QueueHistory()
        self._line = line
        self._looks = looks
        self._queues = queues
        self._clock = clock
        self._totals: Mapping[str, Mapping[str, int]] | None = None
        self._stop = anyio.Event()

    async def open(self) -> None:
        """Take nothing: the broker may be away."""
        self._stop = anyio.Event()

    async def serve(self) -> None:
        """Count until drained; a minute in which the broker is away is left out."""
        while not self._stop.is_set():
            try:
                await self.count()
            except DaemonError:
                self._totals = None
            with anyio.move_on_after((MINUTE_US - self._clock.now_us() % MINUTE_US) / 1e6):
                await self._stop.wait()

    async def drain(self) -> None:
        """Stop."""
        self._stop.set()

    async def count(self) -> None:
        """Count once.

        Raises:
            DaemonError: the broker does not answer.
        """
        minute = self._clock.now_us() // MINUTE_US
        look = await self._looks.everyone()
        consumed = {
            worker: tuple(row.name for row in rows)
            for worker, rows in queue_rows(look.answers["active_queues"]).items()
        }
        names = tuple({*await self._queues.fed(), *(name for rows in consumed.values() for name in rows)})
        async with asking_broker():
            backlogs = (await self._line.client.queues.backlogs(names)).by_queue
        stats = worker_stats(look.answers["stats"])
        totals = {worker: one.totals for worker, one in stats.items()}
        taken: Mapping[str, int | None] = {}
        if self._totals is not None and look.is_complete:
            taken = taken_from(begun(self._totals, totals), consumed, names, self._queue_of)
        self._totals = totals
        self.history.note(minute, {name: backlog.waiting for name, backlog in backlogs.items()}, taken)

    def _queue_of(self, task: str) -> str | None:
        try:
            queues = self._line.client.queues_of(task)
        except RequestInvalid:
            return None
        return queues[0] if queues else None
