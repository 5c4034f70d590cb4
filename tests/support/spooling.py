"""A real spool in a folder: files, writer thread and all, with a hand on its disk, its clock and its steps."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import anyio
import pytest

from daemon.clock import Clock
from daemon.hl7listener.spool import Arrival, Limits, NotStored, Row, Spool, Stored, pruner, writer
from daemon.hl7listener.spool.mark import decode_mark
from daemon.hl7listener.spool.opening import FILE, MARK_FILE, Connect
from daemon.hl7listener.spool.schema import connect, connect_reader
from daemon.ports import FaultPoint, no_fault
from daemon.public import Public
from tests.support.builders import adt
from tests.support.clock import START_US, SetClock
from tests.support.feeds import ADT, arrival, feed

E = TypeVar("E")

LIMIT_S = 30.0
"""A deadline against hanging; nothing is judged by it."""
DAY_US = 86_400_000_000
ROOMY = Limits(retention_us=7 * DAY_US, size_bytes=1 << 40, free_floor_bytes=0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something another thread does, by looking."""
    with anyio.fail_after(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - another thread, or the disk
            await anyio.sleep(0.002)


def hasten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the writer look after its disk all the time, instead of now and then."""
    for name in ("IDLE_S", "LOOK_EVERY_S", "MARK_EVERY_S"):
        monkeypatch.setattr(writer, name, 0.002)
    monkeypatch.setattr(pruner, "PASS_EVERY_S", 0.002)


def ask(folder: Path, question: str, *values: object) -> list[tuple[Any, ...]]:
    """Ask the database itself, beside the spool."""
    with closing(connect_reader(folder / FILE)) as db:
        return db.execute(question, values).fetchall()


def change(folder: Path, statement: str, *values: object) -> None:
    """Change the database of a spool that is closed."""
    with closing(sqlite3.connect(folder / FILE)) as db, db:
        db.execute(statement, values)


def arrivals(
    count: int, first: int = 1, ward: str = "ICU", *, of: str = "adt", received_us: int = START_US
) -> list[Arrival]:
    """Make so many messages of a feed, with the control ids M1, M2 and so on, as a connection passes them on."""
    source = feed(name=Public(of))
    return [
        arrival(adt(f"M{number}", ward=ward), source, received_us=received_us) for number in range(first, first + count)
    ]


def numbers(folder: Path) -> list[int]:
    """Give the sequence numbers of what is stored."""
    return [seq for (seq,) in ask(folder, "SELECT seq FROM message ORDER BY seq")]


def mark_of(folder: Path) -> int:
    """Read up to which number the file beside the database says that messages were acknowledged."""
    found = decode_mark((folder / MARK_FILE).read_bytes())
    assert found is not None
    return found[0].sequence


def asides(folder: Path) -> list[bytes]:
    """Give the damaged files that were put aside, without their logs."""
    return [
        path.read_bytes()
        for path in sorted(folder.glob(f"{FILE}.damaged-*"))
        if not path.name.endswith(("-wal", "-shm"))
    ]


def cut_short_after(patch: pytest.MonkeyPatch, renames: int) -> None:
    """Have the disk fail at the renaming after so many."""
    left = itertools.count(renames, -1)
    rename = Path.rename

    def cut_short(path: Path, target: Path) -> Path:
        if not next(left):
            raise OSError(5, "cut short")
        return rename(path, target)

    patch.setattr(Path, "rename", cut_short)


def files_in(folder: Path) -> list[str]:
    """Name the files of a folder."""
    return sorted(path.name for path in folder.iterdir())


class Disk:
    """Says how much room a disk has, and counts how often it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
        self.free_bytes = free_bytes
        self.looks = 0
        monkeypatch.setattr(writer, "os", SimpleNamespace(statvfs=self._statvfs))

    def _statvfs(self, path: Path) -> SimpleNamespace:
        del path
        self.looks += 1
        return SimpleNamespace(f_bavail=self.free_bytes, f_frsize=1)


class Gate:
    """A fault point that holds the writer at a named point until it is opened."""

    def __init__(self, point: str) -> None:
        self._point = point
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, point: str) -> None:
        if point == self._point:
            self.reached.set()
            assert self.opened.wait(LIMIT_S)


