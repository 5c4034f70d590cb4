"""Scenes of a feed on its way to its queue, played on virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from daemon.hl7listener.feed import Feed
from tests.support.builders import adt
from tests.support.clock import run_virtual
from tests.support.lane_model import World


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
