"""Copies the site's history to this daemon's disk and tells of what it reads.

The stream in the broker is the source. What cannot be written now is copied later, from where the file stands; the schedule depends
on none of it. The book and the tracker are told at once, whether the disk takes it or not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread

from daemon.clock import Clock
from daemon.errors import BrokerDown, HistoryFailed
from daemon.ports import Emit
from daemon.public import Public, reason
from daemon.run_events import HistoryDamaged, HistoryGap, HistoryLost, HistoryOpened, HistoryPruned, RunRepeated
from daemon.scheduler.history.retention import Retention
from daemon.scheduler.history.store import HistoryStore, is_damaged, put_aside
from daemon.scheduler.ports import HistoryPage, HistoryRecord, HistorySource
from daemon.scheduler.run import Run, read_record
from daemon.scheduler.runs.book import RECENT_LIMIT, RunBook

PAGE_ROWS = 1000
WAIT_S = 5.0
"""How long a read waits for a record."""

GATHER_S = 0.1
"""Pause after each page and each commit, in which more gathers."""

BREATHER_RECORDS = 50
"""After so many records, whatever else waits for the event loop gets its turn."""

FRESH_LIMIT, CHANGED_LIMIT = 10_000, 20_000
OPEN_LIMIT = 10_000
STAMP_EVERY_S = 60.0
PRUNE_EVERY_S = 60.0
PRUNE_PAUSE_S = 0.02
RETRY_FIRST_S, RETRY_LAST_S = 1.0, 60.0

Taken = Callable[[Run], None]
"""Takes a run as it was enqueued or was left open by an earlier daemon."""


class History:
    """Follows the stream into ``history.sqlite``."""

    name = Public("history")

    def __init__(
        self,
        folder: Path,
        source: HistorySource | None,
        book: RunBook,
        clock: Clock,
        emit: Emit,
        *,
        retention: Retention | None = None,
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        Args:
            folder: the state folder.
            source: the stream; ``None`` where ``recorded`` is called instead.
            book: told of every run.
            clock: the daemon's.
            emit: takes events.
            retention: what is kept.
        """
        self._folder = folder
        self._source = source
        self._book = book
        self._clock = clock
        self._emit = emit
        self._retention = retention or Retention()
        self._taken: Taken = _nobody
        self._store: HistoryStore | None = None
        self._is_known = False
        self._lost_since_s: float | None = None
        self._place = ""
        self._reading: anyio.CancelScope | None = None
        self._fresh: list[Run] = []
        self._changed: dict[str, Run] = {}
        self._gaps: list[tuple[int, int]] = []
        self._copied_us = 0
        self._turn = anyio.Lock()
        self._work, self._written = anyio.Event(), anyio.Event()
        self._stop = anyio.Event()

    # -- life ----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Begin anew after a drain; the file is opened by ``serve``, for nobody may have to wait for it."""
        self._stop = anyio.Event()

    async def drain(self) -> None:
        """Write what is in hand and close."""
        self._stop.set()
        self._work.set()

    async def serve(self) -> None:
        """Copy until drained, whatever becomes of broker and disk."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._keep)
                await self._stop.wait()
                tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await self._finish()
        finally:
            with anyio.CancelScope(shield=True):
                await self._close()

    @property
    def is_kept(self) -> bool:
        """Say whether the history is being written."""
        return self._store is not None

    def lost_s(self) -> float:
        """Say for how long it could not be written; 0 while it can."""
        return 0.0 if self._lost_since_s is None else self._clock.monotonic_s() - self._lost_since_s

    # -- from outside --------------------------------------------------------------------------------------------------

    def on_open_run(self, taken: Taken) -> None:
        """Have ``taken`` called with each run that is not over."""
        self._taken = taken

    def recorded(self, text: str, at_us: int) -> None:
        """Take a record that no stream brings."""
        self._take([HistoryRecord("", text.encode(), at_us)])

    def changed(self, run: Run) -> None:
        """Take what became of a run."""
        self._changed[run.key] = run
        if len(self._changed) > CHANGED_LIMIT:
            del self._changed[next(iter(self._changed))]
        self._work.set()
        self._book.take(run)

    # -- following -----------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        async with anyio.create_task_group() as tasks:
            await self._reopen()
            tasks.start_soon(self._write)
            tasks.start_soon(self._prune)
            if self._source is not None:
                await self._follow(self._source)

    async def _follow(self, source: HistorySource) -> None:
        pause_s = RETRY_FIRST_S
        while True:
            page = HistoryPage()
            try:
                with anyio.CancelScope() as reading:
                    self._reading = reading
                    page = await source.read(self._place, most=PAGE_ROWS, wait_s=WAIT_S)
            except (BrokerDown, HistoryFailed) as error:
                if isinstance(error, HistoryFailed) and pause_s < WAIT_S:  # of an outage the dispatcher tells
                    self._emit(HistoryLost(Public(error.code), reason(error), WAIT_S))
                    pause_s = WAIT_S
                await anyio.sleep(pause_s)
                pause_s = min(pause_s * 2, WAIT_S)
                continue
            pause_s = RETRY_FIRST_S
            if reading.cancel_called:
                continue
            self._note_gap(page)
            await self._take_page(page.records, reading)
            if len(self._fresh) >= FRESH_LIMIT:
                await self._written.wait()
            if page.records:
                await anyio.sleep(GATHER_S)

    async def _take_page(self, records: Sequence[HistoryRecord], reading: anyio.CancelScope) -> None:
        """Take what was read, a few at a time, unless the file stands elsewhere meanwhile."""
        for first in range(0, len(records), BREATHER_RECORDS):
            if reading.cancel_called:
                return
            some = records[first : first + BREATHER_RECORDS]
            self._take(some)
            self._place = some[-1].place
            await anyio.lowlevel.checkpoint()

    def _note_gap(self, page: HistoryPage) -> None:
        if page.is_gap:
            until_us = page.records[0].at_us if page.records else self._clock.now_us()
            gap = (min(self._copied_us, until_us), until_us)
            self._gaps = [*self._gaps[-10:], gap]
            self._emit(HistoryGap(*gap))

    def _take(self, records: Sequence[HistoryRecord]) -> None:
        for record in records:
            run = read_record(record.text, record.at_us)
            self._copied_us = record.at_us
            if run is None:
                continue
            known = self._book.known(run)
            if self._store is not None or (self._source is None and len(self._fresh) < FRESH_LIMIT):
                self._fresh.append(known or run)
            if known is not None:
                if known.task_id and known.settled_us != run.settled_us:
                    self._repeated(run, known.settled_us)
                continue  # read before
            self._book.take(run)
            if not run.state.is_over:
                self._taken(run)
        if records:
            self._work.set()

    # -- writing -------------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        pause_s = RETRY_FIRST_S
        while True:
            if self._store is None:
                await anyio.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_LAST_S)
                await self._reopen(pause_s)
                continue
            with anyio.move_on_after(STAMP_EVERY_S):
                await self._work.wait()
            self._work = anyio.Event()
            if await self._commit(self._store, pause_s):
                pause_s = RETRY_FIRST_S
            self._written.set()
            self._written = anyio.Event()
            await anyio.sleep(GATHER_S)

    async def _commit(self, store: HistoryStore, retry_s: float = RETRY_FIRST_S) -> bool:
        fresh, self._fresh = self._fresh, []
        changed, self._changed = self._changed, {}
        gaps, self._gaps = self._gaps, []
        commit = partial(store.commit, fresh, list(changed.values()), gaps, self._place, self._clock.now_us())
        try:
            async with self._turn:
                repeated = await anyio.to_thread.run_sync(commit)
        except BaseException as error:
            self._fresh = fresh + self._fresh
            self._changed = {**changed, **self._changed}
            self._gaps = gaps + self._gaps
            if not isinstance(error, (sqlite3.Error, OSError)):
                raise
            await self._failed(store, error, retry_s)
            return False
        for run, first_us in repeated:
            self._repeated(run, first_us)
        return True

    def _repeated(self, run: Run, first_us: int) -> None:
        self._emit(RunRepeated(Public(run.name), run.occurrence_us, first_us, run.settled_us))

    async def _prune(self) -> None:
        while True:
            await anyio.sleep(PRUNE_EVERY_S)
            removed = 0
            while (store := self._store) is not None:
                try:
                    async with self._turn:
                        count = await anyio.to_thread.run_sync(store.prune, self._clock.now_us())
                except (sqlite3.Error, OSError) as error:
                    await self._failed(store, error, RETRY_FIRST_S)
                    break
                removed += count
                if not count:
                    break
                await anyio.sleep(PRUNE_PAUSE_S)
            if removed:
                self._emit(HistoryPruned(removed))

    async def _finish(self) -> None:
        if self._store is None and self._fresh:
            await self._reopen()
        if self._store is not None:
            await self._commit(self._store)

    async def _close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            async with self._turn:
                await anyio.to_thread.run_sync(store.close)
        if self._source is not None:
            await self._source.close()

    # -- the file ------------------------------------------------------------------------------------------------------

    async def _reopen(self, retry_s: float = RETRY_FIRST_S) -> None:
        try:
            await self._open_store()
        except (sqlite3.Error, OSError, HistoryFailed) as error:
            await self._failed(None, error, retry_s)

    async def _open_store(self) -> None:
        now_us = self._clock.now_us()
        store = await anyio.to_thread.run_sync(HistoryStore, self._folder, self._retention, now_us)
        try:
            place = await anyio.to_thread.run_sync(store.place)
            self._copied_us = await anyio.to_thread.run_sync(store.seen_us) or now_us
            if not self._is_known:
                self._book.remember(await anyio.to_thread.run_sync(store.latest, RECENT_LIMIT))
                for run in await anyio.to_thread.run_sync(store.open_runs, OPEN_LIMIT):
                    self._taken(run)
                self._is_known = True
        except BaseException:
            store.close()
            raise
        self._store, self._place = store, place
        self._lost_since_s = None
        if self._reading is not None:
            self._reading.cancel()  # the file may stand elsewhere than what is being read
        self._emit(HistoryOpened(store.rows))

    async def _failed(self, store: HistoryStore | None, error: Exception, retry_s: float) -> None:
        if store is not None and store is not self._store:
            return  # told already
        self._store = None
        if self._lost_since_s is None:
            self._lost_since_s = self._clock.monotonic_s()
        if self._source is not None:
            self._fresh = []  # the stream has them still
        if store is not None:
            async with self._turn:
                await anyio.to_thread.run_sync(store.close)
        code = Public(error.code if isinstance(error, HistoryFailed) else "history-failed")
        self._emit(HistoryLost(code, reason(error), retry_s))
        if is_damaged(error):
            try:
                aside = await anyio.to_thread.run_sync(put_aside, self._folder, self._clock.now_us())
            except OSError:
                return  # the next attempt meets it again
            self._emit(HistoryDamaged(Public(aside.name)))


def _nobody(run: Run) -> None:
    del run
