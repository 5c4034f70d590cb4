"""All that follows runs, beside a real dispatcher and real workers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.clock import SystemClock
from daemon.dispatch import CeleryDispatcher, CelerySide, RunWatch, make_history_source
from daemon.errors import HistoryFailed
from daemon.keys import SiteKey, entries_ledger, overlap_scope, site_key, slots_key
from daemon.ports import Gate, Order, Settled, Slot, Ticket, WorkItem
from daemon.public import Public
from daemon.scheduler.history import History, HistoryReader
from daemon.scheduler.run import Run, RunState, write_record
from daemon.scheduler.runs import Patience, RunBook, Tracker
from tests.support.histories import SITE, until
from tests.support.running import running
from tests.support.valkey import ValkeyServer

PATIENCE = Patience(silence_s=1.0, absence_s=600.0, untold_s=0.5, ask_first_s=0.3, ask_again_s=0.3, ask_s=0.5)
STALE_US = 3_600_000_000


@dataclass(slots=True)
class Watched:
    """What follows the runs of one daemon."""

    server: ValkeyServer
    folder: Path
    dispatcher: CeleryDispatcher
    tracker: Tracker
    book: RunBook
    said: list[object]
    freed: list[frozenset[str]]

    async def enqueue(self, task: str, entry: str = "nightly", *, holds: bool = False, **item: Any) -> Run:
        """Enqueue an occurrence as the scheduler does; with a place of its entry, if it ``holds`` one."""
        clock = SystemClock()
        at_us = clock.now_us()
        task_id = f"{entry}-{at_us}"
        run = Run(entry, entry, at_us, RunState.ENQUEUED, task=task, task_id=task_id, holds=holds)
        slots = (Slot(overlap_scope(entry), 1, STALE_US),) if holds else ()
        order = Order(
            Ticket(entries_ledger(SITE), task_id, None, "x"),
            WorkItem(Public(task), task_id, **item),
            Gate(task_id, slots) if holds else None,
            write_record(run),
        )
        [settlement] = await self.dispatcher.dispatch([order])
        assert settlement.outcome is Settled.ENQUEUED, settlement
        return run

    def holders(self, entry: str = "nightly") -> int:
        """Count who holds the entry's place."""
        scope, client = overlap_scope(entry), self.server.client
        count: int = client.zcard(slots_key(SITE, scope))
        return count + sum(scope.encode() in one for one in client.hvals(site_key(SITE, SiteKey.RUNNING)))

    def known(self, run: Run) -> Run:
        """Give what the book knows of a run by now."""
        return self.book.known(run) or run

    async def state(self, run: Run, state: RunState) -> Run:
        """Wait until a run has come to a state."""
        await until(lambda: self.known(run).state is state, f"{run.entry} never came to {state}: {self.known(run)}")
        return self.known(run)

    async def freed_place(self, entry: str = "nightly") -> None:
        """Wait until the entry's place is free and the scheduler was told."""
        scope = overlap_scope(entry)
        await until(lambda: any(scope in scopes for scopes in self.freed), "nobody was told of a free place")
        await until(lambda: not self.holders(entry), "the place is still held")

    async def written(self, run: Run) -> Run:
        """Wait until the file says the same as the book, and give that."""

        def read() -> Run | None:
            with suppress(HistoryFailed), HistoryReader(self.folder) as reader:  # it may be in the making
                return next((one for one in reader.runs(run.entry, count=100) if one.key == run.key), None)
            return None

        await until(lambda: read() == self.known(run))
        return self.known(run)


@asynccontextmanager
async def watching(
    server: ValkeyServer, folder: Path, *, results: str | None = "", patience: Patience = PATIENCE
) -> AsyncIterator[Watched]:
    """Follow runs on a server; results are kept there too, or elsewhere, or (``None``) nowhere."""
    conf = {"broker_url": server.url, "result_backend": server.url if results == "" else results}
    side, clock = CelerySide(conf), SystemClock()
    said: list[object] = []
    freed: list[frozenset[str]] = []
    dispatcher = CeleryDispatcher(side, clock, said.append, site=SITE)
    book = RunBook()
    history = History(folder, make_history_source(side, SITE), book, clock, said.append)
    tracker = Tracker(
        RunWatch(side, clock), dispatcher, history.changed, clock, said.append, freed=freed.append, patience=patience
    )
    history.on_open_run(tracker.take)
    async with running((dispatcher, history, tracker)):
        yield Watched(server, folder, dispatcher, tracker, book, said, freed)
