"""When the spool cannot store, on a full disk or a failing one; and what it notes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from daemon.errors import SpoolFailed
from daemon.events import SpoolDamaged
from daemon.feed_events import FeedResumed, FeedWithholding
from daemon.hl7listener.spool import Limits, NotStored, Stored, WhyNot
from daemon.hl7listener.spool.mark import MarkFile
from daemon.public import Public
from tests.support.clock import SetClock
from tests.support.feeds import ADT
from tests.support.spooling import (
    LIMIT_S,
    ROOMY,
    CappedDatabase,
    Disk,
    Fault,
    Gate,
    arrivals,
    ask,
    broken,
    hasten,
    numbers,
    settled,
    spooling,
    until,
)

pytestmark = pytest.mark.anyio

LAB = Public("lab")


# -- a disk without room -----------------------------------------------------------------------------------------------


async def test_a_full_database_refuses_a_group_whole_and_stores_again_once_there_is_room(tmp_path: Path) -> None:
    database = CappedDatabase(60)
    async with spooling(tmp_path, connect=database) as running:
        acknowledged = []
        number = 0
        while True:
            number += 1
            [one] = arrivals(1, number, ward="W" * 3000)
            [answer] = await running.store(one)
            if isinstance(answer, NotStored):
                break
            acknowledged.append(answer.seq)
        assert len(acknowledged) > 10
        assert numbers(tmp_path) == acknowledged
        # As long as there is no room, none of a group is stored, and nothing is acknowledged.
        again = arrivals(5, number, ward="W" * 3000)
        assert await running.store(*again) == [NotStored(WhyNot.FULL)] * 5
        running.spool.settle(ADT, acknowledged[-1])
        await until(lambda: ask(tmp_path, "SELECT seq FROM cursor") == [(acknowledged[-1],)])
        database.cap(1000)
        answers = await running.stored(*again)
        assert [answer.is_resend for answer in answers] == [False] * 5
        assert numbers(tmp_path) == [*acknowledged, *(answer.seq for answer in answers)]
        assert [row.seq for row in running.rows] == numbers(tmp_path)
    async with spooling(tmp_path) as running:
        assert running.told(SpoolDamaged) == []


async def test_a_disk_below_its_floor_withholds_feeds_and_resumes_them_with_a_margin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasten(monkeypatch)
    floor = 8000
    disk = Disk(monkeypatch, free_bytes=floor)
    heard: list[bool] = []
    limits = Limits(ROOMY.retention_us, ROOMY.size_bytes, free_floor_bytes=floor)
    async with spooling(tmp_path, limits=limits) as running:
        running.spool.on_accepting(heard.append)
        await running.stored(*arrivals(1))
        disk.free_bytes = floor - 1
        await until(lambda: not running.spool.is_accepting)
        assert await running.store(*arrivals(1, 2)) == [NotStored(WhyNot.FULL)]
        assert running.spool.is_full
        disk.free_bytes = floor + floor // 8 - 1
        looks = disk.looks
        await until(lambda: disk.looks > looks + 2)
        assert heard == [False]
        disk.free_bytes = floor + floor // 8
        await until(lambda: running.spool.is_accepting)
        await running.stored(*arrivals(1, 2))
        assert heard == [False, True]
        assert [type(event) for event in running.events if isinstance(event, (FeedWithholding, FeedResumed))] == [
            FeedWithholding,
            FeedResumed,
        ]
        assert running.told(FeedWithholding)[0].reason == "the disk is full, or nearly"


async def test_what_was_queued_when_the_room_was_lost_is_refused_while_notes_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate("commit.before")
    disk = Disk(monkeypatch, free_bytes=10)
    hasten(monkeypatch)
    limits = Limits(ROOMY.retention_us, ROOMY.size_bytes, free_floor_bytes=10)
    async with spooling(tmp_path, limits=limits, at=gate) as running:
        first = running.begin(*arrivals(1))
        await until(gate.reached.is_set)
        disk.free_bytes = 0
        rest = running.begin(*arrivals(3, 2))
        running.spool.settle(ADT, 1)
        gate.opened.set()
        assert [type(answer) for answer in await settled([*first, *rest])] == [Stored, *[NotStored] * 3]
        await until(lambda: ask(tmp_path, "SELECT seq FROM cursor") == [(1,)])


# -- a disk that fails -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["commit.before", "commit.synced"])
async def test_a_commit_that_fails_acknowledges_nothing_and_a_fresh_opening_serves_again(
    tmp_path: Path, point: str
) -> None:
    fault = Fault(point, broken, armed=False)
    async with spooling(tmp_path, at=fault) as running:
        await running.stored(*arrivals(2))
        epoch = running.rows[0].epoch
        fault.armed = True
        struck = arrivals(3, 3)
        assert await running.store(*struck) == [NotStored()] * 3
        with anyio.fail_after(LIMIT_S), pytest.raises(SpoolFailed, match="SQLITE_TEST") as caught:
            await running.spool.serve()
        assert caught.value.retryable
        assert await running.store(*struck) == [NotStored()] * 3
        fault.armed = False
        await running.spool.drain()
        await running.spool.open()
        answers = await running.stored(*struck, *arrivals(1, 6))
        # A commit that was reported as failed may have reached the disk; a resend meets it then.
        was_there = point == "commit.synced"
        assert [answer.is_resend for answer in answers] == [was_there] * 3 + [False]
        waiting = await running.waiting()
        assert [row.data for row in waiting] == [one.data for one in arrivals(6)]
        assert running.rows[-1].epoch != epoch
        assert running.told(SpoolDamaged) == []


async def test_what_is_queued_behind_a_failure_is_not_acknowledged(tmp_path: Path) -> None:
    gate = Gate("commit.before")

    def struck(point: str) -> None:
        gate(point)
        if point == "commit.before":
            raise broken()

    async with spooling(tmp_path, at=struck) as running:
        first = running.begin(*arrivals(1))
        await until(gate.reached.is_set)
        rest = running.begin(*arrivals(200, 2))
        gate.opened.set()
        assert await settled([*first, *rest]) == [NotStored()] * 201
    assert numbers(tmp_path) == []


async def test_a_disk_that_fails_once_more_as_the_files_are_closed_ends_the_spool_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = MarkFile.close

    def failing(mark: MarkFile) -> None:
        close(mark)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    fault = Fault("commit.before", broken, armed=False)
    async with spooling(tmp_path, at=fault) as running:
        await running.stored(*arrivals(2))
        fault.armed = True
        with monkeypatch.context() as patch:
            patch.setattr(MarkFile, "close", failing)
            assert await running.store(*arrivals(1, 3)) == [NotStored()]
            with anyio.fail_after(LIMIT_S), pytest.raises(SpoolFailed, match="SQLITE_TEST"):
                await running.spool.serve()
            assert not running.spool.is_accepting


async def test_a_bug_in_the_writer_is_no_failure_of_the_disk(tmp_path: Path) -> None:
    def struck(point: str) -> None:
        if point == "commit.before":
            raise ZeroDivisionError

    async with spooling(tmp_path, at=struck) as running:
        assert await running.store(*arrivals(1)) == [NotStored()]
        with anyio.fail_after(LIMIT_S), pytest.raises(ZeroDivisionError):
            await running.spool.serve()


async def test_a_spool_that_is_not_open_stores_nothing(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        await running.spool.drain()
        assert await running.store(*arrivals(1)) == [NotStored(WhyNot.CLOSED)]
        await running.spool.drain()
    assert numbers(tmp_path) == []


async def test_what_is_queued_when_the_spool_closes_is_stored_and_answered(tmp_path: Path) -> None:
    gate = Gate("commit.before")
    async with spooling(tmp_path, at=gate) as running:
        begun = running.begin(*arrivals(1))
        await until(gate.reached.is_set)
        begun += running.begin(*arrivals(300, 2))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(running.spool.drain)
            gate.opened.set()
            assert [type(answer) for answer in await settled(begun)] == [Stored] * 301
    assert numbers(tmp_path) == list(range(1, 302))


async def test_a_writer_that_is_held_up_is_seen_as_stalled(tmp_path: Path) -> None:
    gate, clock = Gate("commit.before"), SetClock()
    async with spooling(tmp_path, at=gate, clock=clock) as running:
        clock.advance(100)
        assert running.spool.stalled_s() == 0
        begun = running.begin(*arrivals(1))
        await until(gate.reached.is_set)
        clock.advance(7)
        assert running.spool.stalled_s() == 7
        gate.opened.set()
        await settled(begun)
        assert running.spool.stalled_s() == 0


# -- notes -------------------------------------------------------------------------------------------------------------


async def test_the_cursor_and_parked_messages_outlive_the_spool(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        await running.stored(*arrivals(5), *arrivals(2, of=LAB))
        running.spool.settle(ADT, 3)
        running.spool.park(4, Public("no worker could take it"))
        running.spool.settle(ADT, 4)
    async with spooling(tmp_path) as running:
        reader = running.spool.reader
        assert await reader.cursor(ADT) == 4
        assert await reader.cursor(LAB) == 0
        assert ask(tmp_path, "SELECT seq, parked_us, reason FROM parked") == [
            (4, SetClock().now_us(), "no worker could take it")
        ]
        token = (await running.waiting())[0].epoch
        assert await reader.last_pushed(ADT, token, 4) == 3  # the parked one was not pushed
        assert await reader.last_pushed(ADT, token, 0) is None
        assert await reader.waiting_after(ADT, 4) == (1, SetClock().now_us())


async def test_the_reader_gives_at_least_one_message_and_no_more_than_asked_for(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        await running.stored(*arrivals(10))
        reader = running.spool.reader
        size = len(arrivals(1)[0].data)
        assert [row.seq for row in await reader.fetch(ADT, 2, limit=3, limit_bytes=1 << 30)] == [3, 4, 5]
        assert [row.seq for row in await reader.fetch(ADT, 2, limit=9, limit_bytes=1)] == [3]
        assert [row.seq for row in await reader.fetch(ADT, 2, limit=9, limit_bytes=2 * size)] == [3, 4]
        assert await reader.fetch(ADT, 10, limit=9, limit_bytes=1 << 30) == []


async def test_the_last_message_before_an_instant_is_found(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        for number in range(1, 4):
            await running.stored(*arrivals(1, number, received_us=number * 1000))
        reader = running.spool.reader
        assert [await reader.last_before(ADT, at_us) for at_us in (1000, 1001, 3000, 9999)] == [0, 1, 2, 3]


def test_the_answers_a_spool_gives_show_nothing_of_a_message() -> None:
    one = arrivals(1)[0]
    shown: list[Callable[[], str]] = [lambda: repr(one), lambda: repr(Stored(1, one.ack)), lambda: str(one)]
    assert all("M1" not in show() and "MSA" not in show() for show in shown)
