"""The outbox's database. Everything here runs on one thread; the event loop only waits for it.

outgoing  one row for each message, by its key. A row whose message was sent stays without it, so that the key is known.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Sequence
from enum import Enum, IntEnum
from pathlib import Path
from typing import NamedTuple

from shim.amqp.wire import AmqpMessage
from shim.errors import ShimError

SCHEMA_VERSION = 1
_SCHEMA = """
    CREATE TABLE outgoing (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        state INTEGER NOT NULL,
        entered_us INTEGER NOT NULL,
        settled_us INTEGER,
        reason TEXT NOT NULL DEFAULT '',
        task_id TEXT NOT NULL,
        message_id TEXT NOT NULL,
        exchange TEXT NOT NULL,
        routing_key TEXT NOT NULL,
        queue TEXT NOT NULL,
        properties BLOB NOT NULL,
        body BLOB NOT NULL
    );
    CREATE INDEX outgoing_waiting ON outgoing (seq) WHERE state = 0;
    CREATE INDEX outgoing_settled ON outgoing (settled_us) WHERE state <> 0;
"""
_PRAGMAS = (
    "trusted_schema=OFF",
    "mmap_size=0",  # an error while reading a mapped file is a signal, not an exception
    "locking_mode=EXCLUSIVE",  # two senders of one outbox would send everything twice
    "journal_mode=WAL",
    "synchronous=FULL",
    "secure_delete=ON",  # sent messages do not linger in free pages
    "wal_autocheckpoint=1000",
    f"journal_size_limit={16 * 1024 * 1024}",
)


class OutboxFailed(ShimError):
    """The outbox's file cannot be used; what had been accepted stays in it."""

    code = "outbox-failed"


class State(IntEnum):
    """How far a message has come."""

    WAITING = 0
    SENT = 1
    GIVEN_UP = 2


class Entered(Enum):
    """What became of an entry."""

    ACCEPTED = "accepted"
    """It is on the disk and will be sent."""
    KNOWN = "known"
    """Its key was entered before; nothing changed."""
    FULL = "full"
    """The outbox holds as much as it may; nothing was stored."""


class OutboxEntry(NamedTuple):
    """A message under the key that makes entering it twice harmless, such as task id and attempt."""

    key: str
    message: AmqpMessage


class Waiting(NamedTuple):
    """A message that is to be sent, and its place in the order."""

    seq: int
    key: str
    message: AmqpMessage


class Settled(NamedTuple):
    """A message that need not be sent any more."""

    seq: int
    state: State
    reason: str = ""


class GivenUp(NamedTuple):
    """A message no broker would take."""

    key: str
    task_id: str
    queue: str
    reason: str


class OutboxCounts(NamedTuple):
    """What the outbox holds.

    Attributes:
        waiting, waiting_bytes: messages to be sent.
        sent: keys remembered of messages that were.
        given_up: messages no broker would take, kept for the operator.
    """

    waiting: int
    waiting_bytes: int
    sent: int
    given_up: int


