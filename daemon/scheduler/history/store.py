"""The copy of the history on this daemon's disk, as one thread at a time writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from daemon.scheduler.history.retention import Growth, Retention
from daemon.scheduler.history.schema import COLUMNS, FILE, OPEN_STATES, connect, row_of, run_of
from daemon.scheduler.run import Run

KEYS_AT_ONCE = 500
PRUNE_ROWS = 1000
"""Rows that one step of pruning removes: no other write waits for longer than that."""

_COLUMNS = ", ".join(COLUMNS)
_MARKS = ", ".join("?" * (len(COLUMNS) + 1))
_INSERT = f"INSERT INTO run (key, {_COLUMNS}) VALUES ({_MARKS}) ON CONFLICT (key) DO NOTHING"  # noqa: S608 - our own words
_UPDATE = "UPDATE run SET state = ?, started_us = ?, finished_us = ?, worker = ?, reason = ? WHERE key = ?"
_OPEN = ", ".join(f"'{state}'" for state in OPEN_STATES)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class HistoryStore:
    """An open ``history.sqlite``. Calls may come from any thread, one after the other; each may raise ``sqlite3.Error``."""

    def __init__(self, folder: Path, retention: Retention, now_us: int) -> None:
        """Open the file in ``folder``.

        Raises:
            sqlite3.Error: it cannot be used.
            HistoryFailed: it was written by a newer version.
        """
        self._retention = retention
        self._growth = Growth(retention)
        self._db = connect(folder / FILE)
        try:
            [[rows]] = self._db.execute("SELECT count(*) FROM run")
            self._rows = int(rows)
            self._watch = self._db.execute(
                "INSERT INTO watch (began_us, seen_us) VALUES (?, ?)", (now_us,) * 2
            ).lastrowid
            self._full = [
                entry
                for [entry] in self._db.execute(
                    "SELECT entry FROM run GROUP BY entry HAVING count(*) > ?", (retention.per_entry,)
                )
            ]
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @property
    def rows(self) -> int:
        """Count what is kept."""
        return self._rows

    # -- writing -------------------------------------------------------------------------------------------------------

    def commit(
        self, fresh: Sequence[Run], changed: Iterable[Run], gaps: Iterable[tuple[int, int]], place: str, now_us: int
    ) -> list[tuple[Run, int]]:
        """Add what is new, bring up to date what has changed, and note up to where the stream has been copied.

        ``gaps`` are times (from, until) of which records may be missing. Gives the runs among ``fresh`` that were enqueued before,
        each with when that was.
        """
        with self._transaction():
            repeated = list(self._repeated(fresh))
            before = self._db.total_changes
            self._db.executemany(_INSERT, map(row_of, fresh))
            self._rows += self._db.total_changes - before
            self._db.executemany(
                _UPDATE,
                [
                    (run.state.value, run.started_us, run.finished_us, run.worker, run.reason, run.key)
                    for run in changed
                ],
            )
            self._db.executemany("INSERT INTO gap (from_us, until_us) VALUES (?, ?)", list(gaps))
            if place:
                self._db.execute("INSERT OR REPLACE INTO position VALUES (1, ?)", (place,))
            self._db.execute("UPDATE watch SET seen_us = ? WHERE id = ?", (now_us, self._watch))
        self._growth.note(fresh)
        return repeated

    def _repeated(self, fresh: Sequence[Run]) -> Iterator[tuple[Run, int]]:
        told = {run.key: run for run in fresh if run.task_id}
        for some in batched(list(told), KEYS_AT_ONCE):
            marks = ", ".join("?" * len(some))
            query = f"SELECT key, settled_us FROM run WHERE key IN ({marks})"  # noqa: S608 - our own words
            for key, settled_us in self._db.execute(query, some):
                if settled_us != told[key].settled_us:
                    yield told[key], int(settled_us)

    # -- pruning -------------------------------------------------------------------------------------------------------

    def prune(self, now_us: int) -> int:
        """Remove up to 1000 rows that need not be kept; say how many. Called again until it says 0."""
        oldest_us = now_us - self._retention.age_us
        removed = self._delete("settled_us < ? ORDER BY settled_us LIMIT ?", (oldest_us, PRUNE_ROWS))
        if not removed and self._rows > self._retention.rows:
            too_many = min(self._rows - self._retention.rows, PRUNE_ROWS)
            removed = self._delete("TRUE ORDER BY settled_us LIMIT ?", (too_many,))
        if not removed:
            removed = self._prune_entries()
        if not removed:
            for table, column in (("watch", "seen_us"), ("gap", "until_us")):
                self._db.execute(f"DELETE FROM {table} WHERE {column} < ?", (oldest_us,))  # noqa: S608 - our own words
        return removed

    def _prune_entries(self) -> int:
        self._full += [entry for entry in self._growth.due() if entry not in self._full]
        while self._full:
            newest = "SELECT id FROM run WHERE entry = ? ORDER BY occurrence_us DESC LIMIT ? OFFSET ?"
            found = (self._full[-1], PRUNE_ROWS, self._retention.per_entry)
            if removed := self._delete_ids(newest, found):
                return removed
            self._full.pop()
        return 0

    def _delete(self, where: str, values: Sequence[object]) -> int:
        return self._delete_ids(f"SELECT id FROM run WHERE {where}", values)  # noqa: S608 - our own words

    def _delete_ids(self, query: str, values: Sequence[object]) -> int:
        found = self._db.execute(f"DELETE FROM run WHERE id IN ({query})", values).rowcount  # noqa: S608 - as above
        self._rows -= found
        return found

    # -- reading at the start ------------------------------------------------------------------------------------------

    def place(self) -> str:
        """Give up to where the stream has been copied; empty if nothing has been."""
        found = self._db.execute("SELECT place FROM position").fetchone()
        return str(found[0]) if found else ""

    def seen_us(self) -> int:
        """Say when the last record was settled; 0 without any."""
        [[found]] = self._db.execute("SELECT max(settled_us) FROM run")
        return int(found or 0)

    def latest(self, per_entry: int) -> list[Run]:
        """Give the latest runs of each entry, and its last success and failure, oldest first."""
        query = f"""
            WITH ranked AS (
                SELECT id, row_number() OVER (PARTITION BY entry ORDER BY occurrence_us DESC) AS number FROM run
            ), told AS (
                SELECT id, row_number() OVER (PARTITION BY entry, state ORDER BY occurrence_us DESC) AS number FROM run
                WHERE state IN ('succeeded', 'failed')
            )
            SELECT {_COLUMNS} FROM run WHERE id IN (
                SELECT id FROM ranked WHERE number <= ? UNION SELECT id FROM told WHERE number = 1
            ) ORDER BY occurrence_us
        """  # noqa: S608 - our own words
        return [run_of(row) for row in self._db.execute(query, (per_entry,))]

    def open_runs(self, most: int) -> list[Run]:
        """Give the latest runs that are not over, oldest first."""
        query = f"SELECT {_COLUMNS} FROM run WHERE state IN ({_OPEN}) ORDER BY settled_us DESC LIMIT ?"  # noqa: S608 - as above
        return [run_of(row) for row in self._db.execute(query, (most,))][::-1]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def batched(keys: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Cut a row of keys into pieces."""
    for first in range(0, len(keys), size):
        yield keys[first : first + size]


def is_damaged(error: BaseException) -> bool:
    """Say whether the file is no database any more."""
    return isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def put_aside(folder: Path, now_us: int) -> Path:
    """Rename a damaged file, so that a new one can begin; it is not deleted.

    Raises:
        OSError: it cannot be.
    """
    aside = folder / f"{FILE}.damaged-{now_us}"
    (folder / FILE).rename(aside)
    for suffix in ("-wal", "-shm"):
        (folder / f"{FILE}{suffix}").unlink(missing_ok=True)
    return aside
