"""Messages of ordered lanes beside messages that are parked, several tasks of a message, and entries that are rung."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.events import MessageParked, MessagesRepeated
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.lanes.holding import LOOK_AGAIN_S
from daemon.hl7listener.lanes.parking import VOID
from daemon.hl7listener.routes.lane_key import LaneKey
from daemon.hl7listener.text.path import parse_path
from daemon.keys import message_part_id
from daemon.public import Public
from tests.support.builders import adt
from tests.support.clock import run_virtual
from tests.support.feeds import ADT, feed, route
from tests.support.lane_model import World
from tests.support.lane_scenes import all_pushed, messages, play

QUEUE = Public("ward")


def laned(*, holds: bool = True) -> Feed:
    return feed(route(queue=QUEUE, lane_key=LaneKey(QUEUE, (parse_path("PID-3.1"),), 4, holds)))


def of(patient: str, number: int) -> bytes:
    return adt(f"{patient}{number}", patient=patient)


async def settled(world: World, seq: int) -> None:
    await world.until(lambda: world.spool.cursors.get(ADT) == seq)


def parked(world: World) -> dict[int, str]:
    return {event.sequence: str(event.reason) for event in world.told(MessageParked)}


def test_what_has_the_key_of_a_parked_message_waits_and_others_go_on() -> None:
    async def scene(world: World) -> None:
        world.broker.invalid = {"A1"}
        async with world.draining():
            world.spool.store(of("A", 1), of("B", 1), of("A", 2), of("C", 1), of("A", 3), of("B", 2))
            await settled(world, 6)

    world = play(scene, laned())
    assert world.broker.control_ids == ["B1", "C1", "B2"]
    assert parked(world) == {1: "no worker could take it", 3: "behind-parked", 5: "behind-parked"}


def test_lanes_that_go_on_do_not_wait() -> None:
    async def scene(world: World) -> None:
        world.broker.invalid = {"A1"}
        async with world.draining():
            world.spool.store(of("A", 1), of("A", 2))
            await settled(world, 2)

    assert play(scene, laned(holds=False)).broker.control_ids == ["A2"]


def test_a_key_still_waits_after_a_start() -> None:
    async def scene(world: World) -> None:
        world.broker.invalid = {"A1"}
        async with world.draining():
            world.spool.store(of("A", 1), of("B", 1))
            await settled(world, 2)
        world.spool.open_again()
        async with world.draining():
            world.spool.store(of("A", 2), of("B", 2))
            await settled(world, 4)

    world = play(scene, laned())
    assert world.broker.control_ids == ["B1", "B2"]
    assert parked(world)[3] == "behind-parked"


def release(world: World, *seqs: int) -> None:
    """Store copies of parked messages, as whoever releases them does."""
    data = {row.seq: row.data for row in world.spool.rows}
    for seq in seqs:
        world.spool.store(data[seq], origin_seq=seq)


def test_released_messages_take_their_places_and_the_key_goes_on_behind_them() -> None:
    async def scene(world: World) -> None:
        world.broker.invalid = {"A1"}
        async with world.draining():
            world.spool.store(of("A", 1), of("A", 2), of("B", 1))
            await settled(world, 3)
            world.broker.invalid = set()
            release(world, 1, 2)
            world.spool.store(of("A", 3))
            await settled(world, 6)

    world = play(scene, laned())
    assert world.broker.control_ids == ["B1", "A1", "A2", "A3"]
    assert world.spool.notes == {1: "released", 2: "released"}


def test_a_message_released_before_an_older_one_of_its_key_is_parked_again() -> None:
    async def scene(world: World) -> None:
        world.broker.invalid = {"A1"}
        async with world.draining():
            world.spool.store(of("A", 1), of("A", 2))
            await settled(world, 2)
            world.broker.invalid = set()
            release(world, 2)
            await settled(world, 3)
            release(world, 1, 2)
            world.spool.store(of("A", 3))
            await settled(world, 6)

    world = play(scene, laned())
    assert world.broker.control_ids == ["A1", "A2", "A3"]
    assert world.spool.notes == {1: "released", 2: "released", 3: "copy-of-parked"}


@pytest.mark.parametrize("restarts", [False, True])
def test_a_released_message_that_still_nobody_can_take_stays_parked_once(*, restarts: bool) -> None:
    async def scene(world: World) -> None:
        world.broker.invalid = {"A1"}
        async with world.draining():
            world.spool.store(of("A", 1), of("A", 2))
            await settled(world, 2)
            release(world, 1, 2)
            await settled(world, 4)
        if restarts:
            world.spool.open_again()
        world.broker.invalid = set()
        async with world.draining():
            release(world, 1, 2)
            await settled(world, 6)

    world = play(scene, laned())
    assert world.broker.control_ids == ["A1", "A2"]
    assert world.spool.notes == {1: "released", 2: "released", 3: "copy-of-parked", 4: "copy-of-parked"}


def test_a_released_message_is_not_handed_on_again_when_the_broker_forgets() -> None:
    async def scene(world: World) -> None:
        world.broker.invalid = {"A1"}
        async with world.draining():
            state = world.broker.state()
            world.spool.store(of("A", 1), of("B", 1))
            await settled(world, 2)
            world.broker.invalid = set()
            release(world, 1)
            await settled(world, 3)
            world.broker.go_back_to(state)
            world.spool.store(of("A", 2))
            await world.until(lambda: world.mark() == "4")

    world = play(scene, laned())
    assert world.broker.control_ids == ["B1", "A1", "A2"]
    assert sum(event.pushed for event in world.told(MessagesRepeated)) == 2


def test_a_key_does_not_wait_for_a_message_whose_copy_was_handed_on_although_that_was_never_noted() -> None:
    async def scene(world: World) -> None:
        world.broker.invalid = {"A1"}
        async with world.draining():
            world.spool.store(of("A", 1))
            await settled(world, 1)
        world.broker.invalid = set()
        release(world, 1)
        world.spool.keeps_notes = False
        await world.killed_at(0)
        assert world.broker.control_ids == ["A1"]
        world.spool.keeps_notes = True
        world.spool.open_again()
        async with world.draining():
            world.spool.store(of("A", 2))
            await settled(world, 3)

    assert play(scene, laned()).broker.control_ids == ["A1", "A2"]


def test_a_key_goes_on_once_its_parked_message_has_been_pruned() -> None:
    async def scene(world: World) -> None:
        world.broker.invalid = {"A1"}
        async with world.draining():
            world.spool.store(of("A", 1), of("B", 1))
            await settled(world, 2)
            world.spool.prune(1)
            await anyio.sleep(LOOK_AGAIN_S)
            world.spool.store(of("A", 2))
            await settled(world, 3)

    assert play(scene, laned()).broker.control_ids == ["B1", "A2"]


STEPS = st.lists(
    st.tuples(st.sampled_from(["A", "B", "C"]), st.sampled_from(["", "", "poison", "release", "kill", "flush"])),
    max_size=25,
)


@given(STEPS, st.integers(0, 30))
def test_messages_of_a_patient_are_handed_on_in_their_order_whatever_is_parked(
    steps: Sequence[tuple[str, str]], kill_at: int
) -> None:
    """Kills may come anywhere, also between a push and its note; released is everything parked of all patients."""

    async def main() -> list[str]:
        world = World(laned())
        count = 0
        for patient, what in steps:
            if what == "release":
                world.broker.invalid = set()
                done = {row.origin_seq for row in world.spool.rows if row.seq not in world.spool.notes}
                waiting = [seq for seq, why in sorted(world.spool.notes.items()) if why not in VOID and seq not in done]
                release(world, *waiting)
            elif what in ("kill", "flush"):
                world.spool.keeps_notes = what == "flush"
                await world.killed_at(kill_at if what == "kill" else 0, patience_s=30)
                world.spool.keeps_notes = True
                world.spool.open_again()
            else:
                count += 1
                name = f"{patient}{count}"
                if what == "poison":
                    world.broker.invalid = {*world.broker.invalid, name}
                world.spool.store(adt(name, patient=patient))
        async with world.draining():
            await anyio.sleep(60)
        return world.broker.control_ids

    pushed = run_virtual(main)
    for patient in "ABC":
        numbers = [int(name[1:]) for name in pushed if name.startswith(patient)]
        assert numbers == sorted(set(numbers))


# -- several tasks, and entries ----------------------------------------------------------------------------------------


def several() -> Feed:
    return feed(
        route(task=Public("one"), goes_on=True), route(task=Public("two"), number=1, goes_on=True), route(number=2)
    )


def test_if_a_task_of_a_message_ran_only_the_others_are_pushed_again() -> None:
    async def scene(world: World) -> None:
        async with world.draining():
            state = world.broker.state()
            world.spool.store(*messages(1))
            await world.until(all_pushed(world, 3))
            world.broker.ran = {message_part_id(world.task_id(1), 1)}
            world.broker.go_back_to(state)
            world.spool.store(adt("M2"))
            await world.until(all_pushed(world, 5))

    world = play(scene, several())
    assert [item.task for item in world.broker.queue] == ["one", "recording.message", "one", "two", "recording.message"]
    [told] = world.told(MessagesRepeated)
    assert (told.pushed, told.had_run) == (1, 0)


def test_an_entry_is_rung_before_its_message_is_done_with() -> None:
    async def scene(world: World) -> None:
        world.bell.failing = 2
        async with world.draining():
            world.spool.store(*messages(2))
            await world.until(lambda: world.mark() == "2")

    world = play(scene, feed(route(task=None, entry=Public("sync"))))
    assert [ring.entry for ring in world.bell.rung] == ["sync", "sync"]
    assert world.broker.queue == []


@pytest.mark.parametrize("entries", [0, 1])
def test_a_kill_at_any_step_leaves_each_message_with_all_of_its_tasks_once(entries: int) -> None:
    of_several = feed(
        *(route(task=None, entry=Public("sync"), number=9, goes_on=True) for _ in range(entries)),
        route(task=Public("one"), goes_on=True),
        route(task=Public("two"), number=1),
    )

    async def run(step: int) -> bool:
        world = World(of_several)
        world.spool.keeps_notes = False
        world.spool.store(*messages(3))
        was_killed = await world.killed_at(step)
        world.spool.keeps_notes = True
        world.spool.open_again()
        async with world.draining():
            world.spool.store(adt("M4"))
            await world.until(lambda: world.mark("epoch2") == "4")
        assert [item.task for item in world.broker.queue] == ["one", "two"] * 4, f"killed at step {step}"
        assert len(world.bell.rung) == 4 * entries
        return was_killed

    step = 1
    while run_virtual(lambda: run(step)):  # noqa: B023 - run at once
        step += 1
        assert step < 100
    assert step > 6
