"""The spool's database: its tables, its pragmas, and the sum over a row.

epoch     one row for each time the spool was opened; sequence numbers mean something only within one
message   everything that arrived, in the order it was stored, with the bytes that answered it
cursor    how far each feed has been handed on
parked    messages that could not be handed on, and why
pending   messages whose final answer is still to come
answer    answers that came later than the commit of their message
sequence  the last number of each sender that counts its messages
secret    the key of what the search index knows of patients
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from daemon.errors import SpoolFailed

SCHEMA_VERSION = 2
CHECKPOINT_PAGES = 1000
"""A small write-ahead log: little to lose if it is damaged, little to reserve when the disk is full."""

LOG_LIMIT_BYTES = 16 * 1024 * 1024
BUSY_MS = 5000
_HEAD = "%r %r %s %r %r %s %r %r %s %r"
_TABLES = """
    CREATE TABLE epoch (
        id INTEGER PRIMARY KEY,
        token TEXT NOT NULL UNIQUE,
        opened_us INTEGER NOT NULL
    );
    CREATE TABLE message (
        seq INTEGER PRIMARY KEY,
        epoch INTEGER NOT NULL REFERENCES epoch (id),
        feed TEXT NOT NULL,
        received_us INTEGER NOT NULL,
        disposition INTEGER NOT NULL,
        reason TEXT,
        identity INTEGER NOT NULL,
        flags INTEGER NOT NULL,
        peer TEXT NOT NULL,
        origin INTEGER NOT NULL,
        crc INTEGER NOT NULL,
        ack BLOB NOT NULL,
        data BLOB NOT NULL
    );
    CREATE UNIQUE INDEX message_identity ON message (identity);
    CREATE INDEX message_order ON message (feed, seq);
    CREATE INDEX message_aside ON message (disposition, seq) WHERE disposition <> 1;
    CREATE INDEX message_origin ON message (origin, seq) WHERE origin <> 0;
    CREATE TABLE cursor (feed TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE parked (seq INTEGER PRIMARY KEY, parked_us INTEGER NOT NULL, reason TEXT NOT NULL);
    CREATE TABLE pending (seq INTEGER PRIMARY KEY, feed TEXT NOT NULL, note TEXT NOT NULL);
    CREATE TABLE answer (seq INTEGER PRIMARY KEY, ack BLOB NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE sequence (feed TEXT, sender TEXT, number INTEGER NOT NULL, PRIMARY KEY (feed, sender)) WITHOUT ROWID;
    CREATE TABLE secret (id INTEGER PRIMARY KEY, key BLOB NOT NULL);
"""
"""Rows of ``message`` never change once they are there: their sum covers every column, and nothing has to be written twice.

``origin`` is the batch of a member, and what a replay repeats. An answer that comes later than the commit is in ``answer``.
"""


class OldSchema(Exception):
    """The file is of an older version and has to be carried over into a new one."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the database for writing, with what durability needs, and make its tables if it is new.

    ``synchronous=FULL`` makes a commit wait until the write-ahead log is on the disk.

    Raises:
        sqlite3.Error: the file cannot be used.
        SpoolFailed: it was written by a newer version.
        OldSchema: it was written by an older version.
    """
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000, cached_statements=256
    )
    connection.text_factory = _text
    try:
        for pragma in (
            "trusted_schema=OFF",
            "cell_size_check=ON",
            "mmap_size=0",  # an error while reading a mapped file is a signal, not an exception
            "journal_mode=WAL",
            "synchronous=FULL",
            "secure_delete=ON",  # pruned patient data does not linger in free pages
            f"wal_autocheckpoint={CHECKPOINT_PAGES}",
            f"journal_size_limit={LOG_LIMIT_BYTES}",
            "foreign_keys=OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")
        _begin(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open the database for reading only.

    Raises:
        sqlite3.Error: the file cannot be used.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    connection.text_factory = _text
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def _begin(connection: sqlite3.Connection) -> None:
    [[version]] = connection.execute("PRAGMA user_version")
    if version > SCHEMA_VERSION:
        message = f"the spool has schema {version}, this version knows {SCHEMA_VERSION}"
        raise SpoolFailed(message, hint="start the newer version again, or restore the spool it wrote")
    if not version:
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
    elif version < SCHEMA_VERSION:
        raise OldSchema


def _text(stored: bytes) -> str:
    """Read text that may have decayed: it is found by its sum, and is no reason to take the disk for broken."""
    return stored.decode("utf-8", "replace")


def is_row_whole(row: Sequence[Any]) -> bool:
    """Say whether a row of ``message``, all columns in their order, is what was stored.

    A changed bit can also make text or nothing of its bytes.
    """
    data, ack = row[12], row[11]
    return isinstance(data, bytes) and isinstance(ack, bytes) and row_crc(tuple(row[:10]), ack, data) == row[10]


def row_crc(head: tuple[Any, ...], ack: bytes, data: bytes) -> int:
    """Sum a row of ``message``: all columns up to the sum itself, and those behind it.

    SQLite's own checks do not look into payloads.
    """
    return zlib.crc32(data, zlib.crc32(ack, zlib.crc32((_HEAD % head).encode("utf-8", "backslashreplace"))))


def answer_crc(seq: int, ack: bytes) -> int:
    """Sum a late answer."""
    return zlib.crc32(ack, zlib.crc32(b"%d\n" % seq))


def is_full(error: BaseException) -> bool:
    """Say whether there was no room on the disk."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_FULL


def undo(connection: sqlite3.Connection) -> None:
    """Roll back, if a transaction is open."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
