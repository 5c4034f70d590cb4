"""The stream of a real server, copied to disk: whatever becomes of server, stream and disk, nothing is there twice."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from daemon.clock import SystemClock
from daemon.run_events import HistoryDamaged, HistoryGap, HistoryLost, HistoryOpened, RunRepeated
from daemon.scheduler.history import FILE, History, HistoryReader
from daemon.scheduler.run import RunState, write_record
from daemon.scheduler.runs import RunBook
from tests.support.histories import STREAM, keeping, run, until, write
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


async def test_records_reach_the_disk_and_the_book(valkey: ValkeyServer, tmp_path: Path) -> None:
    write(valkey, [run(1), run(2, RunState.SKIPPED, reason="coalesced", last_us=9, times=3)])
    async with keeping(valkey, tmp_path) as kept:
        await until(lambda: len(kept.rows()) == 2)
        write(valkey, [run(3)])
        await until(lambda: len(kept.rows()) == 3)
        assert kept.rows("occurrence_us, state, reason, last_us, times") == [
            (1, "enqueued", "", 0, 1),
            (2, "skipped", "coalesced", 9, 3),
            (3, "enqueued", "", 0, 1),
        ]
        assert kept.book.last_run_us("nightly") == 3
        assert [one.occurrence_us for one in kept.open_runs] == [1, 3]


async def test_what_became_of_a_run_is_written(valkey: ValkeyServer, tmp_path: Path) -> None:
    write(valkey, [run(1)])
    async with keeping(valkey, tmp_path) as kept:
        await until(kept.rows)
        ended = kept.open_runs[0]._replace(state=RunState.FAILED, worker="w@a", reason="ValueError", finished_us=5)
        kept.history.changed(ended)
        await until(lambda: kept.rows("state, worker, reason, finished_us") == [("failed", "w@a", "ValueError", 5)])
        known = kept.book.of("nightly")
        assert known is not None
        assert known.last_failure == ended


async def test_a_restart_goes_on_where_it_left_off(valkey: ValkeyServer, tmp_path: Path) -> None:
    write(valkey, map(run, range(5)))
    async with keeping(valkey, tmp_path) as kept:
        await until(lambda: len(kept.rows()) == 5)
        kept.history.changed(kept.open_runs[4]._replace(state=RunState.SUCCEEDED))
    write(valkey, map(run, range(5, 8)))
    async with keeping(valkey, tmp_path) as kept:
        await until(lambda: len(kept.rows()) == 8)
        assert kept.keys() == [run(number).key for number in range(8)]
        assert kept.book.last_success_us("nightly") == 4
        assert [one.occurrence_us for one in kept.open_runs] == [0, 1, 2, 3, 5, 6, 7]
        assert kept.heard(HistoryGap) == []


@pytest.mark.parametrize("has_restarted", [False, True])
async def test_an_occurrence_that_is_enqueued_again_under_its_id_is_told_as_repeated(
    valkey: ValkeyServer, tmp_path: Path, *, has_restarted: bool
) -> None:
    write(valkey, map(run, range(30)))
    async with keeping(valkey, tmp_path) as kept:
        await until(lambda: len(kept.rows()) == 30)
        if not has_restarted:
            write(valkey, [run(29)])
            await until(lambda: bool(kept.heard(RunRepeated)))
            assert [one.occurrence_us for one in kept.heard(RunRepeated)] == [29]
    if has_restarted:
        write(valkey, [run(3)])  # too old for the book: the file knows
        async with keeping(valkey, tmp_path) as kept:
            await until(lambda: bool(kept.heard(RunRepeated)))
            [told] = kept.heard(RunRepeated)
            assert (told.occurrence_us, told.first_us < told.again_us, len(kept.rows())) == (3, True, 30)


async def test_records_that_were_dropped_unread_are_told_as_a_gap(valkey: ValkeyServer, tmp_path: Path) -> None:
    write(valkey, map(run, range(5)))
    async with keeping(valkey, tmp_path) as kept:
        await until(lambda: len(kept.rows()) == 5)
    write(valkey, map(run, range(5, 10)))
    valkey.client.xtrim(STREAM, maxlen=2, approximate=False)
    async with keeping(valkey, tmp_path) as kept:
        await until(lambda: len(kept.rows()) == 7)
        assert kept.keys() == [run(number).key for number in (0, 1, 2, 3, 4, 8, 9)]
        [gap] = kept.heard(HistoryGap)
        [(settled_us,)] = kept.rows("settled_us", "occurrence_us = 4")
        assert gap.from_us == settled_us
        assert gap.from_us <= gap.until_us


async def test_a_server_that_forgot_everything_is_followed_anew(valkey: ValkeyServer, tmp_path: Path) -> None:
    write(valkey, map(run, range(3)))
    async with keeping(valkey, tmp_path) as kept:
        await until(lambda: len(kept.rows()) == 3)
    valkey.client.flushall()
    valkey.client.xadd(STREAM, {"record": "{}"}, id="5-1")  # of a server whose clock is far behind
    valkey.client.xadd(STREAM, {"record": '{"e":"nightly","n":"nightly","o":7,"s":"enqueued","i":"x"}'}, id="5-2")
    async with keeping(valkey, tmp_path) as kept:
        await until(lambda: len(kept.rows()) == 4)
        assert len(kept.heard(HistoryGap)) == 1


async def test_what_is_no_record_is_passed_by(valkey: ValkeyServer, tmp_path: Path) -> None:
    for fields in ({"record": "\xff"}, {"record": "[]"}, {"other": "x"}, {"record": '{"e":1}'}):
        valkey.client.xadd(STREAM, fields)
    write(valkey, [run(1)])
    async with keeping(valkey, tmp_path) as kept:
        await until(kept.rows)
        assert kept.keys() == [run(1).key]


async def test_following_goes_on_after_an_outage(tmp_path: Path) -> None:
    with ValkeyServer() as server:
        write(server, [run(1)])
        async with keeping(server, tmp_path) as kept:
            await until(kept.rows)
            server.restart()
            write(server, [run(2)])
            await until(lambda: len(kept.rows()) == 2)
            assert kept.heard(HistoryGap) == []


async def test_two_daemons_keep_the_same_history(valkey: ValkeyServer, tmp_path: Path) -> None:
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        folder.mkdir()
    async with keeping(valkey, folders[0]) as first, keeping(valkey, folders[1]) as second:
        write(valkey, [run(number, entry=f"e{number % 7}") for number in range(3000)])
        await until(lambda: len(first.rows("id")) == len(second.rows("id")) == 3000)
        assert first.rows() == second.rows()


async def test_a_damaged_file_is_put_aside_and_copied_anew(valkey: ValkeyServer, tmp_path: Path) -> None:
    write(valkey, map(run, range(3)))
    (tmp_path / FILE).write_bytes(b"this is no database " * 500)
    async with keeping(valkey, tmp_path) as kept:
        await until(lambda: kept.heard(HistoryOpened))
        await until(lambda: len(kept.rows()) == 3)
        [lost] = kept.heard(HistoryLost)
        [damaged] = kept.heard(HistoryDamaged)
        assert (tmp_path / str(damaged.aside)).read_bytes().startswith(b"this is no database")
        assert lost.code == "history-failed"


async def test_a_disk_that_takes_nothing_keeps_nobody_from_being_told(valkey: ValkeyServer, tmp_path: Path) -> None:
    write(valkey, [run(1)])
    (tmp_path / FILE).mkdir()  # nobody can write a database there
    async with keeping(valkey, tmp_path) as kept:
        await until(lambda: kept.book.last_run_us("nightly") == 1)
        assert [one.occurrence_us for one in kept.open_runs] == [1]
        assert kept.heard(HistoryLost)
        assert not kept.history.is_kept
        kept.history.changed(kept.open_runs[0]._replace(state=RunState.SUCCEEDED))
        (tmp_path / FILE).rmdir()
        await until(lambda: kept.rows("key, state") == [(run(1).key, "succeeded")])
        assert kept.history.is_kept


async def test_a_stream_that_may_not_be_read_is_said_once(
    valkey: ValkeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.scheduler.history.service.WAIT_S", 1.5)
    valkey.client.set(STREAM, "no stream")
    async with keeping(valkey, tmp_path) as kept:
        await until(lambda: kept.heard(HistoryLost))
        [lost] = kept.heard(HistoryLost)
        assert "WRONGTYPE" in lost.reason
        valkey.client.delete(STREAM)
        write(valkey, [run(1)])
        await until(kept.rows)
        assert len(kept.heard(HistoryLost)) == 1


async def test_where_there_is_no_stream_records_are_handed_over(tmp_path: Path) -> None:
    said: list[object] = []
    book = RunBook()
    history = History(tmp_path, None, book, SystemClock(), said.append)
    await history.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(history.serve)
        history.recorded(write_record(run(1)), 77)
        history.recorded("no record", 78)
        history.recorded(write_record(run(2)), 79)
        await history.drain()
    with HistoryReader(tmp_path) as reader:
        assert [(one.occurrence_us, one.settled_us) for one in reader.runs("nightly", count=9)] == [(2, 79), (1, 77)]
    assert book.last_run_us("nightly") == 2
