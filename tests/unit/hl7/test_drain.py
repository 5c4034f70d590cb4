"""A feed on its way to its queue: in order, each message once, and what is told of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from daemon.clock import SECOND_US
from daemon.events import Backlog, MessageParked, MessagesEnqueued, Warned
from daemon.hl7listener.lanes.lane import PACE_S
from daemon.hl7listener.lanes.tail import BATCH_BYTES, BATCH_ROWS, TAIL_BYTES
from daemon.keys import MARK_TTL_S
from daemon.public import Public
from tests.support.builders import adt
from tests.support.clock import run_virtual
from tests.support.feeds import ADT, feed, route
from tests.support.lane_model import World
from tests.support.lane_scenes import all_pushed, messages, names, play

# -- when nothing goes wrong ---------------------------------------------------------------------------------------------


def test_messages_reach_their_queue_in_the_order_they_came() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            for number in range(1, 30):
                world.spool.store(*messages(number % 4 + 1, world.spool.next_seq))
                await anyio.sleep(0.01)

    world = play(scene)
    assert world.broker.control_ids == names(world.spool.next_seq - 1)


async def _streaming(world: World, count: int, gap_s: float) -> None:
    for number in range(count):
        world.spool.store(*messages(1, number + 1))
        await anyio.sleep(gap_s)
    await world.until(all_pushed(world, count))


def test_of_a_stream_the_first_message_goes_at_once_and_the_others_gather_for_a_moment() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            await anyio.sleep(1)
            await _streaming(world, 40, PACE_S / 4)

    world = play(scene)
    assert world.broker.control_ids == names(40)
    assert world.broker.calls[0] == 1
    assert 10 <= len(world.broker.calls) <= 14


def test_messages_that_come_slowly_go_each_at_once() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            await anyio.sleep(1)
            await _streaming(world, 10, 2 * PACE_S)

    assert play(scene).broker.calls == [1] * 10


def test_a_push_that_is_full_waits_for_nothing() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            await anyio.sleep(1)
            world.spool.store(*messages(1))
            await anyio.sleep(PACE_S / 10)
            world.spool.store(*messages(BATCH_ROWS, 2))
            await anyio.sleep(PACE_S / 10)
            assert world.broker.calls == [1, BATCH_ROWS]

    assert play(scene).broker.control_ids == names(BATCH_ROWS + 1)


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
            told = len(world.told(Backlog))
            await anyio.sleep(100)
            assert len(world.told(Backlog)) == told, "that nothing waits is told once"

    play(scene)


def test_of_a_feed_that_never_had_a_message_nothing_is_asked_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(world: World) -> None:
        asked: list[int] = []
        reader = world.spool.reader
        last_epoch = reader.last_epoch

        async def counted(feed: Public, up_to_seq: int) -> str | None:
            asked.append(up_to_seq)
            return await last_epoch(feed, up_to_seq)

        monkeypatch.setattr(type(reader), "last_epoch", lambda _, feed, up_to_seq: counted(feed, up_to_seq))
        async with world.draining():
            await anyio.sleep(100)
            assert asked == [0]
            world.spool.store(*messages(3))
            await world.until(all_pushed(world, 3))
            await anyio.sleep(100)
            assert len(asked) > 10, "but one that had some is compared with the broker"

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
