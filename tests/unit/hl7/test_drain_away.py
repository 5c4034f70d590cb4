"""A broker that is away, answers that are lost or late, and kills: each message once all the same."""

from __future__ import annotations

import anyio
import pytest

from daemon.events import MessageParked, MessagesEnqueued, MessagesRepeated
from daemon.hl7listener.lanes.lane import COMPARE_EVERY_S, RETRY_FIRST_S, RETRY_MOST_S
from daemon.hl7listener.lanes.tail import BATCH_ROWS, TAIL_BYTES, TAIL_ROWS
from tests.support.builders import adt
from tests.support.clock import run_virtual
from tests.support.feeds import ADT
from tests.support.lane_model import World
from tests.support.lane_scenes import all_pushed, messages, names, play

# -- a broker that is away -----------------------------------------------------------------------------------------------


def test_while_the_broker_is_away_everything_waits_and_then_goes_in_order() -> None:
    async def scene(world: World) -> None:
        world.broker.is_down = True
        async with world.draining():
            for number in range(1, 11):
                world.spool.store(adt(f"M{number}"))
                await anyio.sleep(30)
            assert world.broker.queue == []
            world.broker.is_down = False
            await world.until(all_pushed(world, 10))

    assert play(scene).broker.control_ids == names(10)


def test_a_broker_that_is_away_is_asked_ever_more_rarely() -> None:
    async def scene(world: World) -> None:
        world.broker.is_down = True
        world.spool.store(adt("M1"))
        asked = 0

        def count() -> None:
            nonlocal asked
            asked += 1

        world.broker.step = count
        async with world.draining():
            await anyio.sleep(600)
            assert 600 / RETRY_MOST_S <= asked <= 600 / RETRY_MOST_S + 20

    play(scene)


def test_a_long_backlog_is_read_from_the_disk_in_order_and_not_kept_in_memory() -> None:
    count = 2 * TAIL_ROWS + 500

    async def scene(world: World) -> None:
        world.broker.is_down = True
        async with world.draining() as drain:
            await world.until(lambda: world.spool.asked)
            for first in range(1, count, 100):
                world.spool.store(*messages(100, first))
                await anyio.sleep(0.1)
                [lane] = drain._lanes
                assert len(lane._tail) <= TAIL_ROWS
            world.broker.is_down = False
            await world.until(all_pushed(world, count))

    world = play(scene)
    assert world.broker.control_ids == names(count)
    assert world.spool.asked >= count / BATCH_ROWS


