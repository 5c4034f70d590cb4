"""Reading the spool beside the writer: short questions on a connection of their own, each on a worker thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from daemon.errors import SpoolFailed
from daemon.hl7listener.finding import Disposition
from daemon.hl7listener.spool.rows import Row
from daemon.hl7listener.spool.schema import connect_reader, is_row_whole
from daemon.public import Public

T = TypeVar("T")
_ROUTED = Disposition.ROUTED.value


class Reader:
    """Answers questions about stored messages; one at a time."""

    def __init__(self, path: Path) -> None:
        """Open the database read-only.

        Raises:
            sqlite3.Error: it cannot be opened.
        """
        self._db = connect_reader(path)
        self._turn = anyio.CapacityLimiter(1)

    async def fetch(self, feed: Public, after_seq: int, *, limit: int, limit_bytes: int) -> list[Row]:
        """Read messages of a feed that become tasks, in order, from behind ``after_seq``; always at least one if any.

        Raises:
            SpoolFailed: they cannot be read.
        """

        def ask() -> list[Row]:
            rows: list[Row] = []
            size = 0
            for seq, token, received_us, data, crc in self._db.execute(
                "SELECT seq, token, received_us, data, crc FROM message JOIN epoch ON epoch.id = message.epoch"
                " WHERE feed = ? AND seq > ? AND disposition = ? ORDER BY seq LIMIT ?",
                (str(feed), after_seq, _ROUTED, limit),
            ):
                is_whole = is_row_whole(seq, feed, received_us, data, crc)
                size += len(data) if is_whole else 0
                if rows and size > limit_bytes:
                    break
                rows.append(Row(seq, token, feed, received_us, data if is_whole else b"", is_whole=is_whole))
            return rows

        return await self._ask(ask)

    async def cursor(self, feed: Public) -> int:
        """Read how far a feed has been handed on.

        Raises:
            SpoolFailed: it cannot be read.
        """

        def ask() -> int:
            row = self._db.execute("SELECT seq FROM cursor WHERE feed = ?", (str(feed),)).fetchone()
            return 0 if row is None else int(row[0])

        return await self._ask(ask)

    async def waiting_after(self, feed: Public, seq: int) -> tuple[int, int | None]:
        """Count the messages of a feed behind ``seq`` that become tasks, and say when the oldest of them came.

        Raises:
            SpoolFailed: they cannot be read.
        """

        def ask() -> tuple[int, int | None]:
            [[count, oldest_us]] = self._db.execute(
                "SELECT count(*), min(CASE typeof(received_us) WHEN 'integer' THEN received_us END)"  # it may have decayed
                " FROM message WHERE feed = ? AND seq > ? AND disposition = ?",
                (str(feed), seq, _ROUTED),
            )
            return int(count), oldest_us

        return await self._ask(ask)

    async def last_pushed(self, feed: Public, epoch: str, up_to_seq: int) -> int | None:
        """Find the last message of an epoch, up to a sequence number, that became a task; ``None`` if there is none.

        Raises:
            SpoolFailed: it cannot be read.
        """

        def ask() -> int | None:
            [[seq]] = self._db.execute(
                "SELECT max(seq) FROM message JOIN epoch ON epoch.id = message.epoch WHERE feed = ? AND token = ?"
                " AND seq <= ? AND disposition = ? AND seq NOT IN (SELECT seq FROM parked)",
                (str(feed), epoch, up_to_seq, _ROUTED),
            )
            return None if seq is None else int(seq)

        return await self._ask(ask)

    async def last_epoch(self, feed: Public, up_to_seq: int) -> str | None:
        """Find the epoch of the last message, up to a sequence number, that became a task; ``None`` if there is none.

        Raises:
            SpoolFailed: it cannot be read.
        """

        def ask() -> str | None:
            row = self._db.execute(
                "SELECT token FROM message JOIN epoch ON epoch.id = message.epoch WHERE feed = ? AND seq <= ?"
                " AND disposition = ? AND seq NOT IN (SELECT seq FROM parked) ORDER BY seq DESC LIMIT 1",
                (str(feed), up_to_seq, _ROUTED),
            ).fetchone()
            return None if row is None else str(row[0])

        return await self._ask(ask)

    async def last_before(self, feed: Public, instant_us: int) -> int:
        """Find the last sequence number of a feed that arrived before an instant; 0 if there is none.

        Raises:
            SpoolFailed: it cannot be read.
        """

        def ask() -> int:
            row = self._db.execute(
                "SELECT seq FROM message WHERE feed = ? AND received_us < ? ORDER BY seq DESC LIMIT 1",
                (str(feed), instant_us),
            ).fetchone()
            return 0 if row is None else int(row[0])

        return await self._ask(ask)

    async def close(self) -> None:
        """Close the connection, once the question that is being answered is; later ones fail."""
        async with self._turn:
            self._db.close()

    async def _ask(self, question: Callable[[], T]) -> T:
        try:
            return await anyio.to_thread.run_sync(question, limiter=self._turn)
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            message = f"the spool cannot be read ({name})"
            raise SpoolFailed(message) from None
