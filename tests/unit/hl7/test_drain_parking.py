"""Messages that cannot be handed on, and the feed that goes on without them."""

from __future__ import annotations

import pytest

from daemon.events import MessageParked, MessagesRepeated
from tests.support.builders import adt
from tests.support.clock import run_virtual
from tests.support.feeds import ADT, feed, route
from tests.support.lane_model import World
from tests.support.lane_scenes import all_pushed, messages, names, play

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
    assert [f"M{seq}" for seq in world.spool.notes] == poison
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
