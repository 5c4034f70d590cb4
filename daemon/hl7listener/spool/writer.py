"""The one thread that writes the spool: it takes what is queued, commits it as a group, and reports back.

No artificial delay: while one group waits for the disk the next one gathers. Everything here runs on the thread; the event
loop only puts jobs into the queue and gets called back.
"""

from __future__ import annotations

import os
import queue
import time
from pathlib import Path

from daemon.clock import Clock
from daemon.hl7listener.spool.jobs import Answered, Group, Job, Limits, Park, Release, Reports, Settle, Stop, Store
from daemon.hl7listener.spool.mark import Mark
from daemon.hl7listener.spool.messages import Entry, Messages, is_single
from daemon.hl7listener.spool.opening import Opened
from daemon.hl7listener.spool.pruner import Pruner
from daemon.hl7listener.spool.rows import Done, NotStored, Stored, WhyNot
from daemon.hl7listener.spool.schema import answer_crc, is_full, undo
from daemon.ports import FaultPoint

GROUP_ROWS = 64
GROUP_BYTES = 1024 * 1024
IDLE_S = 0.25
LOOK_EVERY_S = 0.5
MARK_EVERY_S = 1.0
TELL_ROOM_EVERY = 20
"""Of so many looks at the disk one is told, if nothing has changed."""


class DiskFull(Exception):
    """There is no room; nothing of the group was stored."""


class Writer:
    """Owns the writing connection."""

    def __init__(self, opened: Opened, folder: Path, limits: Limits, clock: Clock, at: FaultPoint) -> None:
        """Take over an open, verified database."""
        self._opened = opened
        self._db = opened.connection
        self._mark = opened.mark
        self._epoch = opened.epoch[1]
        self._messages = Messages(opened.connection, opened.epoch, opened.next_seq)
        self._pruner = Pruner(opened.connection, limits, clock, at)
        self._folder = folder
        self._free_floor_bytes = limits.free_floor_bytes
        self._clock = clock
        self._at = at
        self._marked_at_s = 0.0
        self._looked_at_s = 0.0
        self._has_room = self._told_room = True
        self._looks = 0
        self.jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()

    def close(self) -> None:
        """Close the database and the mark."""
        self._opened.close()

    def run(self, reports: Reports) -> None:
        """Work until told to stop.

        Raises:
            sqlite3.Error, OSError: the disk or the database failed; the jobs of the last group have been told.
        """
        stopping = False
        while not stopping:
            jobs, stopping = self._gather()
            if jobs:
                self._work(jobs, reports)
            del jobs  # their messages may be large, and the next may be long in coming
            self._upkeep(reports)
        self._at("checkpoint.before")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._write_mark()

    def _gather(self) -> tuple[list[Job], bool]:
        jobs: list[Job] = []
        size = 0
        try:
            job = self.jobs.get(timeout=IDLE_S)
            while not isinstance(job, Stop):
                jobs.append(job)
                if isinstance(job, Store):
                    size += len(job.arrival.data)
                if len(jobs) >= GROUP_ROWS or size >= GROUP_BYTES:
                    return jobs, False
                job = self.jobs.get_nowait()
        except queue.Empty:
            return jobs, False
        return jobs, True

    def _work(self, jobs: list[Job], reports: Reports) -> None:
        if not self._has_room:
            reports.group(Group([(job.done, NotStored(WhyNot.FULL)) for job in jobs if isinstance(job, Store)]))
            jobs = [job for job in jobs if not isinstance(job, Store)]
        group = Group()
        started_s = time.monotonic()
        try:
            self._commit(jobs, group)
        except DiskFull:
            # Cursors and parked rows of this group may be forgotten: the broker's mark tells where a feed stands.
            group = _refused(jobs, WhyNot.FULL)
        except BaseException:
            reports.group(_refused(jobs, WhyNot.FAILED))
            raise
        group.took_s = time.monotonic() - started_s
        reports.group(group)

    def _commit(self, jobs: list[Job], group: Group) -> None:
        arrivals = [job for job in jobs if isinstance(job, Store)]
        others = [job for job in jobs if not isinstance(job, Store)]
        self._at("commit.before")
        entries: list[Entry] = []
        inserted = 0
        try:
            if others or not is_single(arrivals):
                self._db.execute("BEGIN IMMEDIATE")
                for job in others:
                    self._note(job, group)
            if arrivals:
                entries, inserted = self._messages.insert(arrivals)
            if self._db.in_transaction:
                self._db.execute("COMMIT")
        except BaseException as error:
            undo(self._db)
            if is_full(error):
                self._has_room, self._looked_at_s = False, 0.0
                raise DiskFull from None
            raise
        self._at("commit.synced")
        self._messages.answer(arrivals, entries, inserted, group)

    def _note(self, job: Job, group: Group) -> None:
        if isinstance(job, Settle):
            self._db.execute("INSERT OR REPLACE INTO cursor (feed, seq) VALUES (?, ?)", (str(job.feed), job.seq))
        elif isinstance(job, Park):
            self._db.execute(
                "INSERT OR REPLACE INTO parked (seq, parked_us, reason) VALUES (?, ?, ?)",
                (job.seq, self._clock.now_us(), job.reason),
            )
            if job.done is not None:
                group.told.append((job.done, True))
        elif isinstance(job, Release):
            self._db.execute("DELETE FROM parked WHERE seq = ?", (job.seq,))
        elif isinstance(job, Answered):
            crc = answer_crc(job.seq, job.ack)
            self._db.execute("INSERT OR REPLACE INTO answer VALUES (?, ?, ?)", (job.seq, job.ack, crc))
            self._db.execute("DELETE FROM pending WHERE seq = ?", (job.seq,))
            group.told.append((job.done, True))

    # -- upkeep --------------------------------------------------------------------------------------------------------

    def _upkeep(self, reports: Reports) -> None:
        now_s = time.monotonic()
        if now_s - self._marked_at_s >= MARK_EVERY_S:
            self._marked_at_s = now_s
            self._write_mark()
        is_time = now_s - self._looked_at_s >= LOOK_EVERY_S
        if is_time:
            self._looked_at_s = now_s
            self._look_for_room(reports)
        if is_time or not self._pruner.is_done:
            count = self._pruner.prune()
            if count:
                reports.pruned(count)

    def _write_mark(self) -> None:
        highest = self._messages.newest_seq  # not what numbers were given: those of resends have no row
        if self._mark.last is None or self._mark.last.sequence != highest:
            self._mark.write(Mark(self._epoch, highest, self._clock.now_us()))

    def _look_for_room(self, reports: Reports) -> None:
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        floor = self._free_floor_bytes
        # A little more than the floor is asked for before feeds run again, lest they stop and go.
        self._has_room = free >= (floor if self._has_room else floor + floor // 8)
        if self._has_room != self._told_room or self._looks % TELL_ROOM_EVERY == 0:
            self._told_room = self._has_room
            reports.room(free, self._has_room)
        self._looks += 1


def _refused(jobs: list[Job], why: WhyNot) -> Group:
    """Tell all of a group that nothing of it is on disk, or not surely."""
    answers: list[tuple[Done, Stored | NotStored]] = [
        (job.done, NotStored(why)) for job in jobs if isinstance(job, Store)
    ]
    told = [(job.done, False) for job in jobs if isinstance(job, (Answered, Park)) and job.done is not None]
    return Group(answers, told=told)
