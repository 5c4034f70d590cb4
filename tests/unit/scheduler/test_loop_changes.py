"""Entries that come, change and go while the scheduler runs."""

from __future__ import annotations

import zoneinfo
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from daemon import schedule_events
from daemon.clock import SECOND_US
from daemon.keys import occurrence_id, once_ledger
from daemon.public import Public
from daemon.scheduler import Entry
from daemon.scheduler.model import CatchUpPolicy, How, Pause
from daemon.scheduler.triggers import Interval, Trigger
from daemon.scheduler.triggers.zone import forget_zones
from tests.support.clock import START_US
from tests.support.scheduling import SITE, World, cron, due_between, every, ids, in_world, lateness_s, story


class _At(Trigger):
    def __init__(self, at_us: int) -> None:
        self.at_us = at_us

    def next_after(self, after_us: int) -> int | None:
        return self.at_us if after_us < self.at_us else None

    def describe(self) -> str:
        return f"at {self.at_us}"


def _once(after_s: float, name: str = "once", task_id: str | None = None) -> Entry:
    trigger = _At(START_US + round(after_s * SECOND_US))
    return Entry(Public(name), Public("t"), trigger, is_once=True, task_id=task_id, how=How.HELD)


@story
async def test_an_entry_put_while_others_sleep_fires_at_its_instant(world: World) -> None:
    daemon = world.start(every(3600, "slow"))
    await world.sleep(10.5)
    late = every(1, "late")
    daemon.scheduler.put([late])
    await world.sleep(2)
    assert world.ids == ids(late, 11, 12)
    assert max(lateness_s(one, at) for one, at in zip(world.broker.queues["celery"], (11, 12), strict=True)) < 0.05


@story
async def test_a_dropped_entry_fires_no_more(world: World) -> None:
    gone, kept = every(60, "gone"), every(60, "kept")
    daemon = world.start(gone, kept)
    await world.sleep(61)
    daemon.scheduler.drop(["gone"])
    await world.sleep(60)
    assert sorted(world.ids) == sorted([*ids(gone, 40), *ids(kept, 40, 100)])
    assert len(daemon.scheduler) == 1


@story
async def test_another_timing_counts_from_when_it_is_put(world: World) -> None:
    daemon = world.start(every(100))
    await world.sleep(10)
    changed = every(7)
    daemon.scheduler.put([changed])
    await world.sleep(11)
    assert world.ids == ids(changed, *due_between(changed, 10, 21))
    assert world.ids
    assert daemon.heard(schedule_events.EntrySuperseded) == []


@story
async def test_what_is_changed_beside_the_timing_leaves_the_count_as_it_is(world: World) -> None:
    entry = every(100)
    daemon = world.start(entry)
    await world.sleep(10)
    daemon.scheduler.put([replace(entry, queue=Public("other"))])
    await world.sleep(100)
    assert [one.task_id for one in world.broker.queues["other"]] == ids(entry, 100)


@story
async def test_of_two_daemons_the_one_that_has_heard_of_a_new_timing_fires_and_the_other_follows(world: World) -> None:
    first, second = world.start(every(60)), world.start(every(60))
    await world.sleep(1)
    changed = every(20)
    first.scheduler.put([changed])
    await world.sleep(90)
    assert len(second.heard(schedule_events.EntrySuperseded)) == 1
    second.scheduler.put([changed])
    first.scheduler.drop(["e"])
    await world.sleep(60)
    assert world.ids == ids(changed, *range(20, 151, 20))[: len(world.ids)]
    assert len(world.ids) == 7


@pytest.mark.parametrize("daemons", [1, 2])
def test_a_one_off_entry_whose_instant_is_past_fires_at_once_and_once(daemons: int) -> None:
    async def told(world: World) -> None:
        running = [world.start(every(3600, "other")) for _ in range(daemons)]
        await world.sleep(50)
        for daemon in running:
            daemon.scheduler.put([_once(49.5, task_id="promised")])
        await world.sleep(0.5)
        assert world.ids == ["promised"]
        assert sum(len(daemon.enqueued) for daemon in running) == 1

    in_world(told)


