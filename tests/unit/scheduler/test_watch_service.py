"""What was missed is told once by all daemons of a site, in virtual time and against a model of the broker."""

from __future__ import annotations

import random

import anyio
import pytest

from daemon.keys import SiteKey, site_key
from daemon.public import Public
from daemon.scheduler.run import RunState
from daemon.scheduler.watch import Telling
from daemon.watch_events import DaemonBack, DaemonGone, DaemonsSeen, OccurrenceMadeGood, OccurrenceMissed
from tests.support.broker_model import Fate
from tests.support.clock import START_US
from tests.support.scheduling import HOUR_S, SITE, cron
from tests.support.watching import WatchedWorld, expecting, watched

FIRST_S = 2800.0
"""The first full hour after the start of virtual time."""


@watched
async def test_a_run_that_does_not_start_is_told_once_by_one_of_two_daemons(world: WatchedWorld) -> None:
    daemons = [world.start(expecting(HOUR_S), task=Public("app.alert")) for _ in range(2)]
    await anyio.sleep(FIRST_S + 1)
    world.run_is(RunState.ENQUEUED, FIRST_S)
    await anyio.sleep(120)
    assert world.alerts == [("e", "not-started", FIRST_S, False)]
    assert world.pushed.count("app.alert") == 1
    assert [len(daemon.heard(OccurrenceMissed)) for daemon in daemons] == [1, 1]


@watched
async def test_when_it_starts_late_that_is_told_once_too(world: WatchedWorld) -> None:
    daemons = [world.start(expecting(HOUR_S), task=Public("app.alert")) for _ in range(2)]
    await anyio.sleep(FIRST_S + 1)
    world.run_is(RunState.ENQUEUED, FIRST_S)
    await anyio.sleep(120)
    world.run_is(RunState.STARTED, FIRST_S)
    await anyio.sleep(10)
    world.run_is(RunState.SUCCEEDED, FIRST_S)
    await anyio.sleep(10)
    assert sorted(world.alerts) == [("e", "not-started", FIRST_S, False), ("e", "not-started", FIRST_S, True)]
    assert world.pushed.count("app.alert") == 2
    assert sum(len(daemon.heard(OccurrenceMadeGood)) for daemon in daemons) == 1


@watched
async def test_a_run_that_keeps_its_times_is_not_told_of(world: WatchedWorld) -> None:
    daemon = world.start(expecting(HOUR_S, finish=600))
    for hour in range(3):
        at_s = FIRST_S + hour * HOUR_S
        await anyio.sleep(at_s + 1 - (await _now_s(world)))
        for state in (RunState.ENQUEUED, RunState.STARTED, RunState.SUCCEEDED):
            world.run_is(state, at_s)
    await anyio.sleep(700)
    assert (world.alerts, daemon.heard(OccurrenceMissed)) == ([], [])


async def _now_s(world: WatchedWorld) -> float:
    return (world.broker.clock.now_us() - START_US) / 1_000_000


@watched
async def test_a_failure_is_told_at_once_and_the_next_success_ends_it(world: WatchedWorld) -> None:
    world.start(expecting(HOUR_S))
    await anyio.sleep(FIRST_S + 1)
    world.run_is(RunState.ENQUEUED, FIRST_S)
    world.run_is(RunState.FAILED, FIRST_S)
    await anyio.sleep(1)
    assert world.alerts == [("e", "failed", FIRST_S, False)]
    await anyio.sleep(HOUR_S)
    world.run_is(RunState.STARTED, FIRST_S + HOUR_S)
    world.run_is(RunState.SUCCEEDED, FIRST_S + HOUR_S)
    await anyio.sleep(1)
    assert world.alerts[1:] == [("e", "failed", FIRST_S, True)]


@watched
async def test_an_entry_that_goes_on_failing_is_told_now_and_then(world: WatchedWorld) -> None:
    daemon = world.start(expecting(300), again_us=HOUR_S * 1_000_000)
    await anyio.sleep(100)
    for number in range(24):
        world.run_is(RunState.FAILED, 100 + number * 300)
        await anyio.sleep(300)
    assert len(daemon.heard(OccurrenceMissed)) >= 24
    assert len(world.alerts) == 2


@watched
async def test_with_the_broker_away_people_are_told_without_it(world: WatchedWorld) -> None:
    daemons = [world.start(expecting(HOUR_S), task=Public("app.alert")) for _ in range(2)]
    await anyio.sleep(FIRST_S - 10)
    world.broker.is_down = True
    await anyio.sleep(10 + 60 + 30)
    assert world.alerts == []
    await anyio.sleep(60)
    assert world.alerts == [("e", "not-enqueued", FIRST_S, False)] * 2
    world.broker.is_down = False
    await anyio.sleep(4)
    world.run_is(RunState.ENQUEUED, FIRST_S)
    await anyio.sleep(30)
    assert world.alerts.count(("e", "not-enqueued", FIRST_S, True)) == 1
    assert len(world.alerts) == 3
    assert world.pushed.count("app.alert") == 2
    assert [len(daemon.heard(DaemonGone)) for daemon in daemons] == [0, 0]


@watched
async def test_a_short_outage_during_which_others_went_on_is_not_told_of(world: WatchedWorld) -> None:
    daemon = world.start(expecting(HOUR_S))
    await anyio.sleep(FIRST_S - 10)
    daemon.link.is_cut = True
    await anyio.sleep(100)
    assert len(daemon.heard(OccurrenceMissed)) == 1
    daemon.link.is_cut = False
    await anyio.sleep(1)
    world.run_is(RunState.ENQUEUED, FIRST_S, settled_us=START_US + round(FIRST_S * 1_000_000) + 5)
    await anyio.sleep(1)
    world.run_is(RunState.STARTED, FIRST_S)
    await anyio.sleep(30)
    assert world.alerts == []


