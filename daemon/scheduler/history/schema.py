"""The tables of ``history.sqlite``, and a run as a row of them.

run       what became of an occurrence, or of several passed over at once
position  up to where the stream has been copied
watch     the times in which this daemon was there to copy
gap       times of which records may be missing

The stream in the broker is the source, so a commit need not wait for the disk: what a power cut takes away is copied again.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from daemon.errors import HistoryFailed
from daemon.scheduler.model import How
from daemon.scheduler.run import Run, RunState

FILE = "history.sqlite"
SCHEMA_VERSION = 1
_BUSY_S = 5.0

COLUMNS = (
    "entry", "name", "occurrence_us", "state", "how", "by", "settled_us", "task", "queue", "task_id", "started_us",
    "finished_us", "worker", "reason", "last_us", "times", "holds",
)  # fmt: skip
OPEN_STATES = tuple(state.value for state in RunState if not state.is_over)

_SCHEMA = """
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    entry TEXT NOT NULL,
    name TEXT NOT NULL,
    occurrence_us INTEGER NOT NULL,
    state TEXT NOT NULL,
    how TEXT NOT NULL,
    by TEXT NOT NULL,
    settled_us INTEGER NOT NULL,
    task TEXT NOT NULL,
    queue TEXT NOT NULL,
    task_id TEXT NOT NULL,
    started_us INTEGER,
    finished_us INTEGER,
    worker TEXT NOT NULL,
    reason TEXT NOT NULL,
    last_us INTEGER NOT NULL,
    times INTEGER NOT NULL,
    holds INTEGER NOT NULL
);
CREATE INDEX run_entry ON run (entry, occurrence_us);
CREATE INDEX run_settled ON run (settled_us);
CREATE INDEX run_open ON run (settled_us) WHERE state IN ('enqueued', 'started');
CREATE TABLE position (one INTEGER PRIMARY KEY CHECK (one = 1), place TEXT NOT NULL);
CREATE TABLE watch (id INTEGER PRIMARY KEY, began_us INTEGER NOT NULL, seen_us INTEGER NOT NULL);
CREATE TABLE gap (id INTEGER PRIMARY KEY, from_us INTEGER NOT NULL, until_us INTEGER NOT NULL);
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open the database for writing, made if it is not there.

    Raises:
        sqlite3.Error: the file cannot be used.
        HistoryFailed: it was written by a newer version.
    """
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=_BUSY_S, cached_statements=64
    )
    try:
        for pragma in (
            "trusted_schema=OFF",
            "mmap_size=0",  # an error while reading a mapped file is a signal, not an exception
            "journal_mode=WAL",
            "synchronous=NORMAL",
            f"journal_size_limit={16 * 1024 * 1024}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    [[version]] = connection.execute("PRAGMA user_version")
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
    elif version != SCHEMA_VERSION:
        message = f"{path}: the history has schema {version}, this version knows {SCHEMA_VERSION}"
        raise HistoryFailed(message, hint="start the newer version again, or move the file away")


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open the database for reading only.

    Raises:
        sqlite3.Error: the file cannot be used.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_S,
    )
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def row_of(run: Run) -> tuple[object, ...]:
    """Write a run as a row, its key first."""
    return (run.key, *run._replace(state=run.state.value, how=run.how.value))  # type: ignore[arg-type]  # as stored


def run_of(row: tuple[object, ...]) -> Run:
    """Read a row of ``COLUMNS``."""
    found = Run(*row)  # type: ignore[arg-type]  # as the schema has them
    return found._replace(state=RunState(found.state), how=How(found.how), holds=bool(found.holds))