@story
async def test_a_one_off_entry_fires_at_its_instant_and_is_said_to_be_spent(world: World) -> None:
    told: list[tuple[str, int | None]] = []
    daemon = world.daemon([_once(30)])
    daemon.scheduler._planned = lambda key, wake_us: told.append((key, wake_us))
    world.tasks.start_soon(daemon.scheduler.serve)
    await world.sleep(29)
    assert (world.ids, told) == ([], [("once", START_US + 30 * SECOND_US)])
    await world.sleep(2)
    assert world.ids == [occurrence_id(SITE, "once", START_US + 30 * SECOND_US)]
    assert told[-1] == ("once", None)
    assert list(world.broker.ledgers[once_ledger(SITE, START_US)]) == ["once"]


@story
async def test_an_entry_that_was_renamed_and_has_an_id_goes_on(world: World) -> None:
    before = replace(every(100, "old-name"), identity=Public("stable"))
    daemon = world.start(before)
    await world.sleep(105)
    after = replace(every(100, "new-name"), identity=Public("stable"))
    daemon.scheduler.put([after])
    await world.sleep(100)
    assert world.ids == [occurrence_id(SITE, "stable", START_US + at * SECOND_US) for at in (100, 200)]


@story
async def test_an_entry_begins_where_its_source_says_it_stood(world: World) -> None:
    entry = replace(every(100), begins_us=START_US - 500 * SECOND_US)
    world.start(entry)
    await world.sleep(1)
    assert world.ids == ids(entry, 0)


@story
async def test_an_entry_fires_as_often_as_it_may_and_then_never_again(world: World) -> None:
    entry = replace(every(10), max_runs=3)
    world.start(entry)
    world.start(entry)
    await world.sleep(100)
    assert world.ids == ids(entry, 10, 20, 30)


@story
async def test_while_it_is_paused_an_entry_does_not_run_and_each_occurrence_is_accounted_for(world: World) -> None:
    entry = every(10, policy=CatchUpPolicy.ALL)
    daemon = world.start(entry)
    await world.sleep(11)
    daemon.scheduler.put([replace(entry, pause=Pause(author="jdoe"))])
    await world.sleep(30)
    daemon.scheduler.put([entry])
    await world.sleep(10)
    assert world.ids == ids(entry, 10, 50)
    skipped = daemon.heard(schedule_events.OccurrencesSkipped)
    assert [one.reason.value for one in skipped] == ["paused"] * 3


@story
async def test_an_entry_put_while_the_broker_is_away_fires_when_it_is_back(world: World) -> None:
    daemon = world.start(every(3600, "other"))
    await world.sleep(1)
    world.broker.is_down = True
    await world.sleep(20)
    entry = every(10, "new")
    daemon.scheduler.put([entry])
    await world.sleep(20)
    world.broker.is_down = False
    await world.sleep(20)
    assert world.ids == ids(entry, 50, 60)


@story
async def test_an_interval_from_the_first_start_keeps_its_phase_over_restarts(world: World) -> None:
    class FromStart(Trigger):
        def next_after(self, after_us: int) -> int | None:
            return Interval(100 * SECOND_US).next_after(after_us)

        def describe(self) -> str:
            return "from start"

        def begun(self, at_us: int) -> Trigger:
            return Interval(100 * SECOND_US, at_us)

    entry = Entry(Public("e"), Public("t"), FromStart())
    await world.sleep(7)
    daemon = world.start(entry)
    await world.sleep(150)
    await daemon.scheduler.drain()
    world.start(entry)
    await world.sleep(100)
    assert world.ids == ids(entry, 107, 207)