class Fault:
    """A fault point that raises the next time, or every time, a named point is passed while it is armed."""

    def __init__(self, point: str, error: Callable[[], Exception], *, armed: bool = True) -> None:
        self._point = point
        self._error = error
        self.armed = armed

    def __call__(self, point: str) -> None:
        if self.armed and point == self._point:
            raise self._error()


def broken() -> sqlite3.OperationalError:
    """Give the error of a disk that fails."""
    return _operational("disk I/O error", sqlite3.SQLITE_IOERR)


def full() -> sqlite3.OperationalError:
    """Give the error of a disk without room."""
    return _operational("database or disk is full", sqlite3.SQLITE_FULL)


def _operational(text: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode, error.sqlite_errorname = code, "SQLITE_TEST"
    return error


class CappedDatabase:
    """Connects to a database that can only grow to so many pages."""

    def __init__(self, pages: int) -> None:
        self._pages = pages
        self._connection: sqlite3.Connection | None = None

    def __call__(self, path: Path) -> sqlite3.Connection:
        self._connection = connect(path)
        self.cap(self._pages)
        return self._connection

    def cap(self, pages: int) -> None:
        self._pages = pages
        assert self._connection is not None
        self._connection.execute(f"PRAGMA max_page_count={pages}")


class Rig:
    """A spool that runs, and what it said.

    Attributes:
        events: what it emitted.
        rows: the messages it handed on, in that order.
    """

    def __init__(self, spool: Spool, events: list[object]) -> None:
        self.spool = spool
        self.events = events
        self.rows: list[Row] = []
        spool.on_rows(ADT, self.rows.extend)

    def told(self, kind: type[E]) -> list[E]:
        """Give the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def begin(self, *arrivals: Arrival) -> list[asyncio.Future[Stored | NotStored]]:
        """Queue arrivals."""
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[Stored | NotStored]] = []
        for one in arrivals:
            answer: asyncio.Future[Stored | NotStored] = loop.create_future()
            self.spool.store(one, answer.set_result)
            answers.append(answer)
        return answers

    async def store(self, *arrivals: Arrival) -> list[Stored | NotStored]:
        """Queue arrivals and wait for what became of each."""
        return await settled(self.begin(*arrivals))

    async def stored(self, *arrivals: Arrival) -> list[Stored]:
        """Queue arrivals, all of which must be stored."""
        answers = await self.store(*arrivals)
        assert not [answer for answer in answers if isinstance(answer, NotStored)]
        return [answer for answer in answers if isinstance(answer, Stored)]

    async def waiting(self, after_seq: int = 0) -> list[Row]:
        """Read what is to be handed on from the disk."""
        return await self.spool.reader.fetch(ADT, after_seq, limit=100_000, limit_bytes=1 << 40)


async def settled(answers: Sequence[asyncio.Future[Stored | NotStored]]) -> list[Stored | NotStored]:
    """Wait for answers."""
    with anyio.fail_after(LIMIT_S):
        return [await answer for answer in answers]


def rig(
    folder: Path,
    *,
    limits: Limits = ROOMY,
    clock: Clock | None = None,
    at: FaultPoint = no_fault,
    connect: Connect = connect,
    any_filesystem: bool = False,
) -> Rig:
    """Make a spool that is not open yet."""
    events: list[object] = []
    spool = Spool(
        folder,
        limits,
        clock or SetClock(),
        events.append,
        new_epoch=partial(secrets.token_hex, 8),
        at=at,
        connect=connect,
        any_filesystem=any_filesystem,
    )
    return Rig(spool, events)


@asynccontextmanager
async def spooling(folder: Path, **parts: Any) -> AsyncIterator[Rig]:
    """Open a spool, and drain it at the end."""
    running = rig(folder, **parts)
    await running.spool.open()
    try:
        yield running
    finally:
        with anyio.CancelScope(shield=True):
            await running.spool.drain()


async def filled(folder: Path, count: int, *, first: int = 1, ward: str = "ICU") -> None:
    """Store messages in a spool and close it."""
    async with spooling(folder) as running:
        await running.stored(*arrivals(count, first, ward))
