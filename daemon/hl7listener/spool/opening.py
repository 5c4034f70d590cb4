"""Opening the spool: verified, on a fresh epoch, and proven by a commit that is read back."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from daemon.clock import Clock, instant
from daemon.hl7listener.judging.finding import Disposition
from daemon.hl7listener.spool.carrying import carry_over
from daemon.hl7listener.spool.check import Damage, decayed_rows, is_sound, missing_by_mark
from daemon.hl7listener.spool.mark import MarkFile, read_mark
from daemon.hl7listener.spool.schema import OldSchema, connect_reader

FILE = "spool.sqlite"
MARK_FILE = "spool.mark"
Connect = Callable[[Path], sqlite3.Connection]

_PARTS = ("-wal", "-shm", "")
_READY, _ASIDE, _OLD = ".replacing-", ".damaged-", "outdated"


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


def open_spool(
    folder: Path, connect: Connect, clock: Clock, new_epoch: Callable[[], str], *, is_distrusted: bool = False
) -> Opened:
    """Open the spool in ``folder``.

    A file that is damaged is put aside, never deleted; a new one is begun and what can be read is carried over. One of an
    older version is carried over likewise, and goes once all of it is in the new one. If it ``is_distrusted``, it is taken for damaged without looking.

    Raises:
        sqlite3.Error, OSError: the disk does not work.
    """
    path = folder / FILE
    damages: list[Damage] = []
    _replace(path)
    connection = _sound(path, connect, damages, is_distrusted=is_distrusted)
    if connection is None:
        connection = _begin_afresh(path, connect, clock, damages)
    mark: MarkFile | None = None
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
        if mark is not None:
            mark.close()
        raise
    return Opened(connection, mark, epoch, highest + 1, messages, waiting, damages)


def _sound(path: Path, connect: Connect, damages: list[Damage], *, is_distrusted: bool) -> sqlite3.Connection | None:
    """Open the file if it can be gone on with; say so if it is damaged."""
    was_closed = not path.with_name(f"{path.name}-wal").exists()
    damage = Damage("the spool was damaged and is begun afresh", 0, 0)
    try:
        connection = connect(path)
    except OldSchema:
        return None
    except sqlite3.OperationalError:
        raise  # the disk, not the file
    except sqlite3.DatabaseError:
        damages.append(damage)
        return None
    try:
        if not is_distrusted and is_sound(connection, path, was_closed=was_closed):
            return connection
    except sqlite3.OperationalError:
        connection.close()
        raise
    except sqlite3.DatabaseError:
        pass
    connection.close()
    damages.append(damage)
    return None


def _begin_afresh(path: Path, connect: Connect, clock: Clock, damages: list[Damage]) -> sqlite3.Connection:
    """Carry over what can be read into a new file; only when that is whole does it take the old one's place."""
    building = path.with_name(f"{path.name}.building")
    for suffix in _PARTS:
        building.with_name(f"{building.name}{suffix}").unlink(missing_ok=True)  # of an attempt that was cut short
    mark = read_mark(path.with_name(MARK_FILE))
    with closing(connect(building)) as fresh:
        damages += carry_over(path, fresh, highest_seq=0 if mark is None else mark.sequence)
        fresh.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    stamp = f"{instant(clock.now_us()):%Y%m%dT%H%M%S}" if damages else _OLD
    while damages and path.with_name(f"{path.name}{_ASIDE}{stamp}").exists():
        stamp += "-again"
    building.rename(path.with_name(f"{path.name}{_READY}{stamp}"))
    _replace(path)
    return connect(path)


def _replace(path: Path) -> None:
    """Put a damaged file aside where a new one stands ready; done again from the start if it was cut short.

    The log goes first: beside a new file it would be taken for its own.
    """
    for ready in sorted(path.parent.glob(f"{path.name}{_READY}*")):
        aside = ready.name.replace(_READY, _ASIDE)
        _sync(path.parent)
        for suffix in _PARTS:
            part = path.with_name(f"{path.name}{suffix}")
            if part.exists():
                part.rename(path.with_name(f"{aside}{suffix}"))
        _sync(path.parent)
        ready.rename(path)
        _sync(path.parent)
    for suffix in _PARTS:  # all of it has been carried over
        path.with_name(f"{path.name}{_ASIDE}{_OLD}{suffix}").unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _begin_epoch(connection: sqlite3.Connection, path: Path, clock: Clock, token: str) -> tuple[int, str]:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO epoch (token, opened_us) VALUES (?, ?)", (token, clock.now_us()))
    connection.execute("INSERT OR IGNORE INTO secret VALUES (1, randomblob(32))")
    connection.execute("COMMIT")
    witness = connect_reader(path)
    try:
        [[number]] = witness.execute("SELECT id FROM epoch WHERE token = ?", (token,))
    finally:
        witness.close()
    return int(number), token