def test_an_entry_follows_its_zone_when_the_rules_change_while_it_runs(tmp_path: Path) -> None:
    packaged = Path(str(files("tzdata")), "zoneinfo")
    before = zoneinfo.TZPATH
    (tmp_path / "Ward").write_bytes((packaged / "Etc/GMT-1").read_bytes())

    async def told(world: World) -> None:
        daemon = world.start(cron("0 18 * * *", zone="Ward"))
        await world.sleep(100)
        (tmp_path / "Ward").write_bytes((packaged / "Asia/Tokyo").read_bytes())
        await world.sleep(2 * 86_400)
        assert [one.zones for one in daemon.heard(schedule_events.ZonesChanged)] == [("Ward",)]
        hours = [one.at_us // SECOND_US % 86_400 / 3600 for one in world.broker.pushed]
        assert hours == [9, 9]

    zoneinfo.reset_tzpath([tmp_path])
    try:
        in_world(told)
    finally:
        zoneinfo.reset_tzpath(before)
        forget_zones()


# -- entries that are disabled -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", list(CatchUpPolicy))
def test_an_entry_that_was_disabled_is_counted_from_when_it_is_enabled_again(policy: CatchUpPolicy) -> None:
    async def told(world: World) -> None:
        entry = every(100, policy=policy)
        first, second = world.start(entry), world.start(entry)
        await world.sleep(150)
        first.scheduler.shut(["e"])
        await world.sleep(0.2)
        second.scheduler.shut(["e"])
        await world.sleep(500)
        for daemon in (first, second):
            daemon.scheduler.put([entry])
        await world.sleep(100)
        assert world.ids == ids(entry, 100, 700)
        assert [daemon.heard(schedule_events.EntrySuperseded) for daemon in (first, second)] == [[], []]

    in_world(told)


@story
async def test_an_entry_that_was_disabled_while_no_daemon_ran_is_shut_at_the_start(world: World) -> None:
    entry = every(100)
    before = world.start(entry)
    await world.sleep(150)
    await before.scheduler.drain()
    await world.sleep(100)
    disabled = world.start(every(1000, "other"))
    disabled.scheduler.shut(["e"])
    await world.sleep(100)
    await disabled.scheduler.drain()
    world.start(entry)
    await world.sleep(100)
    assert world.ids == ids(entry, 100, 400)


@story
async def test_the_runs_an_entry_has_had_count_when_it_is_enabled_again(world: World) -> None:
    entry = replace(every(10), max_runs=3)
    daemon = world.start(entry)
    await world.sleep(25)
    daemon.scheduler.shut(["e"])
    await world.sleep(60)
    daemon.scheduler.put([entry])
    await world.sleep(60)
    assert world.ids == ids(entry, 10, 20, 90)


@story
async def test_a_daemon_that_has_not_heard_that_an_entry_is_disabled_fires_it_no_more(world: World) -> None:
    entry = every(100)
    told, untold = world.start(entry), world.start(entry)
    await world.sleep(150)
    told.scheduler.shut(["e"])
    await world.sleep(300)
    assert world.ids == ids(entry, 100)
    assert untold.heard(schedule_events.EntrySuperseded) == []


@story
async def test_an_entry_nobody_knows_is_shut_without_a_word(world: World) -> None:
    daemon = world.start(every(100, "other"))
    daemon.scheduler.shut(["unknown"])
    await world.sleep(1)
    assert "unknown" not in next(iter(world.broker.ledgers.values()))


@story
async def test_an_entry_disabled_while_the_broker_is_away_is_shut_when_it_is_back(world: World) -> None:
    entry = every(100)
    daemon = world.start(entry, every(1000, "other"))
    await world.sleep(150)
    world.broker.is_down = True
    daemon.scheduler.shut(["e"])
    await world.sleep(30)
    world.broker.is_down = False
    await world.sleep(400)
    daemon.scheduler.put([entry])
    await world.sleep(100)
    assert [one for one in world.ids if one in ids(entry, *range(0, 700, 100))] == ids(entry, 100, 600)
