"""Opening the spool: verified, on a fresh epoch, and proven by a commit that is read back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from daemon.clock import Clock, instant
from daemon.hl7listener.finding import Disposition
from daemon.hl7listener.spool.check import Damage, decayed_rows, is_sound, missing_by_mark, salvage
from daemon.hl7listener.spool.mark import MarkFile
from daemon.hl7listener.spool.schema import connect_reader

FILE = "spool.sqlite"
MARK_FILE = "spool.mark"
Connect = Callable[[Path], sqlite3.Connection]


@dataclass(slots=True)
class Opened:
    """An open spool.

    Attributes:
        connection: the one that writes.
        epoch: its number in the database and its token.
        next_seq: the sequence number of the next message.
        messages, waiting: how many are kept, and how many of them wait to be handed on.
        damages: what is not as it was.
    """

    connection: sqlite3.Connection
    mark: MarkFile
    epoch: tuple[int, str]
    next_seq: int
    messages: int
    waiting: int
    damages: list[Damage] = field(default_factory=list)

    def close(self) -> None:
        """Close the database and the mark."""
        self.connection.close()
        self.mark.close()


def open_spool(folder: Path, connect: Connect, clock: Clock, new_epoch: Callable[[], str]) -> Opened:
    """Open the spool in ``folder``.

    A file that is damaged is put aside, never deleted; a new one is begun and what can be read is carried over.

    Raises:
        sqlite3.Error, OSError: the disk does not work.
    """
    path = folder / FILE
    damages: list[Damage] = []
    connection = _sound(path, connect)
    if connection is None:
        connection = _begin_afresh(path, connect, clock, damages)
    try:
        mark = MarkFile(folder / MARK_FILE)
        [[highest]] = connection.execute("SELECT coalesce(max(seq), 0) FROM message")
        missing = missing_by_mark(highest, mark.last)
        if missing is not None:
            damages.append(missing)
            highest = missing.last  # those numbers stay theirs
        damages += decayed_rows(connection)
        epoch = _begin_epoch(connection, path, clock, new_epoch())
        [[messages]] = connection.execute("SELECT count(*) FROM message")
        [[waiting]] = connection.execute(
            "SELECT count(*) FROM message WHERE disposition = ?"
            " AND seq > coalesce((SELECT seq FROM cursor WHERE cursor.feed = message.feed), 0)",
            (Disposition.ROUTED.value,),
        )
    except BaseException:
        connection.close()
        raise
    return Opened(connection, mark, epoch, highest + 1, messages, waiting, damages)


def _sound(path: Path, connect: Connect) -> sqlite3.Connection | None:
    try:
        connection = connect(path)
    except sqlite3.OperationalError:
        raise  # the disk, not the file
    except sqlite3.DatabaseError:
        return None
    try:
        if is_sound(connection, path):
            return connection
    except sqlite3.OperationalError:
        connection.close()
        raise
    except sqlite3.DatabaseError:
        pass
    connection.close()
    return None


def _begin_afresh(path: Path, connect: Connect, clock: Clock, damages: list[Damage]) -> sqlite3.Connection:
    aside = path.with_name(f"{path.name}.damaged-{instant(clock.now_us()):%Y%m%dT%H%M%S}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(f"{path.name}{suffix}")
        if part.exists():
            part.rename(aside.with_name(f"{aside.name}{suffix}"))
    fresh = connect(path)
    damages.append(Damage("the spool was damaged and is begun afresh", 0, 0))
    fresh.execute("BEGIN IMMEDIATE")
    damages += salvage(aside, fresh)
    fresh.execute("COMMIT")
    return fresh


def _begin_epoch(connection: sqlite3.Connection, path: Path, clock: Clock, token: str) -> tuple[int, str]:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO epoch (token, opened_us) VALUES (?, ?)", (token, clock.now_us()))
    connection.execute("COMMIT")
    witness = connect_reader(path)
    try:
        [[number]] = witness.execute("SELECT id FROM epoch WHERE token = ?", (token,))
    finally:
        witness.close()
    return int(number), token