class OutboxStore:
    """Owns the database of one outbox."""

    def __init__(self, path: Path, *, limit_messages: int, limit_bytes: int) -> None:
        """Open or create the file, readable by its owner alone.

        Raises:
            OutboxFailed: it cannot be opened, another process has it open, or a newer version wrote it.
        """
        self._path = path
        self._limit_messages = limit_messages
        self._limit_bytes = limit_bytes
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
        except (OSError, sqlite3.Error) as error:
            raise self._failed("cannot be opened", error) from None
        try:
            for pragma in _PRAGMAS:
                self._db.execute(f"PRAGMA {pragma}")
            self._migrate()
            found = self._db.execute(
                "SELECT count(*), total(length(properties) + length(body)) FROM outgoing WHERE state = 0"
            )
            self._waiting, size = found.fetchone()
            self._waiting_bytes = int(size)
        except sqlite3.Error as error:
            self._db.close()
            raise self._failed("cannot be used; does another process have it open?", error) from None
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def enter(self, entries: Sequence[OutboxEntry], at_us: int) -> list[Entered]:
        """Store entries in one transaction, which is on the disk when this returns.

        Raises:
            OutboxFailed: nothing of them was stored.
        """
        answers: list[Entered] = []
        waiting, size = self._waiting, self._waiting_bytes
        is_full = False  # for whatever comes after, too: a smaller message does not overtake
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for key, message in entries:
                known = self._db.execute("SELECT 1 FROM outgoing WHERE key = ?", (key,)).fetchone()
                if known is not None:
                    answers.append(Entered.KNOWN)
                elif is_full or waiting >= self._limit_messages or size + message.size_bytes > self._limit_bytes:
                    is_full = True
                    answers.append(Entered.FULL)
                else:
                    self._db.execute(
                        "INSERT INTO outgoing (key, state, entered_us, task_id, message_id, exchange, routing_key, queue,"
                        " properties, body) VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?)",
                        (key, at_us, *message),
                    )
                    waiting, size = waiting + 1, size + message.size_bytes
                    answers.append(Entered.ACCEPTED)
            self._db.execute("COMMIT")
        except (sqlite3.Error, UnicodeEncodeError) as error:
            self._undo()
            raise self._failed("could not store a message", error) from None
        self._waiting, self._waiting_bytes = waiting, size
        return answers

    def waiting(self, limit: int, limit_bytes: int, held: Collection[str]) -> list[Waiting]:
        """Give the next messages to send, in the order they were entered, leaving out those of ``held`` queues.

        Raises:
            OutboxFailed: the file cannot be read.
        """
        places = ", ".join("?" * len(held))
        query = (
            "SELECT seq, key, task_id, message_id, exchange, routing_key, queue, properties, body FROM outgoing"  # noqa: S608 - only question marks are put in
            f" WHERE state = 0 AND queue NOT IN ({places}) ORDER BY seq LIMIT ?"
        )
        found: list[Waiting] = []
        size = 0
        try:
            for seq, key, *fields in self._db.execute(query, (*held, limit)):
                message = AmqpMessage(*fields)
                size += message.size_bytes
                if found and size > limit_bytes:
                    break
                found.append(Waiting(seq, key, message))
        except sqlite3.Error as error:
            raise self._failed("cannot be read", error) from None
        return found

    def settle(self, settled: Sequence[Settled], at_us: int) -> None:
        """Mark messages as sent or given up, and forget what was in them.

        Raises:
            OutboxFailed: they will be sent once more.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for seq, state, reason in settled:
                [[size]] = self._db.execute(
                    "SELECT length(properties) + length(body) FROM outgoing WHERE seq = ?", (seq,)
                )
                self._db.execute(
                    "UPDATE outgoing SET state = ?, settled_us = ?, reason = ?, properties = x'', body = x'' WHERE seq = ?",
                    (int(state), at_us, reason, seq),
                )
                self._waiting -= 1
                self._waiting_bytes -= size
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            self._recount()
            raise self._failed("could not mark what was sent", error) from None

    def prune(self, before_us: int, limit: int) -> int:
        """Forget keys settled before an instant, at most ``limit`` of them, and give how many.

        Raises:
            OutboxFailed: the file cannot be written.
        """
        try:
            done = self._db.execute(
                "DELETE FROM outgoing WHERE seq IN"
                " (SELECT seq FROM outgoing WHERE state <> 0 AND settled_us < ? ORDER BY settled_us LIMIT ?)",
                (before_us, limit),
            )
        except sqlite3.Error as error:
            raise self._failed("could not be pruned", error) from None
        return done.rowcount

    def counts(self) -> OutboxCounts:
        """Count what is held.

        Raises:
            OutboxFailed: the file cannot be read.
        """
        try:
            found = dict(
                self._db.execute("SELECT state, count(*) FROM outgoing WHERE state <> 0 GROUP BY state").fetchall()
            )
        except sqlite3.Error as error:
            raise self._failed("cannot be read", error) from None
        return OutboxCounts(
            self._waiting, self._waiting_bytes, found.get(State.SENT.value, 0), found.get(State.GIVEN_UP.value, 0)
        )

    def given_up(self, limit: int) -> list[GivenUp]:
        """List messages no broker would take, the oldest first.

        Raises:
            OutboxFailed: the file cannot be read.
        """
        try:
            rows = self._db.execute(
                "SELECT key, task_id, queue, reason FROM outgoing WHERE state = 2 ORDER BY seq LIMIT ?", (limit,)
            ).fetchall()
        except sqlite3.Error as error:
            raise self._failed("cannot be read", error) from None
        return [GivenUp(*row) for row in rows]

    def _migrate(self) -> None:
        [[version]] = self._db.execute("PRAGMA user_version")
        if version > SCHEMA_VERSION:
            message = f"{self._path}: the outbox has schema {version}, this version knows {SCHEMA_VERSION}"
            raise OutboxFailed(message, hint="start the newer version again")
        if version < SCHEMA_VERSION:
            self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")

    def _recount(self) -> None:
        found = self._db.execute(
            "SELECT count(*), total(length(properties) + length(body)) FROM outgoing WHERE state = 0"
        )
        self._waiting, size = found.fetchone()
        self._waiting_bytes = int(size)

    def _undo(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _failed(self, what: str, error: Exception) -> OutboxFailed:
        # The class of a Unicode error only: its text quotes what it stumbled over.
        why = str(error) if isinstance(error, (OSError, sqlite3.Error)) else type(error).__name__
        message = f"{self._path}: the outbox {what} ({why})"
        return OutboxFailed(message, hint="is the disk full, and may this user write there?")
