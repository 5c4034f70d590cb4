"""How a spool makes room: by age, by size, and never at the cost of what waits to be handed on."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from daemon.clock import SECOND_US
from daemon.errors import SpoolFailed
from daemon.events import Pruned, SpoolDamaged
from daemon.hl7listener.spool import Limits, NotStored
from daemon.hl7listener.spool.pruner import PRUNE_BYTES, PRUNE_ROWS
from daemon.public import Public
from tests.support.builders import adt
from tests.support.clock import SetClock
from tests.support.feeds import ADT, arrival
from tests.support.spooling import (
    LIMIT_S,
    ROOMY,
    Disk,
    Fault,
    arrivals,
    ask,
    broken,
    full,
    hasten,
    numbers,
    spooling,
    until,
)

pytestmark = pytest.mark.anyio

RETENTION_S = 3600.0
KEPT_AN_HOUR = Limits(retention_us=round(RETENTION_S * SECOND_US), size_bytes=1 << 40, free_floor_bytes=0)
LAB = Public("lab")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)


@pytest.mark.usefixtures("quick")
async def test_messages_past_their_time_are_removed_unless_they_wait(tmp_path: Path) -> None:
    clock = SetClock()
    async with spooling(tmp_path, limits=KEPT_AN_HOUR, clock=clock) as running:
        await running.stored(*arrivals(6), *arrivals(2, of=LAB), arrival(b""), *arrivals(1, 7))
        running.spool.settle(ADT, 4)
        running.spool.park(3, Public("no worker could take it"))
        await until(lambda: ask(tmp_path, "SELECT seq FROM cursor") == [(4,)])
        assert len(numbers(tmp_path)) == 10
        clock.advance(RETENTION_S + 1)
        # 5, 6 and 10 wait to be handed on, 7 and 8 are another feed's that has handed on nothing; 9 was refused.
        await until(lambda: numbers(tmp_path) == [5, 6, 7, 8, 10])
        assert ask(tmp_path, "SELECT seq FROM parked") == []
        await until(lambda: sum(event.count for event in running.told(Pruned)) == 5)
        running.spool.settle(ADT, 10)
        running.spool.settle(LAB, 8)
        # The newest row stays: it keeps the count.
        await until(lambda: numbers(tmp_path) == [10])
    async with spooling(tmp_path, limits=KEPT_AN_HOUR, clock=clock) as running:
        assert running.told(SpoolDamaged) == []
        assert [answer.seq for answer in await running.stored(*arrivals(1, 99))] == [11]


async def test_a_spool_that_is_never_idle_is_pruned_all_the_same(tmp_path: Path) -> None:
    clock = SetClock()
    count = 2 * PRUNE_ROWS
    async with spooling(tmp_path, limits=KEPT_AN_HOUR, clock=clock) as running:
        await running.stored(*arrivals(count))
        running.spool.settle(ADT, count)
        clock.advance(RETENTION_S + 1)
        with anyio.fail_after(LIMIT_S):
            for number in itertools.count(count + 1):
                # The next one is there before the last one is answered, so that the writer always finds something to do.
                await running.stored(*arrivals(3, 3 * number, received_us=clock.now_us()))
                if sum(event.count for event in running.told(Pruned)) >= count:
                    break
        assert numbers(tmp_path)[0] > count


@pytest.mark.usefixtures("quick")
async def test_few_but_large_messages_are_not_removed_in_one_step_for_which_arrivals_would_wait(tmp_path: Path) -> None:
    clock = SetClock()
    count, size = 12, PRUNE_BYTES // 3
    async with spooling(tmp_path, limits=KEPT_AN_HOUR, clock=clock) as running:
        await running.stored(*arrivals(count, ward="W" * size), *arrivals(1, 99))
        running.spool.settle(ADT, count)
        clock.advance(RETENTION_S + 1)
        await until(lambda: sum(event.count for event in running.told(Pruned)) == count)
        assert max(event.count for event in running.told(Pruned)) == 3
    assert numbers(tmp_path) == [count + 1]


@pytest.mark.usefixtures("quick")
async def test_what_was_refused_is_kept_for_its_own_longer_time(tmp_path: Path) -> None:
    clock = SetClock()
    limits = replace(KEPT_AN_HOUR, quarantine_us=3 * KEPT_AN_HOUR.retention_us)
    async with spooling(tmp_path, limits=limits, clock=clock) as running:
        await running.stored(*arrivals(1), arrival(b""), *arrivals(2, 2))
        running.spool.settle(ADT, 4)
        clock.advance(RETENTION_S + 1)
        await until(lambda: numbers(tmp_path) == [2, 4])
        clock.advance(2 * RETENTION_S)
        await until(lambda: numbers(tmp_path) == [4])


@pytest.mark.usefixtures("quick")
async def test_a_message_whose_answer_is_still_to_come_is_kept_however_old(tmp_path: Path) -> None:
    clock = SetClock()
    told: list[bool] = []
    async with spooling(tmp_path, limits=KEPT_AN_HOUR, clock=clock) as running:
        await running.stored(arrival(adt("M1"))._replace(pending="{}"), *arrivals(2, 2))
        running.spool.settle(ADT, 3)
        clock.advance(RETENTION_S + 1)
        await until(lambda: numbers(tmp_path) == [1, 3])
        running.spool.answered(1, b"in the end", told.append)
        await until(lambda: numbers(tmp_path) == [3])
        assert ask(tmp_path, "SELECT * FROM answer") == []
    assert told == [True]


@pytest.mark.usefixtures("quick")
async def test_what_was_pruned_can_be_sent_again_as_a_new_message(tmp_path: Path) -> None:
    clock = SetClock()
    async with spooling(tmp_path, limits=KEPT_AN_HOUR, clock=clock) as running:
        await running.stored(*arrivals(2))
        running.spool.settle(ADT, 2)
        clock.advance(RETENTION_S + 1)
        await until(lambda: numbers(tmp_path) == [2])
        assert [answer.is_resend for answer in await running.stored(*arrivals(2))] == [False, True]


@pytest.mark.usefixtures("quick")
async def test_after_a_resend_pruning_still_keeps_the_row_that_keeps_the_count(tmp_path: Path) -> None:
    clock = SetClock()
    async with spooling(tmp_path, limits=KEPT_AN_HOUR, clock=clock) as running:
        await running.stored(*arrivals(3))
        await running.stored(*arrivals(1))
        running.spool.settle(ADT, 3)
        clock.advance(RETENTION_S + 1)
        await until(lambda: numbers(tmp_path) == [3])
        await until(lambda: sum(event.count for event in running.told(Pruned)) == 2)
    async with spooling(tmp_path, limits=KEPT_AN_HOUR, clock=clock) as running:
        assert running.told(SpoolDamaged) == []


@pytest.mark.usefixtures("quick")
async def test_a_spool_over_its_size_loses_its_oldest_messages_and_none_that_waits(tmp_path: Path) -> None:
    limits = Limits(ROOMY.retention_us, size_bytes=1, free_floor_bytes=0)  # always too large
    count = 3 * PRUNE_ROWS + 10
    async with spooling(tmp_path, limits=limits) as running:
        await running.stored(*arrivals(count))
        running.spool.settle(ADT, count - 5)
        await until(lambda: numbers(tmp_path) == list(range(count - 4, count + 1)))
        assert [row.seq for row in await running.waiting()] == list(range(count - 4, count + 1))
        assert max(event.count for event in running.told(Pruned)) <= PRUNE_ROWS


@pytest.mark.usefixtures("quick")
async def test_a_spool_is_only_made_as_small_as_it_must_be(tmp_path: Path) -> None:
    size = 600_000
    limits = Limits(ROOMY.retention_us, size_bytes=size, free_floor_bytes=0)
    async with spooling(tmp_path, limits=limits) as running:
        await running.stored(*arrivals(500, ward="W" * 3000))
        running.spool.settle(ADT, 500)
        await until(lambda: bool(running.told(Pruned)) and used_bytes(tmp_path) <= size)
        assert len(numbers(tmp_path)) > 1
        await running.stored(*arrivals(1, 501))


def used_bytes(folder: Path) -> int:
    [[pages]], [[free]], [[size]] = (
        ask(folder, f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


async def test_pruned_messages_leave_nothing_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)
    clock = SetClock()
    async with spooling(tmp_path, limits=KEPT_AN_HOUR, clock=clock) as running:
        await running.stored(*arrivals(20, ward="XYZZYSECRET"), *arrivals(1, 99))
        running.spool.settle(ADT, 21)
        clock.advance(RETENTION_S + 1)
        await until(lambda: numbers(tmp_path) == [21])
    assert all(b"XYZZYSECRET" not in content for content in contents(tmp_path))


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir()]


async def test_a_full_disk_is_pruned_while_feeds_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)
    clock, disk = SetClock(), Disk(monkeypatch, free_bytes=0)
    limits = Limits(KEPT_AN_HOUR.retention_us, KEPT_AN_HOUR.size_bytes, free_floor_bytes=0)
    async with spooling(tmp_path, limits=limits, clock=clock) as running:
        await running.stored(*arrivals(5))
        running.spool.settle(ADT, 5)
    low = Limits(KEPT_AN_HOUR.retention_us, KEPT_AN_HOUR.size_bytes, free_floor_bytes=1000)
    clock.advance(RETENTION_S + 1)
    async with spooling(tmp_path, limits=low, clock=clock) as running:
        await until(lambda: not running.spool.is_accepting and numbers(tmp_path) == [5])
        disk.free_bytes = 10_000
        await until(lambda: running.spool.is_accepting)


@pytest.mark.usefixtures("quick")
async def test_a_disk_too_full_to_prune_does_not_end_the_spool(tmp_path: Path) -> None:
    """What waits must still be read and handed on."""
    tries = itertools.count()

    def at(point: str) -> None:
        if point == "prune.chunk" and next(tries) < 3:
            raise full()

    clock = SetClock()
    async with spooling(tmp_path, limits=KEPT_AN_HOUR, clock=clock, at=at) as running:
        await running.stored(*arrivals(5))
        running.spool.settle(ADT, 5)
        clock.advance(RETENTION_S + 1)
        await until(lambda: numbers(tmp_path) == [5])
        assert len(await running.waiting()) == 1
        await running.stored(*arrivals(1, 6))


@pytest.mark.usefixtures("quick")
async def test_a_disk_that_fails_while_it_is_pruned_ends_the_spool(tmp_path: Path) -> None:
    clock = SetClock()
    async with spooling(tmp_path, limits=KEPT_AN_HOUR, clock=clock, at=Fault("prune.chunk", broken)) as running:
        await running.stored(*arrivals(5))
        running.spool.settle(ADT, 5)
        clock.advance(RETENTION_S + 1)
        with anyio.fail_after(LIMIT_S), pytest.raises(SpoolFailed):
            await running.spool.serve()
        assert await running.store(*arrivals(1, 6)) == [NotStored()]
