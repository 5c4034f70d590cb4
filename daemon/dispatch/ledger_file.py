"""The ledger of a site on RabbitMQ, on the disk. Everything here runs on one thread; the event loop only waits for it.

field  what each field of each ledger holds, and since when
term   how often a daemon with this file has taken over the schedule of its site
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from daemon.clock import SECOND_US
from daemon.dispatch.ledger import Advance, Field
from daemon.errors import LedgerFailed

FILE = "ledger.sqlite"
SCHEMA_VERSION = 1
_SCHEMA = """
    CREATE TABLE field (
        ledger TEXT NOT NULL,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        changed_us INTEGER NOT NULL,
        ttl_s INTEGER NOT NULL,
        PRIMARY KEY (ledger, name)
    ) WITHOUT ROWID;
    CREATE TABLE term (number INTEGER NOT NULL);
    INSERT INTO term VALUES (0);
"""
_PRAGMAS = (
    "trusted_schema=OFF",
    "mmap_size=0",  # an error while reading a mapped file is a signal, not an exception
    "locking_mode=EXCLUSIVE",
    "journal_mode=WAL",
    "synchronous=FULL",
    f"journal_size_limit={16 * 1024 * 1024}",
)
TTL_MAX_S = 10**10
"""Three hundred years; what was to be kept longer is kept as long, and fits into a column with room to add."""

_PUT = "INSERT OR REPLACE INTO field (ledger, name, value, changed_us, ttl_s) VALUES (?, ?, ?, ?, ?)"


class LedgerFile:
    """Owns the database of the ledgers."""

    def __init__(self, path: Path) -> None:
        """Open or create the file, readable by its owner alone.

        Raises:
            LedgerFailed: it cannot be used, or a newer version wrote it.
        """
        self._path = path
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
        except (OSError, sqlite3.Error) as error:
            raise self._failed("cannot be opened", error) from None
        try:
            for pragma in _PRAGMAS:
                self._db.execute(f"PRAGMA {pragma}")
            self._migrate()
        except sqlite3.Error as error:
            self._db.close()
            raise self._failed("cannot be used", error) from None
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def load(self) -> tuple[dict[Field, str], int]:
        """Read what every field holds, and the term.

        Raises:
            LedgerFailed: the file cannot be read.
        """
        try:
            held = {
                (ledger, name): value
                for ledger, name, value in self._db.execute("SELECT ledger, name, value FROM field")
            }
            [[term]] = self._db.execute("SELECT number FROM term")
        except (sqlite3.Error, ValueError) as error:
            raise self._failed("cannot be read", error) from None
        return held, int(term)

    def advance(self, advances: Sequence[Advance], at_us: int) -> None:
        """Write fields in one transaction, which is on the disk when this returns.

        Raises:
            LedgerFailed: none of them was written.
        """
        self._write(advances, at_us, None, None)

    def adopt(self, ledger: str, values: Mapping[str, str], term: int, at_us: int) -> None:
        """Replace a whole ledger and begin a term, in one transaction.

        Raises:
            LedgerFailed: nothing was changed.
        """
        self._write([Advance(ledger, name, value, 0) for name, value in values.items()], at_us, ledger, term)

    def prune(self, at_us: int) -> int:
        """Forget fields that nobody has changed for as long as they were to be kept, and give how many.

        Raises:
            LedgerFailed: the file cannot be written.
        """
        query = f"DELETE FROM field WHERE ttl_s > 0 AND changed_us + ttl_s * {SECOND_US} < ?"  # noqa: S608 - a constant of ours
        try:
            return self._db.execute(query, (at_us,)).rowcount
        except sqlite3.Error as error:
            raise self._failed("could not be pruned", error) from None

    def _write(self, advances: Sequence[Advance], at_us: int, cleared: str | None, term: int | None) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if cleared is not None:
                self._db.execute("DELETE FROM field WHERE ledger = ?", (cleared,))
            self._db.executemany(
                _PUT, [(one.ledger, one.field, one.value, at_us, max(0, min(one.ttl_s, TTL_MAX_S))) for one in advances]
            )
            if term is not None:
                self._db.execute("UPDATE term SET number = ?", (term,))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise self._failed("could not be written", error) from None

    def _migrate(self) -> None:
        [[version]] = self._db.execute("PRAGMA user_version")
        if version > SCHEMA_VERSION:
            message = f"{self._path}: the ledger has schema {version}, this version knows {SCHEMA_VERSION}"
            raise LedgerFailed(message, hint="start the newer version again")
        if version < SCHEMA_VERSION:
            self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")

    def _failed(self, what: str, error: Exception) -> LedgerFailed:
        message = f"{self._path}: the ledger {what} ({error})"
        return LedgerFailed(message, hint="is the disk full or damaged, and may this user write there?")
