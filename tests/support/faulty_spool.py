"""A process that stores messages while its disk fails, or while all it writes is recorded.

python -m tests.support.faulty_spool record FOLDER FULL|NORMAL
python -m tests.support.faulty_spool strike FOLDER CONTROL FIRST LAST STEP
"""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
from functools import partial
from pathlib import Path

import anyio

from daemon.errors import SpoolFailed
from daemon.hl7listener.spool import Arrival, Limits, NotStored, Stored, messages, writer
from daemon.hl7listener.spool.schema import connect
from daemon.public import Public
from tests.support.fault_library import FaultSwitch
from tests.support.feeds import ADT
from tests.support.spooling import ROOMY, Rig, arrivals, ask, rig

GROUPS = ((1, 1), (2, 3), (5, 40), (45, 1), (46, 8))
"""First message and how many, of what is stored together."""

WHOLE_BYTES, IN_PIECES_BYTES = messages.LARGE_BYTES, 100
"""Above how many bytes messages are written in pieces; with the second each is."""


def connect_with(synchronous: str, path: Path) -> sqlite3.Connection:
    """Connect as a daemon does, but for one setting; with a log that is worked off often."""
    connection = connect(path)
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute("PRAGMA wal_autocheckpoint=20")
    return connection


async def record(folder: Path, synchronous: str) -> None:
    """Store messages in groups, forget some, and write down in ``acks`` which were acknowledged, as they are."""
    writer.IDLE_S = writer.LOOK_EVERY_S = writer.MARK_EVERY_S = 0.002
    limits = Limits(ROOMY.retention_us, size_bytes=150_000, free_floor_bytes=0)
    acks = os.open(folder / "acks", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    first = 1
    for opening in range(3):
        messages.LARGE_BYTES = IN_PIECES_BYTES if opening == 1 else WHOLE_BYTES
        running = rig(folder, limits=limits, connect=partial(connect_with, synchronous))
        await running.spool.open()
        for count in (1, 3, 1, 20, 2, 64, 5, 1):
            answers = await running.stored(*arrivals(count, first, ward="W" * 700))
            os.write(acks, "".join(f"{number} {one.seq}\n" for number, one in enumerate(answers, first)).encode())
            running.spool.settle(ADT, answers[0].seq)
            running.spool.park(answers[-1].seq, Public("why"))
            first += count
            await anyio.sleep(0.004)
        await running.spool.drain()
    os.close(acks)


async def strike(folder: Path, switch: FaultSwitch, nth: int, error: int, *, forever: bool) -> str:
    """Store while the n-th write or sync fails; say what went wrong, nothing if all was as promised."""
    acknowledged: dict[int, Stored] = {}
    messages.LARGE_BYTES = IN_PIECES_BYTES if nth % 2 else WHOLE_BYTES
    running = rig(folder)
    switch.arm(nth, error, forever=forever)
    try:
        await running.spool.open()
        for first, count in GROUPS:
            await _store(running, arrivals(count, first), first, acknowledged)
    except SpoolFailed:
        pass
    _, tripped = switch.disarm()
    await running.spool.drain()
    again = rig(folder)
    await again.spool.open()
    sent = [one for first, count in GROUPS for one in arrivals(count, first)]
    answers = await again.stored(*sent)
    waiting = [row.data for row in await again.waiting()]
    await again.spool.drain()
    found = [
        f"{number} was acknowledged as {was.seq} and is {answers[number - 1].seq}"
        for number, was in acknowledged.items()
        if (answers[number - 1].seq, answers[number - 1].ack) != (was.seq, was.ack)
    ]
    if sorted(waiting) != sorted(one.data for one in sent):
        found.append("not each message is there once")
    if ask(folder, "SELECT count(*) FROM message") != [(len(sent),)]:
        found.append("rows are not as many as messages")
    return f"{tripped} {'; '.join(found)}".strip()


async def _store(running: Rig, some: list[Arrival], first: int, acknowledged: dict[int, Stored]) -> None:
    for number, answer in enumerate(await running.store(*some), first):
        if isinstance(answer, NotStored):
            await running.spool.drain()
            raise SpoolFailed("a commit failed")
        acknowledged[number] = answer


def make_folder(folder: Path) -> Path:
    """Make a folder."""
    folder.mkdir()
    return folder


async def main() -> None:
    """Do what the command line says."""
    kind, folder = sys.argv[1], Path(sys.argv[2])
    if kind == "record":
        await record(folder, sys.argv[3])
        return
    switch = FaultSwitch(Path(sys.argv[3]))
    for nth in range(*(int(one) for one in sys.argv[4:7])):
        for name in ("EIO", "ENOSPC"):
            for forever in (False, True):
                one = make_folder(folder / f"{nth}-{name}-{forever}")
                said = await strike(one, switch, nth, getattr(errno, name), forever=forever)
                print(nth, name, forever, said, flush=True)


if __name__ == "__main__":
    anyio.run(main)