@watched
async def test_a_daemon_that_starts_while_the_broker_is_away_knows_what_is_due(world: WatchedWorld) -> None:
    world.broker.is_down = True
    world.start(expecting(HOUR_S))
    await anyio.sleep(FIRST_S + 60 + 61 + 5)
    assert world.alerts == [("e", "not-enqueued", FIRST_S, False)]


@watched
async def test_what_is_not_told_of_at_all_is_not_judged(world: WatchedWorld) -> None:
    world.telling = Telling(starts=False, ends=False)
    world.start(expecting(HOUR_S, finish=600))
    await anyio.sleep(FIRST_S + 1)
    world.run_is(RunState.ENQUEUED, FIRST_S)
    await anyio.sleep(1000)
    assert world.alerts == []


@watched
async def test_a_daemon_that_comes_later_tells_the_end_of_what_another_told(world: WatchedWorld) -> None:
    first = world.start(expecting(HOUR_S))
    await anyio.sleep(FIRST_S + 1)
    world.run_is(RunState.FAILED, FIRST_S)
    await anyio.sleep(1)
    first.kill()
    second = world.start(expecting(HOUR_S))
    await anyio.sleep(HOUR_S)
    world.run_is(RunState.SUCCEEDED, FIRST_S + HOUR_S)
    await anyio.sleep(1)
    assert [alert.is_over for alert in second.ears.alerts if alert.entry] == [True]


@watched
async def test_a_killed_daemon_is_reported_once_and_so_is_its_return(world: WatchedWorld) -> None:
    daemons = [world.start(cron("0 0 1 1 *")) for _ in range(3)]
    await anyio.sleep(100)
    assert [daemon.heard(DaemonsSeen)[-1].alive for daemon in daemons] == [3, 3, 3]
    daemons[2].kill()
    await anyio.sleep(1)
    world.place.seen_us["d2"] = START_US + 95_000_000  # a kill leaves the sign where it is
    await anyio.sleep(60)
    assert [(who, what, over) for who, what, _, over in world.alerts] == [("d2", "daemon-gone", False)]
    assert [len(daemon.heard(DaemonGone)) for daemon in daemons] == [1, 1, 0]
    world.place.seen_us["d2"] = world.broker.clock.now_us()
    await anyio.sleep(15)
    assert [(who, over) for who, _, _, over in world.alerts] == [("d2", False), ("d2", True)]
    assert sum(len(daemon.heard(DaemonBack)) for daemon in daemons) == 1


@watched
async def test_a_daemon_whose_schedule_does_not_move_counts_as_gone(world: WatchedWorld) -> None:
    daemons = [world.start(cron("0 0 1 1 *")) for _ in range(2)]
    await anyio.sleep(60)
    daemons[1].is_moving = False
    await anyio.sleep(60)
    assert [(who, what) for who, what, _, _ in world.alerts] == [("d1", "daemon-gone")]


@watched
async def test_a_daemon_that_ends_as_asked_is_not_reported(world: WatchedWorld) -> None:
    daemons = [world.start(cron("0 0 1 1 *")) for _ in range(2)]
    await anyio.sleep(60)
    await daemons[1].watch.drain()
    await anyio.sleep(120)
    assert (world.alerts, daemons[0].heard(DaemonsSeen)[-1].alive) == ([], 1)


@watched
async def test_each_phase_of_a_run_is_pinged_by_one_daemon(world: WatchedWorld) -> None:
    for _ in range(2):
        world.start(expecting(HOUR_S, start=None, ping="https://hc/x"))
    await anyio.sleep(FIRST_S + 1)
    for state in (RunState.ENQUEUED, RunState.STARTED, RunState.FAILED):
        world.run_is(state, FIRST_S)
        await anyio.sleep(1)
    pings = [ping.partition("?rid=")[0] for daemon in world.daemons for ping in daemon.ears.pings]
    assert sorted(pings) == ["https://hc/x/fail", "https://hc/x/start"]


@watched
async def test_what_the_site_remembers_of_alarms_is_one_field_an_entry(world: WatchedWorld) -> None:
    world.start(expecting(300), again_us=0)
    for number in range(10):
        await anyio.sleep(100 if number == 0 else 300)
        world.run_is(RunState.FAILED, 100 + number * 300)
    await anyio.sleep(5)
    assert len(world.alerts) >= 10
    fields = world.broker.ledgers[site_key(SITE, SiteKey.ALERTS)]
    assert [name for name in fields if not name.startswith("daemon:")] == ["entry:e"]


@pytest.mark.parametrize("seed", range(25))
def test_lost_requests_and_replies_change_nothing_of_that(seed: int) -> None:
    rolls = random.Random(seed)

    def fate() -> Fate:
        return rolls.choice([Fate.WELL, Fate.WELL, Fate.LOSE_REPLY, Fate.LOSE_REQUEST])

    @watched
    async def story(world: WatchedWorld) -> None:
        for _ in range(3):
            world.start(expecting(HOUR_S), task=Public("app.alert"), patience_s=10_000).link.fate = fate
        await anyio.sleep(FIRST_S + 30)
        world.run_is(RunState.FAILED, FIRST_S)
        await anyio.sleep(200)
        world.run_is(RunState.SUCCEEDED, FIRST_S + HOUR_S)
        await anyio.sleep(200)
        of_entries = sorted(one for one in world.alerts if one[0] == "e")
        assert of_entries == [("e", "failed", FIRST_S, False), ("e", "failed", FIRST_S, True)]
        assert world.pushed.count("app.alert") == 2

    story()