def test_few_but_very_large_messages_are_not_kept_in_memory_either() -> None:
    filler = b"x" * (TAIL_BYTES // 4)

    async def scene(world: World) -> None:
        world.broker.is_down = True
        async with world.draining() as drain:
            await world.until(lambda: world.spool.asked)
            for number in range(1, 9):
                world.spool.store(adt(f"M{number}") + b"ZZZ|" + filler)
                await anyio.sleep(0.1)
                [lane] = drain._lanes
                assert lane._tail.size_bytes <= TAIL_BYTES
            world.broker.is_down = False
            await world.until(all_pushed(world, 8))

    assert play(scene).broker.control_ids == names(8)


# -- answers that are lost, or late --------------------------------------------------------------------------------------


def test_a_message_is_told_to_be_parked_once_though_the_note_of_it_is_slow_to_reach_the_disk() -> None:
    async def scene(world: World) -> None:
        world.spool.keeps_notes = False
        world.broker.invalid = {"M1", "M3"}
        async with world.draining():
            world.spool.store(*messages(3))
            await world.until(all_pushed(world, 1))
            await anyio.sleep(5 * COMPARE_EVERY_S)

    world = play(scene)
    assert world.broker.control_ids == ["M2"]
    assert [event.sequence for event in world.told(MessageParked)] == [1, 3]


def test_a_push_whose_reply_was_lost_is_counted_though_the_mark_tells_of_it_first() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            await anyio.sleep(COMPARE_EVERY_S - RETRY_FIRST_S / 2)
            world.broker.lose_replies = 1
            world.spool.store(*messages(3))
            await world.until(all_pushed(world, 3))
            await anyio.sleep(COMPARE_EVERY_S)

    told = play(scene).told(MessagesEnqueued)
    assert [(event.count, event.already) for event in told] == [(3, 3)]


@pytest.mark.parametrize("lost", [1, 2, 5])
def test_a_lost_reply_pushes_nothing_twice(lost: int) -> None:
    async def scene(world: World) -> None:
        world.broker.lose_replies = lost
        async with world.draining():
            world.spool.store(*messages(250))
            await world.until(lambda: world.spool.cursors.get(ADT) == 250)

    world = play(scene)
    assert world.broker.control_ids == names(250)
    assert world.told(MessagesRepeated) == []


def test_a_push_that_seemed_to_fail_and_happens_before_the_next_try_pushes_nothing_twice() -> None:
    async def scene(world: World) -> None:
        world.broker.hold = 1
        async with world.draining():
            world.spool.store(*messages(5))
            await world.until(lambda: world.broker.calls)
            world.broker.let_late_ones_through()
            world.spool.store(*messages(5, 6))
            await world.until(lambda: world.spool.cursors.get(ADT) == 10)

    assert play(scene).broker.control_ids == names(10)


def test_a_push_that_seemed_to_fail_and_happens_long_after_pushes_nothing_twice() -> None:
    async def scene(world: World) -> None:
        world.broker.hold = 2
        async with world.draining():
            world.spool.store(*messages(5))
            await world.until(all_pushed(world, 5))
            world.spool.store(*messages(5, 6))
            await world.until(all_pushed(world, 10))
            world.broker.let_late_ones_through()
            world.spool.store(*messages(5, 11))
            await world.until(all_pushed(world, 15))

    assert play(scene).broker.control_ids == names(15)


# -- kills ---------------------------------------------------------------------------------------------------------------


def test_a_kill_between_push_and_note_pushes_nothing_twice() -> None:
    async def scene(world: World) -> None:
        world.spool.keeps_notes = False
        world.spool.store(*messages(150))
        drain = world.make_drain()
        await drain.open()
        with anyio.CancelScope() as life:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(drain.serve)
                await world.until(all_pushed(world, 150))
                life.cancel()
        assert world.spool.cursors == {}
        world.spool.keeps_notes = True
        world.spool.forget_takers()
        world.spool.open_again()
        async with world.draining():
            world.spool.store(*messages(5, 151))
            await world.until(all_pushed(world, 155))

    world = play(scene)
    assert world.broker.control_ids == names(155)
    assert world.told(MessagesRepeated) == []


@pytest.mark.parametrize("keeps_notes", [pytest.param(True, id="notes kept"), pytest.param(False, id="notes lost")])
def test_a_kill_at_any_step_loses_nothing_and_repeats_nothing(*, keeps_notes: bool) -> None:
    count = 2 * BATCH_ROWS + 3

    async def run(step: int) -> bool:
        world = World()
        world.spool.store(*messages(count))
        world.spool.keeps_notes = keeps_notes
        was_killed = await world.killed_at(step)
        world.spool.keeps_notes = True
        world.spool.open_again()
        async with world.draining():
            world.spool.store(*messages(2, count + 1))
            await world.until(all_pushed(world, count + 2))
        assert world.broker.control_ids == names(count + 2), f"killed at step {step}"
        assert world.broker.task_ids[count] == world.task_id(count + 1, "epoch2")
        assert world.told(MessagesRepeated) == []
        return was_killed

    step = 1
    while run_virtual(lambda: run(step)):  # noqa: B023 - run at once
        step += 1
        assert step < 200
    assert step > 10


def test_two_kills_in_a_row_lose_nothing_and_repeat_nothing() -> None:
    async def run(first: int, second: int) -> None:
        world = World()
        world.spool.keeps_notes = False
        world.spool.store(*messages(5))
        await world.killed_at(first)
        world.spool.open_again()
        world.spool.store(*messages(5, 6))
        await world.killed_at(second)
        world.spool.keeps_notes = True
        world.spool.open_again()
        async with world.draining():
            world.spool.store(*messages(5, 11))
            await world.until(all_pushed(world, 15))
        assert world.broker.control_ids == names(15), f"killed at steps {first} and {second}"

    for first in range(1, 9):
        for second in range(1, 12):
            run_virtual(lambda: run(first, second))  # noqa: B023 - run at once
