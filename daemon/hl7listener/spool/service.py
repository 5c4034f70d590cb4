"""The spool as a service: where a message is safe before it is acknowledged.

It opens and verifies the database, runs the writer thread, and hands committed messages to whoever passes them on. When
the disk fails the service ends with ``SpoolFailed``; the supervisor opens it again, on a fresh connection and a fresh
epoch, and until that has worked nothing is acknowledged.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from daemon.clock import Clock
from daemon.errors import SpoolFailed
from daemon.events import Committed, Pruned, SpoolDamaged, SpoolOpened
from daemon.feed_events import FeedResumed, FeedWithholding
from daemon.hl7listener.spool.aside import StepAside
from daemon.hl7listener.spool.disk import Disk
from daemon.hl7listener.spool.indexing import index_always
from daemon.hl7listener.spool.inspecting import inspect_always
from daemon.hl7listener.spool.jobs import Answered, Group, Limits, Park, Release, Reports, Settle, Stop, Store
from daemon.hl7listener.spool.opening import FILE, Connect, open_spool
from daemon.hl7listener.spool.reader import Reader
from daemon.hl7listener.spool.rows import Arrival, Done, NotStored, Row, WhyNot
from daemon.hl7listener.spool.schema import connect
from daemon.hl7listener.spool.writer import Writer
from daemon.ports import Emit, FaultPoint, no_fault
from daemon.public import Public
from daemon.right_of_way import RightOfWay

STOP_LIMIT_S = 30.0


class Spool:
    """Stores arrivals and gives back what waits."""

    name = Public("spool")

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        clock: Clock,
        emit: Emit,
        *,
        new_epoch: Callable[[], str],
        at: FaultPoint = no_fault,
        connect: Connect = connect,
        any_filesystem: bool = False,
        patient_search: bool = True,
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        With ``any_filesystem`` one of another machine will do; with ``patient_search`` messages can be found by their
        patients' numbers.
        """
        self._folder = folder
        self._limits = limits
        self._clock = clock
        self._emit = emit
        self._new_epoch = new_epoch
        self._epoch = ""
        self._at = at
        self._connect = connect
        self._writer: Writer | None = None
        self._thread: threading.Thread | None = None
        self._reader: Reader | None = None
        self._takers: dict[Public, Callable[[list[Row]], None]] = {}
        self._listeners: list[Callable[[bool], None]] = []
        self._accepting = self._is_withholding = False
        self._has_room = True
        self._disk = Disk(folder, limits.free_warn_bytes, clock, emit, any_filesystem=any_filesystem)
        self._is_distrusted = False
        self._patient_search = patient_search
        self._ended = asyncio.Event()
        self._failure: BaseException | None = None
        self._queued = self._arrived = 0
        self.way = RightOfWay()
        """Taken while arrivals are on their way to the disk."""
        self._aside = StepAside(lambda: self._queued > 0)
        self._gathered: list[Store] = []
        self._committed_at_s = 0.0

    # -- life ----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open and verify the database and start the writer.

        Raises:
            SpoolFailed: it cannot be opened or written.
        """
        await self._disk.wait_while_down()
        started_s = self._clock.monotonic_s()
        self._ended, self._failure, self._queued = asyncio.Event(), None, 0
        loop = asyncio.get_running_loop()
        try:
            await self._disk.look_at_place()
            opened = await anyio.to_thread.run_sync(
                partial(
                    open_spool,
                    self._folder,
                    self._connect,
                    self._clock,
                    self._new_epoch,
                    is_distrusted=self._is_distrusted,
                )
            )
            try:
                self._reader = Reader(self._folder / FILE)
            except BaseException:
                opened.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise self._failed(error) from None
        for damage in opened.damages:
            self._emit(SpoolDamaged(Public(damage.what), damage.first, damage.last))
        self._is_distrusted, self._has_room = False, True
        self._writer = Writer(opened, self._folder, self._limits, self._clock, self._at)
        self._thread = threading.Thread(target=self._run, args=(self._writer, loop), name="spool-writer", daemon=True)
        self._thread.start()
        self._committed_at_s = self._clock.monotonic_s()
        took_s = self._committed_at_s - started_s
        self._epoch = opened.epoch[1]
        self._emit(SpoolOpened(Public(opened.epoch[1]), opened.messages, opened.waiting, took_s))
        self._set_accepting(accepting=True, why="")

    async def serve(self) -> None:
        """Wait until the writer ends.

        Raises:
            SpoolFailed: the disk or the database failed.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                partial(
                    index_always,
                    self._folder,
                    FILE,
                    self._clock.monotonic_s,
                    self._emit,
                    arrived=lambda: self._arrived,
                    has_patients=self._patient_search,
                )
            )
            tasks.start_soon(inspect_always, lambda: self._reader, self._emit, self._distrust)
            await self._ended.wait()
            tasks.cancel_scope.cancel()
        failure = self._failure
        if isinstance(failure, (sqlite3.Error, OSError)):
            raise self._failed(failure)
        if failure is not None:
            raise failure

    async def drain(self) -> None:
        """Commit what is queued, write the mark, close the files."""
        self._disk.resume()
        self._accepting = False
        for tell in self._listeners:
            tell(False)  # noqa: FBT003 - callbacks with one meaning
        self._pass_on()
        writer, thread, reader = self._writer, self._thread, self._reader
        self._writer = self._thread = self._reader = None
        if reader is not None:
            with anyio.CancelScope(shield=True):  # before the writer, which takes the log away if it is the last
                await reader.close()
        if writer is not None and thread is not None:
            writer.jobs.put(Stop())
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(thread.join, STOP_LIMIT_S)

    # -- for the feeds -------------------------------------------------------------------------------------------------

    @property
    def is_accepting(self) -> bool:
        """Say whether arrivals can be stored."""
        return self._accepting

    @property
    def is_full(self) -> bool:
        """Say whether arrivals cannot be stored for want of room."""
        return not self._has_room and self._writer is not None

    @property
    def epoch(self) -> str:
        """Name the epoch that arrivals are stored in; empty before the spool was opened."""
        return self._epoch

    def on_down(self, tell: Callable[[bool], None]) -> None:
        """Have ``tell`` called when the disk has failed too often to be tried again soon, and when it is tried again."""
        self._disk.on_down(tell)

    @property
    def is_down(self) -> bool:
        """Say whether the disk has failed too often to be tried."""
        return self._disk.is_down

    def resume(self) -> None:
        """Try a disk again that failed too often."""
        self._disk.resume()

    def stalled_s(self) -> float:
        """Say for how long arrivals have been waiting without a commit."""
        return self._clock.monotonic_s() - self._committed_at_s if self._queued else 0.0

    def on_accepting(self, tell: Callable[[bool], None]) -> None:
        """Have ``tell`` called when the spool begins or ceases to accept."""
        self._listeners.append(tell)

    def store(self, arrival: Arrival, done: Done) -> None:
        """Queue an arrival; ``done`` is called on the event loop once it is on disk, or is not."""
        writer = self._writer
        if writer is None or not self._accepting:
            asyncio.get_running_loop().call_soon(done, NotStored(self._why_not()))
            return
        if not self._queued:
            self._committed_at_s = self._clock.monotonic_s()
            self.way.take()
            self._aside.begin()
        self._queued += 1
        self._arrived += 1
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self._pass_on)
        self._gathered.append(Store(arrival, done))

    def _pass_on(self) -> None:
        """Queue what one round of the event loop brought. At once: the writer would have its turn behind each alone."""
        gathered, self._gathered = self._gathered, []
        if self._writer is not None:
            for job in gathered:
                self._writer.jobs.put(job)

    # -- for the drain -------------------------------------------------------------------------------------------------

    @property
    def reader(self) -> Reader:
        """The way to what is stored.

        Raises:
            SpoolFailed: the spool is not open.
        """
        if self._reader is None:
            message = "the spool is not open"
            raise SpoolFailed(message)
        return self._reader

    def on_rows(self, feed: Public, take: Callable[[list[Row]], None]) -> None:
        """Have ``take`` called with each group of a feed's messages once they are on disk."""
        self._takers[feed] = take

    def settle(self, feed: Public, seq: int) -> None:
        """Note that everything of a feed up to ``seq`` is handed on; it goes to disk with the next group."""
        if self._writer is not None:
            self._writer.jobs.put(Settle(feed, seq))

    def park(self, seq: int, reason: Public, done: Callable[[bool], None] | None = None) -> None:
        """Note that a message cannot be handed on; ``done`` is told whether that is on disk."""
        if self._writer is not None:
            self._writer.jobs.put(Park(seq, reason, done))
        elif done is not None:
            asyncio.get_running_loop().call_soon(done, False)  # noqa: FBT003 - a callback with one meaning

    def release(self, seq: int) -> None:
        """Note that a parked message is done with: a copy of it was handed on, or it is not wanted."""
        if self._writer is not None:
            self._writer.jobs.put(Release(seq))

    def answered(self, seq: int, ack: bytes, done: Callable[[bool], None]) -> None:
        """Keep the final answer of a message that was stored with a note; ``done`` is told whether it is on disk."""
        if self._writer is None:
            asyncio.get_running_loop().call_soon(done, False)  # noqa: FBT003 - a callback with one meaning
        else:
            self._writer.jobs.put(Answered(seq, ack, done))

    # -- on the writer's thread ----------------------------------------------------------------------------------------

    def _run(self, writer: Writer, loop: asyncio.AbstractEventLoop) -> None:
        failure: BaseException | None = None
        try:
            writer.run(
                Reports(
                    lambda group: loop.call_soon_threadsafe(self._deliver, group),
                    lambda free, has_room: loop.call_soon_threadsafe(self._room, free, has_room),
                    lambda count: loop.call_soon_threadsafe(self._pruned, count),
                )
            )
        except BaseException as error:  # noqa: BLE001 - handed to the event loop, where serve raises it
            failure = error
        try:
            writer.close()
        except BaseException as error:  # noqa: BLE001 - as above; what was first counts
            failure = failure or error
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            loop.call_soon_threadsafe(self._end, writer, failure)

    # -- on the event loop ---------------------------------------------------------------------------------------------

    def _deliver(self, group: Group) -> None:
        self._committed_at_s = self._clock.monotonic_s()
        self._queued -= len(group.answers)
        for done, answer in group.answers:
            done(answer)
        for tell, is_kept in group.told:
            tell(is_kept)
        by_feed: dict[Public, list[Row]] = {}
        for row in group.rows:
            by_feed.setdefault(row.feed, []).append(row)
        for feed, rows in by_feed.items():
            if feed in self._takers:
                self._takers[feed](rows)
        if group.answers:
            self._emit(Committed(len(group.answers), group.took_s))
        if not self._queued:
            self.way.give()

    def _pruned(self, count: int) -> None:
        self._emit(Pruned(count))

    def _room(self, free_bytes: int, has_room: bool) -> None:  # noqa: FBT001 - a callback with one meaning
        self._disk.has_free(free_bytes)
        if self._writer is not None and self._failure is None:
            self._has_room = has_room
            self._set_accepting(accepting=has_room, why="the disk is full, or nearly")

    def _distrust(self) -> None:
        self._is_distrusted = True

    def _why_not(self) -> WhyNot:
        if self._failure is not None:
            return WhyNot.FAILED
        return WhyNot.FULL if self.is_full else WhyNot.CLOSED

    def _set_accepting(self, *, accepting: bool, why: str) -> None:
        if self._accepting == accepting:
            return
        self._accepting = accepting
        if not accepting:
            self._is_withholding = True
            self._emit(FeedWithholding(Public(why)))
        elif self._is_withholding:
            self._is_withholding = False
            self._emit(FeedResumed())
        for tell in self._listeners:
            tell(accepting)

    def _end(self, writer: Writer, failure: BaseException | None) -> None:
        self._failure = failure
        if failure is not None:
            self._set_accepting(accepting=False, why="the spool failed")
        self._pass_on()
        while True:  # what was queued behind the failure is not stored either
            try:
                job = writer.jobs.get_nowait()
            except queue.Empty:
                break
            if isinstance(job, Store):
                job.done(NotStored())
            elif isinstance(job, (Answered, Park)) and job.done is not None:
                job.done(False)  # noqa: FBT003 - a callback with one meaning
        self._queued = 0
        self.way.give()
        self._ended.set()

    def _failed(self, error: sqlite3.Error | OSError) -> SpoolFailed:
        self._disk.failed()
        what = error.strerror if isinstance(error, OSError) else getattr(error, "sqlite_errorname", None)
        message = f"{self._folder / FILE}: {what or type(error).__name__}"
        return SpoolFailed(message, hint="look at the disk; nothing unsaved was acknowledged")
