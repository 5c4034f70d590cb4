"""A feed that is shared: what another daemon has is passed over, with all that would have come of it."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from daemon.hl7listener.lanes.lane import PACE_S
from daemon.hl7listener.spool import Row
from daemon.public import Public
from tests.support.builders import adt
from tests.support.feeds import feed, route
from tests.support.lane_model import World
from tests.support.lane_scenes import names, play


class HasEven:
    """Another daemon that was first with every second message."""

    def enqueued(self, cursor: int) -> None:
        del cursor

    def parked(self, seq: int) -> None:
        del seq

    async def owned_elsewhere(self, rows: Sequence[Row]) -> frozenset[int]:
        return frozenset(row.seq for row in rows if row.seq % 2 == 0)


def test_where_somebody_waits_for_the_push_itself_nothing_gathers() -> None:
    async def scene(world: World) -> None:
        world.handover = HasEven()
        async with world.draining():
            await anyio.sleep(1)
            for number in range(8):
                world.spool.store(adt(f"M{number}"))
                await anyio.sleep(PACE_S / 4)

    assert play(scene).broker.calls == [1] * 8


def test_what_another_daemon_has_makes_no_task_here_and_rings_no_entry() -> None:
    async def scene(world: World) -> None:
        world.handover = HasEven()
        async with world.draining():
            world.spool.store(*(adt(name) for name in names(4)))
            await world.until(lambda: world.mark() == "4")

    rings = route(task=None, entry=Public("sync"), number=1)
    world = play(scene, feed(route(goes_on=True), rings))
    assert world.broker.control_ids == ["M1", "M3"]
    assert [ring.request for ring in world.bell.rung] == [world.task_id(1), world.task_id(3)]
