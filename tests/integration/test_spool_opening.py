"""Opening and closing a spool: how it is set, who may open it, and how its numbers go on."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from daemon.errors import SpoolFailed, StateDirTaken
from daemon.events import SpoolOpened
from daemon.hl7listener.spool.opening import FILE, MARK_FILE
from daemon.hl7listener.spool.schema import CHECKPOINT_PAGES, SCHEMA_VERSION, connect
from daemon.state_dir import StateDir
from tests.support.feeds import ADT, arrival
from tests.support.spooling import (
    LIMIT_S,
    Gate,
    arrivals,
    asides,
    change,
    files_in,
    filled,
    mark_of,
    rig,
    spooling,
    until,
)

pytestmark = pytest.mark.anyio


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# -- how it is set -----------------------------------------------------------------------------------------------------


async def test_a_commit_waits_for_the_disk_and_the_log_stays_small(tmp_path: Path) -> None:
    with closing(connect(tmp_path / FILE)) as db:
        found = {
            name: db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in (
                "journal_mode",
                "synchronous",
                "user_version",
                "secure_delete",
                "trusted_schema",
                "cell_size_check",
                "mmap_size",
                "wal_autocheckpoint",
            )
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "user_version": SCHEMA_VERSION,
        "secure_delete": 1,
        "trusted_schema": 0,
        "cell_size_check": 1,
        "mmap_size": 0,
        "wal_autocheckpoint": CHECKPOINT_PAGES,
    }


async def test_the_writer_works_on_a_connection_that_is_set_so(tmp_path: Path) -> None:
    made: list[sqlite3.Connection] = []

    def kept(path: Path) -> sqlite3.Connection:
        made.append(connect(path))
        return made[-1]

    async with spooling(tmp_path, connect=kept) as running:
        await running.stored(*arrivals(1))
        [writing] = made
        assert writing.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert writing.execute("PRAGMA synchronous").fetchone() == (2,)
        assert writing.total_changes > 0


async def test_a_spool_that_was_closed_leaves_no_log_behind(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        await running.stored(*arrivals(3))
        assert len(await running.waiting()) == 3
    assert files_in(tmp_path) == [MARK_FILE, FILE]
    assert mark_of(tmp_path) == 3


async def test_the_mark_is_for_the_owner_only(tmp_path: Path) -> None:
    await filled(tmp_path, 1)
    assert (tmp_path / MARK_FILE).stat().st_mode & 0o777 == 0o600


# -- who may open it ---------------------------------------------------------------------------------------------------


async def test_a_spool_of_a_newer_version_is_refused_with_a_sentence_and_left_as_it_is(tmp_path: Path) -> None:
    await filled(tmp_path, 2)
    change(tmp_path, f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    before = (tmp_path / FILE).read_bytes()
    refused = rig(tmp_path).spool
    files = open_files()
    with pytest.raises(SpoolFailed) as caught:
        await refused.open()
    assert str(caught.value) == f"the spool has schema {SCHEMA_VERSION + 1}, this version knows {SCHEMA_VERSION}"
    assert caught.value.hint
    assert caught.value.exit_code == 74
    assert not refused.is_accepting
    assert (tmp_path / FILE).read_bytes() == before
    assert asides(tmp_path) == []
    assert open_files() == files


def test_a_second_process_is_refused_the_folder_while_the_first_lives(tmp_path: Path) -> None:
    holds = "import sys, pathlib, daemon.state_dir as s; s.StateDir(pathlib.Path(sys.argv[1])); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", holds, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path.cwd()
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"1\n"
        with pytest.raises(StateDirTaken, match=f"is held by process {first.pid}") as caught:
            StateDir(tmp_path)
        assert caught.value.exit_code == 75
        first.kill()
        first.wait(LIMIT_S)
    StateDir(tmp_path).close()


async def test_a_folder_that_is_missing_is_a_failure_and_not_a_bug(tmp_path: Path) -> None:
    with pytest.raises(SpoolFailed, match="No such file"):
        await rig(tmp_path / "missing").spool.open()


async def test_an_opening_that_fails_leaves_no_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(tmp_path, 1)

    def unreadable(_: Path) -> sqlite3.Connection:
        raise sqlite3.OperationalError

    files = open_files()
    for part in ("daemon.hl7listener.spool.opening.connect_reader", "daemon.hl7listener.spool.reader.connect_reader"):
        with monkeypatch.context() as patch:
            patch.setattr(part, unreadable)
            with pytest.raises(SpoolFailed):
                await rig(tmp_path).spool.open()
    assert open_files() == files


# -- epochs ------------------------------------------------------------------------------------------------------------


async def test_every_opening_begins_an_epoch_of_its_own_and_numbers_go_on(tmp_path: Path) -> None:
    tokens = []
    for number in range(1, 4):
        async with spooling(tmp_path) as running:
            await running.stored(*arrivals(1, number))
            [row] = running.rows
            assert row.seq == number
            tokens.append(row.epoch)
            assert running.told(SpoolOpened)[0].epoch == row.epoch
    assert len(set(tokens)) == 3
    async with spooling(tmp_path) as running:
        assert [row.epoch for row in await running.waiting()] == tokens
        assert await running.spool.reader.last_epoch(ADT, 2) == tokens[1]


async def test_an_opening_counts_what_is_kept_and_what_waits(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        await running.stored(*arrivals(4), arrival(b""))
        running.spool.settle(ADT, 3)
    async with spooling(tmp_path) as running:
        [opened] = running.told(SpoolOpened)
        assert (opened.messages, opened.waiting) == (5, 1)


async def test_a_spool_that_closes_waits_for_the_question_that_is_under_way(tmp_path: Path) -> None:
    """A connection closed under a running statement takes the whole process down."""
    running = rig(tmp_path)
    await running.spool.open()
    await running.stored(*arrivals(3))
    reader = running.spool.reader
    gate = Gate("reading")

    def held(seq: int) -> int:
        gate("reading")
        return seq

    reader._db.create_function("held", 1, held)
    question = "SELECT held(seq) FROM message ORDER BY seq"
    answers: list[list[tuple[int]]] = []

    async def read() -> None:
        answers.append(await reader._ask(lambda: reader._db.execute(question).fetchall()))

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await until(gate.reached.is_set)
            tasks.start_soon(running.spool.drain)
            await anyio.wait_all_tasks_blocked()
            gate.opened.set()
    assert answers == [[(1,), (2,), (3,)]]
    with pytest.raises(SpoolFailed, match="ProgrammingError"):
        await reader.cursor(ADT)
    with pytest.raises(SpoolFailed, match="not open"):
        _ = running.spool.reader
