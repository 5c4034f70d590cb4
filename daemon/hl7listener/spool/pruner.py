"""What is past its time is removed from the spool, and the oldest when it is too large; never what still waits."""

from __future__ import annotations

import sqlite3
import time

from daemon.clock import Clock
from daemon.hl7listener.judging.finding import Disposition
from daemon.hl7listener.spool.jobs import Limits
from daemon.hl7listener.spool.schema import is_full, undo
from daemon.ports import FaultPoint

PRUNE_ROWS = 100
FEWEST_ROWS = 8
PRUNE_BYTES = 4 * 1024 * 1024
"""What is removed is overwritten, in the log first; arrivals wait meanwhile. More than a group may bring, to keep up."""

CHUNK_S = 0.01
"""A step that took longer is followed by a smaller one."""

PASS_EVERY_S = 1.0
"""What is past its time and kept all the same is not gone through all the time."""


class Pruner:
    """Goes through the messages from the oldest on, a few at a time.

    Attributes:
        is_done: whether nothing more is due for now.
    """

    def __init__(self, db: sqlite3.Connection, limits: Limits, clock: Clock, at: FaultPoint) -> None:
        """Begin with the oldest."""
        self._db = db
        self._limits = limits
        self._clock = clock
        self._at = at
        self._prune_from = 0
        self._rows = PRUNE_ROWS
        self._passed_at_s: float | None = None
        self.is_done = True

    def prune(self) -> int:
        """Look at some messages, remove those that are past their time, or the oldest if the spool is too large.

        Return how many went.

        Raises:
            sqlite3.Error: the database failed; a full disk is no failure.
        """
        started_s = time.monotonic()
        if self.is_done and self._passed_at_s is not None and started_s - self._passed_at_s < PASS_EVERY_S:
            return 0
        now_us = self._clock.now_us()
        cutoff_us = now_us - self._limits.retention_us
        quarantine_us = min(cutoff_us, now_us - self._limits.quarantine_us)
        rows = self._db.execute(  # compared there, because a row may have decayed and its time be no number
            "SELECT message.seq, received_us < ?, received_us < ?, pending.seq IS NULL, disposition, coalesce(cursor.seq, 0), coalesce(length(data), 0)"
            " FROM message"
            " LEFT JOIN cursor ON cursor.feed = message.feed LEFT JOIN pending USING (seq)"
            " WHERE message.seq >= ? AND message.seq < (SELECT max(seq) FROM message)"  # the newest keeps the count
            " ORDER BY message.seq LIMIT ?",
            (cutoff_us, quarantine_us, self._prune_from, self._rows),
        ).fetchall()
        is_large = self._size_bytes() > self._limits.size_bytes
        doomed: list[tuple[int]] = []
        size_bytes = 0
        for looked_at, (seq, is_old, is_very_old, is_answered, disposition, cursor, length) in enumerate(rows, 1):
            is_due = is_large or (is_very_old if disposition == Disposition.QUARANTINED.value else is_old)
            if is_due and is_answered and (disposition != Disposition.ROUTED.value or seq <= cursor):
                doomed.append((seq,))
                size_bytes += length
                if size_bytes >= PRUNE_BYTES:
                    del rows[looked_at:]
                    break
        self.is_done = not rows or not (is_large or rows[-1][1])
        self._prune_from = 0 if self.is_done else rows[-1][0] + 1
        self._passed_at_s = started_s if self.is_done else None
        if doomed:
            try:
                self._at("prune.chunk")
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("DELETE FROM message WHERE seq = ?", doomed)
                self._db.executemany("DELETE FROM parked WHERE seq = ?", doomed)
                self._db.executemany("DELETE FROM answer WHERE seq = ?", doomed)
                self._db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if not is_full(error):
                    raise
                # Removing needs room too, in the log. The spool goes on, so that what waits is still handed on.
                undo(self._db)
                self._prune_from, self.is_done = 0, True
                return 0
            self._pace(time.monotonic() - started_s)
        return len(doomed)

    def _pace(self, took_s: float) -> None:
        """Do less the next time if this took too long, and more again if it did not."""
        if took_s > CHUNK_S:
            self._rows = max(self._rows // 2, FEWEST_ROWS)
        elif took_s < CHUNK_S / 4:
            self._rows = min(self._rows * 2, PRUNE_ROWS)

    def _size_bytes(self) -> int:
        [[pages]] = self._db.execute("PRAGMA page_count")
        [[free]] = self._db.execute("PRAGMA freelist_count")
        [[size]] = self._db.execute("PRAGMA page_size")
        return (int(pages) - int(free)) * int(size)
