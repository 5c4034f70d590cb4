"""The one thread that writes the spool: it takes what is queued, commits it as a group, and reports back.

No artificial delay: while one group waits for the disk the next one gathers. Everything here runs on the thread; the event
loop only puts jobs into the queue and gets called back.
"""

from __future__ import annotations

import os
import queue
import sqlite3
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

from daemon.clock import Clock
from daemon.hl7listener.finding import Disposition
from daemon.hl7listener.spool.mark import Mark
from daemon.hl7listener.spool.opening import Opened
from daemon.hl7listener.spool.rows import Arrival, Done, NotStored, Row, Stored, identity_of
from daemon.hl7listener.spool.schema import row_crc
from daemon.ports import FaultPoint
from daemon.public import Public

GROUP_ROWS = 64
GROUP_BYTES = 1024 * 1024
PRUNE_ROWS = 200
IDLE_S = 0.25
LOOK_EVERY_S = 0.5
MARK_EVERY_S = 1.0

_LAST_IDENTITY = (1 << 63) - 1
_PLACES = "(?,?,?,?,?,?,?,?,?,?)"
_UNLESS_RESENT = (
    "ON CONFLICT (identity) DO UPDATE SET data = NULL"
    " WHERE message.feed <> excluded.feed OR message.data <> excluded.data"
)
"""Leaves a resend out, and fails as a whole if the identity is another message's: equal hashes are not equal messages."""


class Store(NamedTuple):
    """Put an arrival on disk."""

    arrival: Arrival
    done: Done


@dataclass(frozen=True, slots=True)
class Settle:
    """Everything of a feed up to ``seq`` has been handed on."""

    feed: Public
    seq: int


@dataclass(frozen=True, slots=True)
class Park:
    """A message cannot be handed on."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Finish what is queued and end."""


