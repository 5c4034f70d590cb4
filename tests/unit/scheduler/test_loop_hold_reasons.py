"""What becomes of occurrences that were due while all schedules were held: their policy decides, and the hold is the reason."""

from __future__ import annotations

from daemon import schedule_events
from daemon.clock import SECOND_US
from daemon.scheduler.evaluate import SkipReason
from daemon.scheduler.model import CatchUpPolicy
from tests.support.clock import START_US
from tests.support.scheduling import World, every, ids, story


@story
async def test_what_is_not_made_up_for_is_passed_over_because_of_the_hold_on_whichever_daemon(world: World) -> None:
    skips = every(100, "skips", policy=CatchUpPolicy.SKIP)
    latest = every(100, "latest")
    everything = every(100, "all", policy=CatchUpPolicy.ALL)
    recent = every(100, "recent", policy=CatchUpPolicy.ALL, window_us=250 * SECOND_US)
    daemons = [world.start(skips, latest, everything, recent) for _ in range(2)]
    await world.sleep(1)
    await daemons[0].link.hold("upgrade")
    await world.sleep(489)
    assert world.ids == []
    await daemons[1].link.hold(None)
    await world.sleep(9)
    assert sorted(world.ids) == sorted(
        [*ids(latest, 400), *ids(everything, 100, 200, 300, 400), *ids(recent, 300, 400)]
    )
    told = [one for daemon in daemons for one in daemon.heard(schedule_events.OccurrencesSkipped)]
    assert {one.reason for one in told} == {SkipReason.HELD}
    passed = {
        name: sum(one.count for one in told if str(one.entry) == name) for name in ("skips", "latest", "all", "recent")
    }
    assert passed == {"skips": 4, "latest": 3, "all": 0, "recent": 2}


@story
async def test_after_the_hold_the_usual_reasons_count_again(world: World) -> None:
    skips = every(100, "skips", policy=CatchUpPolicy.SKIP)
    daemon = world.start(skips)
    await world.sleep(1)
    await daemon.link.hold("upgrade")
    await world.sleep(185)
    await daemon.link.hold(None)
    await world.sleep(60)
    assert world.ids == ids(skips, 200)
    daemon.link.is_cut = True
    await world.sleep(280)
    daemon.link.is_cut = False
    await world.sleep(15)
    told = daemon.heard(schedule_events.OccurrencesSkipped)
    assert told[0].reason is SkipReason.HELD
    assert all(one.reason is not SkipReason.HELD for one in told if one.first_us > START_US + 200 * SECOND_US)
