"""From the spool to the queues, on virtual time: in order, each message once, whatever the broker and the disk do meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from daemon.clock import SECOND_US
from daemon.events import Backlog, MessageParked, MessagesEnqueued, MessagesRepeated, Warned
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.lane import COMPARE_EVERY_S, RETRY_FIRST_S, RETRY_MOST_S
from daemon.hl7listener.tail import BATCH_BYTES, BATCH_ROWS, TAIL_BYTES, TAIL_ROWS
from daemon.keys import MARK_TTL_S
from daemon.public import Public
from tests.support.builders import adt
from tests.support.clock import run_virtual
from tests.support.feeds import ADT, feed, route
from tests.support.lane_model import SUSPECT_S, World


def messages(count: int, first: int = 1) -> list[bytes]:
    return [adt(f"M{number}") for number in range(first, first + count)]


def names(count: int, first: int = 1) -> list[str]:
    return [f"M{number}" for number in range(first, first + count)]


def play(scene: Callable[[World], Awaitable[None]], of: Feed | None = None) -> World:
    """Play a scene on virtual time and give the world as it was left."""

    async def main() -> World:
        world = World(of)
        await scene(world)
        return world

    return run_virtual(main)


def all_pushed(world: World, count: int) -> Callable[[], bool]:
    return lambda: len(world.broker.queue) >= count


# -- when nothing goes wrong ---------------------------------------------------------------------------------------------


def test_messages_reach_their_queue_in_the_order_they_came() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            for number in range(1, 30):
                world.spool.store(*messages(number % 4 + 1, world.spool.next_seq))
                await anyio.sleep(0.01)

    world = play(scene)
    assert world.broker.control_ids == names(world.spool.next_seq - 1)


def test_what_waited_before_the_start_comes_first() -> None:
    async def scene(world: World) -> None:
        world.spool.store(*messages(3))
        world.spool.open_again()
        async with world.draining():
            world.spool.store(*messages(2, 4))
            await world.until(all_pushed(world, 5))

    assert play(scene).broker.control_ids == names(5)


def test_a_task_has_the_id_of_its_message_and_everything_its_route_says() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(adt("M1"))
            await world.until(all_pushed(world, 1))

    of = feed(route(queue=Public("beds"), priority=3, expires_us=60 * SECOND_US))
    world = play(scene, of)
    [item] = world.broker.queue
    assert item.task_id == world.task_id(1)
    assert (item.task, item.queue, item.priority) == ("recording.message", "beds", 3)
    assert item.expires_at_us is not None
    assert abs(item.expires_at_us - world.clock.start_us - 60 * SECOND_US) < SECOND_US
    assert item.kwargs["message"]["text"].encode() == adt("M1")


def test_nothing_of_a_message_is_shown_where_workers_log_it() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(adt("M1"))
            await world.until(all_pushed(world, 1))

    [item] = play(scene).broker.queue
    assert (item.args_shown, item.kwargs_shown) == ("()", "<an HL7 message, not shown>")


def test_blocks_that_become_no_task_are_passed_over() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(adt("M1"), b"garbage", adt("M2").replace(b"ADT^", b"ORU^"), adt("M3"))
            await world.until(all_pushed(world, 2))

    world = play(scene)
    assert world.broker.control_ids == ["M1", "M3"]
    assert world.told(MessageParked) == []


def test_how_far_a_feed_is_reaches_the_disk_once_nothing_has_come_for_a_moment() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(*messages(5))
            await world.until(lambda: world.spool.cursors)
            assert world.spool.cursors == {ADT: 5}
            assert world.mark() == "5"

    play(scene)


def test_what_was_pushed_is_told_with_its_number() -> None:
    async def scene(world: World) -> None:
        world.spool.store(*messages(5))
        async with world.draining():
            await world.until(all_pushed(world, 5))

    told = play(scene).told(MessagesEnqueued)
    assert sum(event.count for event in told) == 5
    assert sum(event.already for event in told) == 0


def test_the_mark_outlives_what_the_spool_keeps() -> None:
    assert MARK_TTL_S > 7 * 86_400


def test_no_call_carries_more_than_a_batch() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(*messages(1000))
            await world.until(all_pushed(world, 1000))

    world = play(scene)
    assert max(world.broker.calls) <= BATCH_ROWS
    assert world.broker.control_ids == names(1000)


def test_no_call_carries_many_large_messages() -> None:
    size = BATCH_BYTES // 4
    large = [adt(f"M{number}") + b"ZZZ|" + b"x" * size + b"\r" for number in range(1, 31)]
    assert sum(map(len, large)) < TAIL_BYTES

    async def scene(world: World) -> None:
        async with world.draining():
            await world.until(lambda: world.spool.asked)
            world.spool.store(*large)
            await world.until(all_pushed(world, 30))

    world = play(scene)
    assert max(world.broker.calls) <= BATCH_BYTES // size + 1
    assert world.broker.control_ids == names(30)


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


# -- a broker that forgets -----------------------------------------------------------------------------------------------


def test_a_tail_the_broker_lost_is_pushed_again_under_the_same_ids_and_reported() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(*messages(5))
            await world.until(all_pushed(world, 5))
            state = world.broker.state()
            world.spool.store(*messages(5, 6))
            await world.until(all_pushed(world, 10))
            first_ids = world.broker.task_ids
            world.broker.go_back_to(state)
            world.spool.store(adt("M11"))
            await world.until(all_pushed(world, 11))
            assert world.broker.task_ids[:10] == first_ids

    world = play(scene)
    assert world.broker.control_ids == names(11)
    told = world.told(MessagesRepeated)
    assert (sum(event.pushed for event in told), sum(event.had_run for event in told)) == (5, 0)


def test_messages_that_are_known_to_have_run_are_not_pushed_again() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(*messages(5))
            await world.until(all_pushed(world, 5))
            state = world.broker.state()
            world.spool.store(*messages(5, 6))
            await world.until(all_pushed(world, 10))
            world.broker.ran = {world.task_id(6), world.task_id(8)}
            world.broker.go_back_to(state)
            world.spool.store(adt("M11"))
            await world.until(lambda: world.mark() == "11")

    world = play(scene)
    assert world.broker.control_ids == [*names(5), "M7", "M9", "M10", "M11"]
    told = world.told(MessagesRepeated)
    assert (sum(event.pushed for event in told), sum(event.had_run for event in told)) == (3, 2)


def test_only_what_may_be_lost_is_looked_up() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(*messages(5))
            await world.until(all_pushed(world, 5))
            state = world.broker.state()
            world.spool.store(adt("M6"))
            await world.until(all_pushed(world, 6))
            assert world.broker.asked_for_results == []
            world.broker.go_back_to(state)
            world.spool.store(*messages(3, 7))
            await world.until(all_pushed(world, 9))

    world = play(scene)
    assert world.broker.asked_for_results == [[world.task_id(6)]]


def test_while_results_cannot_be_looked_up_nothing_is_pushed_again() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(*messages(5))
            await world.until(all_pushed(world, 5))
            world.broker.flush()
            world.broker.results_are_down = True
            world.broker.ran = {world.task_id(1)}
            world.spool.store(adt("M6"))
            await anyio.sleep(60)
            assert world.broker.queue == []
            world.broker.results_are_down = False
            await world.until(all_pushed(world, 5))

    assert play(scene).broker.control_ids == names(5, 2)


def test_a_tail_lost_while_the_feed_is_quiet_is_pushed_again_before_the_next_message() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(*messages(5))
            await world.until(all_pushed(world, 5))
            state = world.broker.state()
            world.spool.store(*messages(5, 6))
            await world.until(all_pushed(world, 10))
            world.broker.go_back_to(state)
            await world.until(all_pushed(world, 10))

    assert play(scene).broker.control_ids == names(10)


def test_a_tail_lost_while_we_were_down_is_pushed_again_under_the_same_ids() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(*messages(5))
            await world.until(all_pushed(world, 5))
            state = world.broker.state()
            world.spool.store(*messages(5, 6))
            await world.until(all_pushed(world, 10))
        assert world.spool.cursors == {ADT: 10}
        first_ids = world.broker.task_ids
        world.broker.go_back_to(state)
        world.spool.open_again()
        async with world.draining():
            world.spool.store(adt("M11"))
            await world.until(all_pushed(world, 11))
        assert world.broker.task_ids == [*first_ids, world.task_id(11, "epoch2")]

    world = play(scene)
    assert sorted(world.broker.control_ids) == sorted(names(11))
    assert world.broker.control_ids == names(11)
    assert sum(event.pushed for event in world.told(MessagesRepeated)) == 5


def test_a_tail_that_reaches_over_several_starts_is_pushed_again_whole() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(*messages(3))
            await world.until(all_pushed(world, 3))
        state = world.broker.state()
        for first in (4, 7):
            world.spool.open_again()
            async with world.draining():
                world.spool.store(*messages(3, first))
                await world.until(all_pushed(world, first + 2))
        world.broker.go_back_to(state)
        world.spool.open_again()
        async with world.draining():
            await world.until(all_pushed(world, 9))

    assert play(scene).broker.control_ids == names(9)


def test_of_a_broker_that_forgot_everything_only_the_suspect_window_is_pushed_again() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(*messages(5))
            await world.until(all_pushed(world, 5))
            await anyio.sleep(SUSPECT_S + 60)
            world.spool.store(*messages(3, 6))
            await world.until(all_pushed(world, 8))
            world.broker.flush()
            world.spool.store(adt("M9"))
            await world.until(all_pushed(world, 4))

    world = play(scene)
    assert world.broker.control_ids == names(4, 6)
    assert sum(event.pushed for event in world.told(MessagesRepeated)) == 3


def test_the_suspect_window_reaches_back_over_a_start() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(*messages(2))
            await anyio.sleep(SUSPECT_S + 60)
            world.spool.store(*messages(2, 3))
            await world.until(all_pushed(world, 4))
        world.spool.open_again()
        async with world.draining():
            world.spool.store(*messages(2, 5))
            await world.until(all_pushed(world, 6))
            world.broker.flush()
            world.spool.store(adt("M7"))
            await world.until(all_pushed(world, 5))

    assert play(scene).broker.control_ids == names(5, 3)


def test_only_the_epoch_the_broker_forgot_is_pushed_again() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(*messages(3))
            await world.until(all_pushed(world, 3))
            log = world.broker.state()
            world.spool.open_again()
            world.spool.store(*messages(3, 4))
            await world.until(all_pushed(world, 6))
            world.broker.go_back_to(log)
            await world.until(all_pushed(world, 6))
            await anyio.sleep(60)

    world = play(scene)
    assert world.broker.control_ids == names(6)
    assert (world.mark("epoch1"), world.mark("epoch2")) == ("3", "6")
    assert [event.count for event in world.told(MessagesEnqueued)] == [3, 3]
    assert [event.pushed for event in world.told(MessagesRepeated)] == [3]


def test_a_mark_that_is_gone_after_a_long_silence_repeats_nothing() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(*messages(5))
            await world.until(all_pushed(world, 5))
        world.broker.flush()
        await anyio.sleep(100 * 86_400)
        world.spool.open_again()
        async with world.draining():
            world.spool.store(adt("M6"))
            await world.until(all_pushed(world, 1))

    world = play(scene)
    assert world.broker.control_ids == ["M6"]
    assert world.told(MessagesRepeated) == []


def test_a_first_start_with_an_empty_spool_repeats_nothing() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            await anyio.sleep(60)
            world.spool.store(adt("M1"))
            await world.until(all_pushed(world, 1))

    world = play(scene)
    assert world.broker.control_ids == ["M1"]
    assert world.told(MessagesRepeated) == []
    assert world.told(Warned) == []


def test_a_start_after_everything_was_pruned_repeats_nothing() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(*messages(5))
            await world.until(all_pushed(world, 5))
        world.spool.prune(5)
        world.spool.open_again()
        async with world.draining():
            world.spool.store(adt("M6"))
            await world.until(all_pushed(world, 6))

    assert play(scene).broker.control_ids == names(6)


# -- a mark somebody else moved ------------------------------------------------------------------------------------------


def test_a_mark_ahead_of_the_spool_stops_the_feed_and_is_told() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(*messages(2))
            await world.until(all_pushed(world, 2))
            world.set_mark("1000")
            world.spool.store(*messages(2, 3))
            await world.until(lambda: world.told(Warned))
            await anyio.sleep(60)
            assert world.broker.control_ids == names(2)
            [warning, *_] = world.told(Warned)
            assert (warning.code, warning.about) == ("mark-ahead-of-spool", "adt")
            world.set_mark("2")
            await world.until(all_pushed(world, 4))

    assert play(scene).broker.control_ids == names(4)


def test_a_spool_that_lost_its_newest_messages_stops_and_tells_and_skips_nothing() -> None:
    async def scene(world: World) -> None:
        world.spool.keeps_notes = False
        async with world.draining():
            world.spool.store(*messages(5))
            await world.until(all_pushed(world, 5))
        world.spool.lose_after(3)
        world.spool.keeps_notes = True
        world.spool.open_again()
        async with world.draining():
            await world.until(lambda: world.told(Warned))

    assert {event.code for event in play(scene).told(Warned)} == {"mark-ahead-of-spool"}


def test_a_spool_that_lost_messages_it_had_noted_as_handed_on_goes_on() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(*messages(5))
            await world.until(all_pushed(world, 5))
        world.spool.lose_after(3)
        world.spool.open_again()
        async with world.draining():
            world.spool.store(adt("M6"))
            await world.until(all_pushed(world, 6))

    world = play(scene)
    assert world.broker.control_ids == names(6)
    assert world.told(Warned) == []


@pytest.mark.parametrize("mark", ["what", "", "-1", "²", "1" * 5000])
def test_a_mark_that_is_no_number_stops_the_feed_and_is_told(mark: str) -> None:
    async def scene(world: World) -> None:
        world.set_mark(mark)
        async with world.draining():
            world.spool.store(adt("M1"))
            await anyio.sleep(60)
            assert world.broker.queue == []
            world.broker.flush()
            await world.until(all_pushed(world, 1))

    world = play(scene)
    assert world.broker.control_ids == ["M1"]
    assert {event.code for event in world.told(Warned)} == {"mark-is-no-number"}


def test_a_key_of_the_wrong_type_holds_the_feed_and_is_told() -> None:
    async def scene(world: World) -> None:
        world.broker.wrong_key = "celery"
        async with world.draining():
            world.spool.store(*messages(3))
            await world.until(lambda: world.told(Warned))
            await anyio.sleep(30)
            assert world.broker.queue == []
            world.broker.wrong_key = None
            await world.until(all_pushed(world, 3))

    world = play(scene)
    assert world.broker.control_ids == names(3)
    warning = world.told(Warned)[0]
    assert warning.code == "queue-key-of-wrong-type"
    assert "celery" in warning.text


# -- messages that cannot be handed on -----------------------------------------------------------------------------------


@pytest.mark.parametrize("poison", [["M1"], ["M3"], ["M5"], ["M2", "M3"], ["M1", "M5"], names(5)])
def test_a_message_no_worker_could_take_is_parked_and_the_feed_goes_on(poison: list[str]) -> None:
    async def scene(world: World) -> None:
        world.broker.invalid = set(poison)
        async with world.draining():
            world.spool.store(*messages(5))
            await world.until(lambda: world.spool.cursors.get(ADT) == 5)
            world.spool.store(adt("M6"))
            await world.until(lambda: world.mark() == "6")

    world = play(scene)
    assert world.broker.control_ids == [name for name in names(6) if name not in poison]
    assert [f"M{event.sequence}" for event in world.told(MessageParked)] == poison
    assert [f"M{seq}" for seq in world.spool.parked] == poison
    assert {event.reason for event in world.told(MessageParked)} == {"no worker could take it"}


@pytest.mark.parametrize("poison", ["M1", "M3", "M5"])
def test_a_parked_message_stays_parked_after_a_start_and_repeats_nothing(poison: str) -> None:
    async def scene(world: World) -> None:
        world.broker.invalid = {poison}
        async with world.draining():
            world.spool.store(*messages(5))
            await world.until(lambda: world.spool.cursors.get(ADT) == 5)
        world.spool.open_again()
        async with world.draining():
            world.spool.store(adt("M6"))
            await world.until(lambda: world.mark("epoch2") == "6")

    world = play(scene)
    assert world.broker.control_ids == [name for name in names(6) if name != poison]
    assert len(world.told(MessageParked)) == 1
    assert world.told(MessagesRepeated) == []


def test_a_kill_at_any_step_repeats_nothing_and_tells_of_each_message_that_is_parked() -> None:
    async def run(step: int) -> bool:
        world = World()
        world.broker.invalid = {"M2", "M5"}
        world.spool.keeps_notes = False
        world.spool.store(*messages(5))
        was_killed = await world.killed_at(step)
        world.spool.keeps_notes = True
        world.spool.open_again()
        async with world.draining():
            world.spool.store(adt("M6"))
            await world.until(lambda: world.mark("epoch2") == "6")
        assert world.broker.control_ids == ["M1", "M3", "M4", "M6"], f"killed at step {step}"
        assert {event.sequence for event in world.told(MessageParked)} == {2, 5}
        return was_killed

    step = 1
    while run_virtual(lambda: run(step)):  # noqa: B023 - run at once
        step += 1
        assert step < 200
    assert step > 8


def test_a_message_whose_route_is_gone_is_parked() -> None:
    async def scene(world: World) -> None:
        world.spool.store(*messages(2), adt("M3", event="A02"), adt("M4"))
        world.feed = feed(route(events=["A01"]))
        async with world.draining():
            await world.until(all_pushed(world, 3))

    world = play(scene)
    assert world.broker.control_ids == ["M1", "M2", "M4"]
    [parked] = world.told(MessageParked)
    assert (parked.sequence, parked.reason) == (3, "no longer a message with a route")


def test_a_message_whose_bytes_changed_on_the_disk_is_parked_and_not_handed_on() -> None:
    async def scene(world: World) -> None:
        world.spool.store(*messages(4))
        world.spool.spoil(2)
        async with world.draining():
            await world.until(all_pushed(world, 3))

    world = play(scene)
    assert world.broker.control_ids == ["M1", "M3", "M4"]
    [parked] = world.told(MessageParked)
    assert (parked.sequence, parked.reason) == (2, "its bytes are not what was stored")


# -- a disk that fails ---------------------------------------------------------------------------------------------------


def test_messages_whose_commit_seemed_to_fail_are_handed_on_once_the_spool_is_open_again() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            world.spool.store(*messages(3))
            await world.until(all_pushed(world, 3))
            world.spool.store(*messages(2, 4), told=False)
            await anyio.sleep(60)
            assert len(world.broker.queue) == 3
            world.spool.close()
            await anyio.sleep(1)
            world.spool.open_again()
            world.spool.store(*messages(2, 6))
            await world.until(all_pushed(world, 7))

    world = play(scene)
    assert world.broker.control_ids == names(7)
    assert world.broker.task_ids[3:] == [
        world.task_id(4),
        world.task_id(5),
        world.task_id(6, "epoch2"),
        world.task_id(7, "epoch2"),
    ]


def test_a_spool_that_cannot_be_read_for_a_while_is_asked_again_and_it_is_told() -> None:
    async def scene(world: World) -> None:
        world.spool.store(*messages(3))
        world.spool.failing = 4
        async with world.draining():
            await world.until(all_pushed(world, 3))

    world = play(scene)
    assert world.broker.control_ids == names(3)
    [warning] = world.told(Warned)
    assert (warning.code, warning.about) == ("spool-not-readable", "adt")


# -- ending --------------------------------------------------------------------------------------------------------------


def time_of(main: Callable[[], Awaitable[Any]]) -> float:
    async def timed() -> float:
        started_s = anyio.current_time()
        await main()
        return anyio.current_time() - started_s

    return run_virtual(timed)


def test_a_drain_hands_on_what_is_there_before_it_ends() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            await world.until(lambda: world.spool.asked)
            world.spool.store(*messages(500))

    world = play(scene)
    assert world.broker.control_ids == names(500)
    assert world.spool.cursors == {ADT: 500}


def test_a_drain_does_not_wait_for_a_broker_that_is_away() -> None:
    async def main() -> None:
        world = World()
        world.broker.is_down = True
        async with world.draining():
            world.spool.store(adt("M1"))
            await anyio.sleep(60)
            before_s = anyio.current_time()
        assert anyio.current_time() - before_s < 1

    run_virtual(main)


def test_a_drain_that_never_served_ends_at_once() -> None:
    async def main() -> None:
        world = World()
        world.spool.store(adt("M1"))
        drain = world.make_drain()
        await drain.drain()
        await drain.open()
        await drain.drain()

    assert time_of(main) < 0.1


def test_a_second_drain_ends_at_once() -> None:
    async def main() -> None:
        world = World()
        world.broker.is_down = True
        world.spool.store(adt("M1"))
        async with world.draining() as drain:
            await anyio.sleep(60)
        before_s = anyio.current_time()
        await drain.drain()
        assert anyio.current_time() - before_s < 0.1

    run_virtual(main)


def test_a_drain_ends_though_the_disk_is_slow_to_answer() -> None:
    class Slow(World):
        """A world whose disk takes its time once it is told to."""

        def slow_down(self) -> None:
            reader = self.spool
            fetch = reader.fetch

            async def slowly(feed: Public, after_seq: int, *, limit: int, limit_bytes: int) -> Any:
                await anyio.sleep(30)
                return await fetch(feed, after_seq, limit=limit, limit_bytes=limit_bytes)

            reader.fetch = slowly  # type: ignore[method-assign]

    async def main() -> None:
        world = Slow()
        world.slow_down()
        async with world.draining():
            await anyio.sleep(1)

    assert time_of(main) < 60


def test_a_drain_can_be_opened_again() -> None:
    async def main() -> None:
        world = World()
        drain = world.make_drain()
        for first in (1, 4):
            await drain.open()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(drain.serve)
                world.spool.store(*messages(3, first))
                await world.until(all_pushed(world, first + 2))
                await drain.drain()
        assert world.broker.control_ids == names(6)

    run_virtual(main)


# -- what is told --------------------------------------------------------------------------------------------------------


def test_how_much_waits_and_for_how_long_is_told() -> None:
    async def scene(world: World) -> None:
        world.broker.is_down = True
        async with world.draining():
            world.spool.store(*messages(3))
            await anyio.sleep(100)
            last = world.told(Backlog)[-1]
            assert (last.feed, last.waiting) == ("adt", 3)
            assert 95 <= last.oldest_s <= 101
            world.broker.is_down = False
            await world.until(all_pushed(world, 3))
            await anyio.sleep(5)
            assert world.told(Backlog)[-1] == Backlog(ADT, 0, 0.0)

    play(scene)


def test_the_named_points_are_passed_in_order() -> None:
    passed: list[str] = []

    async def main() -> None:
        world = World(at=passed.append)
        async with world.draining():
            world.spool.store(adt("M1"))
            await world.until(all_pushed(world, 1))

    run_virtual(main)
    assert passed == ["push.before", "push.after", "mark.after"]