Job: TypeAlias = Store | Settle | Park | Stop


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much the spool keeps."""

    retention_us: int
    size_bytes: int
    free_floor_bytes: int


@dataclass(slots=True)
class Group:
    """What one commit did, told to the event loop."""

    answers: list[tuple[Done, Stored | NotStored]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    took_s: float = 0.0


class Reports(NamedTuple):
    """Whom the writer tells: of each group, of room on the disk gained or lost, and of how much was pruned."""

    group: Callable[[Group], object]
    has_room: Callable[[bool], object]
    pruned: Callable[[int], object]


class DiskFull(Exception):
    """There is no room; nothing of the group was stored."""


class Writer:
    """Owns the writing connection."""

    def __init__(self, opened: Opened, folder: Path, limits: Limits, clock: Clock, at: FaultPoint) -> None:
        """Take over an open, verified database."""
        self._opened = opened
        self._db = opened.connection
        self._mark = opened.mark
        self._epoch_id, self._epoch = opened.epoch
        self._next_seq = opened.next_seq
        self._newest_seq = opened.next_seq - 1
        self._folder = folder
        self._limits = limits
        self._clock = clock
        self._at = at
        self._marked_at_s = 0.0
        self._looked_at_s = 0.0
        self._prune_from = 0
        self._has_room = self._told_room = True
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
            self._upkeep(reports, is_idle=not jobs)
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
            reports.group(_refused(jobs))
            jobs = [job for job in jobs if not isinstance(job, Store)]
        group = Group()
        started_s = time.monotonic()
        try:
            self._commit(jobs, group)
        except DiskFull:
            # Cursors and parked rows of this group may be forgotten: the broker's mark tells where a feed stands.
            group = _refused(jobs)
        except BaseException:
            reports.group(_refused(jobs))
            raise
        group.took_s = time.monotonic() - started_s
        reports.group(group)

    def _commit(self, jobs: list[Job], group: Group) -> None:
        arrivals = [job for job in jobs if isinstance(job, Store)]
        others = [job for job in jobs if not isinstance(job, Store)]
        self._at("commit.before")
        try:
            if others:
                self._db.execute("BEGIN IMMEDIATE")
                for job in others:
                    self._note(job)
            inserted = self._insert(arrivals) if arrivals else 0
            if others:
                self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                self._has_room, self._looked_at_s = False, 0.0
                raise DiskFull from None
            raise
        self._at("commit.synced")
        self._answer(arrivals, group, all_new=inserted == len(arrivals))
        self._next_seq += len(arrivals)

    def _note(self, job: Job) -> None:
        if isinstance(job, Settle):
            self._db.execute("INSERT OR REPLACE INTO cursor (feed, seq) VALUES (?, ?)", (str(job.feed), job.seq))
        elif isinstance(job, Park):
            self._db.execute(
                "INSERT OR REPLACE INTO parked (seq, parked_us, reason) VALUES (?, ?, ?)",
                (job.seq, self._clock.now_us(), job.reason),
            )

    def _insert(self, arrivals: list[Store]) -> int:
        """Insert all arrivals in one statement; resends meet their identity and are left out. Say how many went in.

        One statement, because this thread gives the interpreter up around each one and has to wait to get it back; on its
        own it is a transaction too, so that in the common case a whole group costs a single step. An identity that is
        another message's violates NOT NULL, and then the statement has done nothing.
        """
        values: list[object] = []
        for seq, job in enumerate(arrivals, self._next_seq):
            values += self._values(seq, job.arrival, _identity(job.arrival))
        places = ",".join((_PLACES,) * len(arrivals))
        try:
            return self._db.execute(f"INSERT INTO message VALUES {places} {_UNLESS_RESENT}", values).rowcount  # noqa: S608 - place holders
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_NOTNULL:
                raise
        return self._insert_apart(arrivals)

    def _insert_apart(self, arrivals: list[Store]) -> int:
        """Insert arrivals of which one has the identity of another message: each under the first that is free."""
        is_within = self._db.in_transaction
        if not is_within:
            self._db.execute("BEGIN IMMEDIATE")
        inserted = 0
        for seq, job in enumerate(arrivals, self._next_seq):
            found = self._find(job.arrival, _identity(job.arrival))
            if isinstance(found, int):
                values = self._values(seq, job.arrival, found)
                inserted += self._db.execute(f"INSERT INTO message VALUES {_PLACES}", values).rowcount  # noqa: S608 - place holders
        if not is_within:
            self._db.execute("COMMIT")
        return inserted

    def _values(self, seq: int, arrival: Arrival, identity: int) -> tuple[object, ...]:
        feed, received_us, data, ack, finding = arrival
        return (
            seq,
            self._epoch_id,
            feed,
            received_us,
            finding.disposition.value,
            None if finding.reason is None else finding.reason.value,
            identity,
            data,
            ack,
            row_crc(seq, feed, received_us, data),
        )

    def _answer(self, arrivals: list[Store], group: Group, *, all_new: bool) -> None:
        first = self._next_seq
        present: Collection[int] = range(first, first + len(arrivals))
        if not all_new:
            found = self._db.execute(
                "SELECT seq FROM message WHERE seq BETWEEN ? AND ?", (first, first + len(arrivals) - 1)
            )
            present = {seq for (seq,) in found}
        self._newest_seq = max(present, default=self._newest_seq)
        for seq, (arrival, done) in enumerate(arrivals, first):
            answer: Stored | NotStored | None = self._accepted_earlier(arrival)
            if seq not in present:
                answer = answer or self._stored_as(arrival, _identity(arrival)) or NotStored()
            elif arrival.finding.disposition is Disposition.ROUTED:
                group.rows.append(
                    Row(seq, self._epoch, arrival.feed, arrival.received_us, arrival.data, arrival.finding)
                )
            group.answers.append((done, answer or Stored(seq, arrival.ack)))

    def _accepted_earlier(self, arrival: Arrival) -> Stored | None:
        """A block that is refused now may have been accepted under earlier settings: its first answer stands."""
        if arrival.finding.disposition is not Disposition.QUARANTINED:
            return None
        return self._stored_as(arrival, identity_of(arrival.feed, arrival.data))

    def _stored_as(self, arrival: Arrival, identity: int) -> Stored | None:
        found = self._find(arrival, identity)
        return found if isinstance(found, Stored) else None

    def _find(self, arrival: Arrival, identity: int) -> Stored | int:
        """Find the message that is stored already, by its identity or the next behind it; else give the first free one."""
        while True:
            row = self._db.execute(
                "SELECT seq, ack, feed = ? AND data = ? FROM message WHERE identity = ?",
                (arrival.feed, arrival.data, identity),
            ).fetchone()
            if row is None:
                return identity
            seq, ack, is_equal = row
            if is_equal:
                return Stored(seq, ack, is_resend=True)
            identity = identity + 1 if identity < _LAST_IDENTITY else -_LAST_IDENTITY - 1

    # -- upkeep --------------------------------------------------------------------------------------------------------

    def _upkeep(self, reports: Reports, *, is_idle: bool) -> None:
        now_s = time.monotonic()
        if now_s - self._marked_at_s >= MARK_EVERY_S:
            self._marked_at_s = now_s
            self._write_mark()
        if now_s - self._looked_at_s >= LOOK_EVERY_S:
            self._looked_at_s = now_s
            self._look_for_room(reports)
            if is_idle or not self._has_room:
                count = self._prune()
                if count:
                    reports.pruned(count)

    def _write_mark(self) -> None:
        highest = self._newest_seq  # not what numbers were given: those of resends have no row
        if self._mark.last is None or self._mark.last.sequence != highest:
            self._mark.write(Mark(self._epoch, highest, self._clock.now_us()))

    def _look_for_room(self, reports: Reports) -> None:
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        floor = self._limits.free_floor_bytes
        # A little more than the floor is asked for before feeds run again, lest they stop and go.
        self._has_room = free >= (floor if self._has_room else floor + floor // 8)
        if self._has_room != self._told_room:
            self._told_room = self._has_room
            reports.has_room(self._has_room)

    def _prune(self) -> int:
        """Remove up to 200 messages that are past their time, or the oldest if the spool is too large."""
        rows = self._db.execute(
            "SELECT message.seq, received_us, disposition, coalesce(cursor.seq, 0) FROM message"
            " LEFT JOIN cursor ON cursor.feed = message.feed"
            " WHERE message.seq >= ? AND message.seq < (SELECT max(seq) FROM message)"  # the newest keeps the count
            " ORDER BY message.seq LIMIT ?",
            (self._prune_from, PRUNE_ROWS),
        ).fetchall()
        cutoff_us = self._clock.now_us() - self._limits.retention_us
        is_large = self._size_bytes() > self._limits.size_bytes
        doomed = [
            (seq,)
            for seq, received_us, disposition, cursor in rows
            if (is_large or received_us < cutoff_us) and (disposition != Disposition.ROUTED.value or seq <= cursor)
        ]
        is_done = not rows or not (is_large or rows[-1][1] < cutoff_us)
        self._prune_from = 0 if is_done else rows[-1][0] + 1
        if doomed:
            self._at("prune.chunk")
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("DELETE FROM message WHERE seq = ?", doomed)
            self._db.executemany("DELETE FROM parked WHERE seq = ?", doomed)
            self._db.execute("COMMIT")
        return len(doomed)

    def _size_bytes(self) -> int:
        [[pages]] = self._db.execute("PRAGMA page_count")
        [[free]] = self._db.execute("PRAGMA freelist_count")
        [[size]] = self._db.execute("PRAGMA page_size")
        return (int(pages) - int(free)) * int(size)


def _refused(jobs: list[Job]) -> Group:
    return Group([(job.done, NotStored()) for job in jobs if isinstance(job, Store)])


def _identity(arrival: Arrival) -> int:
    finding = arrival.finding
    if finding.disposition is Disposition.QUARANTINED and finding.reason is not None:
        return identity_of(arrival.feed, arrival.data, refused_for=finding.reason.value)
    return identity_of(arrival.feed, arrival.data)
