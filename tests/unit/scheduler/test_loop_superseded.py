"""Two daemons that disagree about the timing of an entry for a while, as in a roll-out that is not done in one go."""

from __future__ import annotations

from daemon.schedule_events import EntrySuperseded
from tests.support.scheduling import World, due_between, every, ids, story


@story
async def test_a_daemon_whose_timing_came_back_fires_again_though_the_one_that_brought_it_back_is_gone(
    world: World,
) -> None:
    old, new = every(60), every(20)
    first = world.start(new)
    await world.sleep(1)
    second = world.start(old)
    await world.sleep(61)
    assert len(first.heard(EntrySuperseded)) == 1
    second.scheduler.put([new])
    await world.sleep(1)
    await second.scheduler.drain()
    await world.sleep(200)
    assert ids(new, *due_between(new, 140, 260)) == world.ids[-6:]
    assert len(first.heard(EntrySuperseded)) == 1


@story
async def test_a_daemon_whose_timing_is_not_the_broker_s_stays_silent_and_says_so_once(world: World) -> None:
    first = world.start(every(60))
    await world.sleep(1)
    new = every(20)
    world.start(new)
    await world.sleep(600)
    assert len(first.heard(EntrySuperseded)) == 1
    assert first.enqueued == []
