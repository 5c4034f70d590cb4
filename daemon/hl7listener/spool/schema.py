"""The spool's database: its tables, its pragmas, and how an older file is brought up to date.

epoch     one row for each time the spool was opened; sequence numbers mean something only within one
message   everything that arrived, in the order it was stored, with the bytes that answered it
cursor    how far each feed has been handed on
parked    messages that could not be handed on, and why
"""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

from daemon.errors import SpoolFailed

SCHEMA_VERSION = 1
CHECKPOINT_PAGES = 1000
"""A small write-ahead log: little to lose if it is damaged, little to reserve when the disk is full."""

_BUSY_MS = 5000
_MIGRATIONS: dict[int, str] = {
    1: """
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
            data BLOB NOT NULL,
            ack BLOB NOT NULL,
            crc INTEGER NOT NULL
        );
        CREATE UNIQUE INDEX message_identity ON message (identity);
        CREATE INDEX message_order ON message (feed, seq);
        CREATE TABLE cursor (feed TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE parked (seq INTEGER PRIMARY KEY, parked_us INTEGER NOT NULL, reason TEXT NOT NULL);
    """,
}


def connect(path: Path) -> sqlite3.Connection:
    """Open the database for writing, with what durability needs, and bring its schema up to date.

    ``synchronous=FULL`` makes a commit wait until the write-ahead log is on the disk.

    Raises:
        sqlite3.Error: the file cannot be used.
        SpoolFailed: it was written by a newer version.
    """
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=_BUSY_MS / 1000, cached_statements=256
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
            f"journal_size_limit={16 * 1024 * 1024}",
            "foreign_keys=OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")
        _migrate(connection)
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
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    [[version]] = connection.execute("PRAGMA user_version")
    if version > SCHEMA_VERSION:
        message = f"the spool has schema {version}, this version knows {SCHEMA_VERSION}"
        raise SpoolFailed(message, hint="start the newer version again, or restore the spool it wrote")
    for step in range(version + 1, SCHEMA_VERSION + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {_MIGRATIONS[step]} PRAGMA user_version={step}; COMMIT;")


def _text(stored: bytes) -> str:
    """Read text that may have decayed: it is found by its sum, and is no reason to take the disk for broken."""
    return stored.decode("utf-8", "replace")


def is_row_whole(seq: int, feed: str, received_us: int, data: object, crc: int) -> bool:
    """Say whether a row is what was stored; a changed bit can also make text or nothing of its bytes."""
    return isinstance(data, bytes) and row_crc(seq, feed, received_us, data) == crc


def row_crc(seq: int, feed: str, received_us: int, data: bytes) -> int:
    """Sum what must not change unnoticed; SQLite's own checks do not look into payloads."""
    return zlib.crc32(data, zlib.crc32(f"{seq}\n{feed}\n{received_us}\n".encode()))


def is_full(error: BaseException) -> bool:
    """Say whether there was no room on the disk."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_FULL


def undo(connection: sqlite3.Connection) -> None:
    """Roll back, if a transaction is open."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
