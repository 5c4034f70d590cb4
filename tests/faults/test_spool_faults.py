"""The spool on a disk that fails, is cut off, or forgets: what was acknowledged is there, or it is said that it is not."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from daemon.errors import SpoolFailed
from daemon.events import SpoolDamaged
from daemon.hl7listener.spool.check import inspect
from daemon.hl7listener.spool.opening import FILE, MARK_FILE
from daemon.hl7listener.spool.schema import connect_reader
from tests.support.builders import adt
from tests.support.crash_states import acknowledged, read_steps, states
from tests.support.fault_library import amount, faulty_environment
from tests.support.spooling import arrivals, ask, hasten, mark_of, rig, spooling, until

pytestmark = pytest.mark.anyio

RECORD = "tests.support.faulty_spool"
ROOT = Path(__file__).parents[2]


# -- power cuts --------------------------------------------------------------------------------------------------------


def recorded(folder: Path, synchronous: str) -> Path:
    """Store messages in another process and give the record of what it wrote."""
    folder.mkdir()
    trace = folder.parent / f"trace-{synchronous}"
    subprocess.run(
        [sys.executable, "-m", RECORD, "record", folder, synchronous],
        env=faulty_environment(trace=trace),
        cwd=ROOT,
        check=True,
        timeout=120,
    )
    return trace


async def lost(trace: Path, folder: Path, count: int, seed: int) -> list[str]:
    """Open the spool in so many states a power cut may leave; say where something acknowledged is not there."""
    steps = read_steps(trace)
    found: list[str] = []
    for number, (cut, files) in enumerate(states(steps, count, seed)):
        struck = folder / f"state-{number}"
        struck.mkdir()
        for name, content in files.items():
            (struck / name).write_bytes(content)
        where = f"seed={seed} state={number} cut={cut} of {len(steps)}"
        running = rig(struck)
        try:
            await running.spool.open()
        except SpoolFailed as error:
            found.append(f"{where}: {error}")
            continue
        there = dict(ask(struck, "SELECT seq, data FROM message"))
        await running.spool.drain()
        oldest = min(there, default=0)
        gone = [
            seq
            for number, seq in acknowledged(steps, cut).items()
            if seq >= oldest and there.get(seq) != adt(f"M{number}", ward="W" * 700)
        ]
        if gone or (not there and acknowledged(steps, cut)):
            found.append(f"{where}: {gone} are not there")
        elif running.told(SpoolDamaged):
            found.append(f"{where}: {running.told(SpoolDamaged)[0].what}")
        shutil.rmtree(struck)
    return found


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory where there is one: hundreds of spools are opened in it, and none has to last."""
    if not Path("/dev/shm").is_dir():
        yield tmp_path
        return
    with TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


async def test_no_power_cut_loses_what_was_acknowledged(tmp_path: Path, memory: Path) -> None:
    trace = recorded(tmp_path / "full", "FULL")
    assert await lost(trace, memory, amount("CARILLON_CRASH_STATES", 500), seed=20260921) == []


async def test_the_same_power_cuts_find_a_spool_that_does_not_wait_for_the_disk(tmp_path: Path, memory: Path) -> None:
    trace = recorded(tmp_path / "normal", "NORMAL")
    assert await lost(trace, memory, 100, seed=20260921)


# -- a disk that fails -------------------------------------------------------------------------------------------------


def test_whichever_write_or_sync_fails_once_or_for_ever_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path) -> None:
    last = amount("CARILLON_FAULTY_CALLS", 64)
    step = 1 if last > 64 else 7
    control = tmp_path / "control"
    said = subprocess.run(
        [sys.executable, "-m", RECORD, "strike", tmp_path, control, "1", str(last + 1), str(step)],
        env=faulty_environment(control=control),
        cwd=ROOT,
        check=True,
        timeout=1800,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert len(said) == 4 * len(range(1, last + 1, step))
    assert [line for line in said if len(line.split()) > 4] == []
    assert sum(int(line.split()[3]) > 0 for line in said) > len(said) // 3


# -- a disk that forgets -----------------------------------------------------------------------------------------------


async def struck_spool(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a spool as a power cut leaves it: a database, a log with the last messages, a mark."""
    hasten(monkeypatch)
    alive, struck = folder / "alive", folder / "struck"
    alive.mkdir()
    async with spooling(alive) as running:
        await running.stored(*arrivals(60, ward="W" * 300))
    async with spooling(alive) as running:
        for number in range(61, 76):
            await running.stored(*arrivals(1, number, ward="W" * 300))
        await until(lambda: mark_of(alive) == 75)
        shutil.copytree(alive, struck)
    (struck / f"{FILE}-shm").unlink(missing_ok=True)
    return struck


@pytest.mark.parametrize("name", [FILE, f"{FILE}-wal", MARK_FILE])
async def test_any_bit_that_flips_is_noticed_or_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source = await struck_spool(tmp_path, monkeypatch)
    sent = {seq: (one.data, one.ack) for seq, one in enumerate(arrivals(75, ward="W" * 300), 1)}
    dice = random.Random(7)
    size = (source / name).stat().st_size
    noticed = 0
    flips = amount("CARILLON_FLIPS", 20)
    for number in range(flips):
        folder = tmp_path / f"flip-{number}"
        shutil.copytree(source, folder)
        content = bytearray((folder / name).read_bytes())
        place = dice.randrange(size)
        content[place] ^= 1 << dice.randrange(8)
        (folder / name).write_bytes(content)
        running = rig(folder)
        try:
            await running.spool.open()
        except SpoolFailed:
            noticed += 1
            continue
        told: list[object] = list(running.told(SpoolDamaged))
        rows = {row.seq: row.data for row in await running.waiting() if row.is_whole}
        acks = dict(ask(folder, "SELECT seq, ack FROM message"))
        await running.spool.drain()
        with closing(connect_reader(folder / FILE)) as db:
            told += inspect(db, 0, 1000)[0]
        noticed += bool(told)
        if not told:
            assert {seq: (data, acks[seq]) for seq, data in rows.items()} == sent, (number, place)
        shutil.rmtree(folder)
    assert noticed or name == MARK_FILE
