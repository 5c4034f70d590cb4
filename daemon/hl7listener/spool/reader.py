"""Reading the spool beside the writer: short questions on a connection of their own, each on a worker thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from daemon.errors import SpoolFailed
from daemon.hl7listener.judging.finding import Disposition
from daemon.hl7listener.spool.check import Damage, inspect
from daemon.hl7listener.spool.rows import Flag, Pending, Row
from daemon.hl7listener.spool.schema import connect_reader, is_row_whole
from daemon.public import Public

T = TypeVar("T")
_ROUTED = Disposition.ROUTED.value
_MESSAGE = "SELECT message.*, token FROM message JOIN epoch ON epoch.id = message.epoch"


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
            with closing(
                self._db.execute(
                    f"{_MESSAGE} WHERE feed = ? AND seq > ? ORDER BY seq",
                    (str(feed), after_seq),
                )
            ) as found:
                for one in found:
                    row = _row(feed, one)
                    if row is None:
                        continue
                    size += len(row.data)
                    if rows and size > limit_bytes:
                        break
                    rows.append(row)
                    if len(rows) >= limit:
                        break
            return rows

        return await self._ask(ask)

    async def fetch_one(self, seq: int) -> Row | None:
        """Read a message, whatever became of it; ``None`` if it is not there.

        Raises:
            SpoolFailed: it cannot be read.
        """

        def ask() -> Row | None:
            one = self._db.execute(f"{_MESSAGE} WHERE seq = ?", (seq,)).fetchone()
            return None if one is None else _row(Public(one[2]), one, any_disposition=True)

        return await self._ask(ask)

    async def parked(self, feed: Public, limit: int = 1000) -> list[tuple[int, str]]:
        """List the messages of a feed that could not be handed on, the oldest first, and why.

        Raises:
            SpoolFailed: they cannot be read.
        """
        return await self._ask(
            lambda: self._db.execute(
                "SELECT parked.seq, parked.reason FROM parked JOIN message USING (seq) WHERE feed = ? ORDER BY seq LIMIT ?",
                (str(feed), limit),
            ).fetchall()
        )

    async def copied(self, feed: Public, up_to_seq: int) -> frozenset[int]:
        """Find the parked messages of a feed with a copy, up to a sequence number, that is not parked itself.

        Raises:
            SpoolFailed: they cannot be read.
        """

        def ask() -> frozenset[int]:
            found = self._db.execute(
                "SELECT parked.seq FROM parked JOIN message AS copy ON copy.origin = parked.seq WHERE copy.feed = ?"
                " AND copy.seq <= ? AND copy.origin <> 0 AND copy.flags & ? AND copy.seq NOT IN (SELECT seq FROM parked)",
                (str(feed), up_to_seq, Flag.REPLAY.value),
            )
            return frozenset(seq for (seq,) in found)

        return await self._ask(ask)

    async def pending(self, feed: Public, limit: int = 1000) -> list[Pending]:
        """List the messages of a feed whose final answer is still to come, the oldest first.

        Raises:
            SpoolFailed: they cannot be read.
        """

        def ask() -> list[Pending]:
            found = self._db.execute(
                "SELECT message.*, note FROM pending JOIN message USING (seq) WHERE pending.feed = ? ORDER BY seq LIMIT ?",
                (str(feed), limit),
            )
            return [Pending(one[0], one[3], one[13], one[12], one[11]) for one in found if is_row_whole(one)]

        return await self._ask(ask)

    async def sequences(self, feed: Public) -> dict[str, int]:
        """Read the last number of each sender of a feed that counts its messages.

        Raises:
            SpoolFailed: they cannot be read.
        """
        return await self._ask(
            lambda: dict(
                self._db.execute("SELECT sender, number FROM sequence WHERE feed = ?", (str(feed),)).fetchall()
            )
        )

    async def inspect(self, after_seq: int, limit: int) -> tuple[list[Damage], int | None]:
        """Look whether some messages are what was stored: ``check.inspect``.

        Raises:
            SpoolFailed: they cannot be read.
        """
        return await self._ask(lambda: inspect(self._db, after_seq, limit))

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


def _row(feed: Public, one: tuple[Any, ...], *, any_disposition: bool = False) -> Row | None:
    """Make a row of all columns and the epoch's token.

    ``None`` for what is not to be handed on; a changed one is handed on as such, because it may have been.
    """
    is_whole = is_row_whole(one[:13])
    if is_whole and one[4] != _ROUTED and not any_disposition:
        return None
    seq, received_us, data, token = one[0], one[3], one[12], one[13]
    return Row(seq, token, feed, received_us, data if is_whole else b"", is_whole=is_whole, origin_seq=one[9])
