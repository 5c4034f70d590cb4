"""A broker that comes back without its last writes, or with somebody else's."""

from __future__ import annotations

import anyio
import pytest

from daemon.events import MessagesEnqueued, MessagesRepeated, Warned
from tests.support.builders import adt
from tests.support.feeds import ADT
from tests.support.lane_model import SUSPECT_S, World
from tests.support.lane_scenes import all_pushed, messages, names, play

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
