"""Overlap, limits and holds: what an occurrence waits for, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from daemon import schedule_events
from daemon.clock import SECOND_US
from daemon.scheduler import Entry
from daemon.scheduler.model import CatchUpPolicy, How, Limit, Overlap, OverlapPolicy, Rate
from daemon.scheduler.run import RunState, read_record
from tests.support.scheduling import Daemon, World, every, ids, in_world, story


def _guarded(overlap: OverlapPolicy, *, stale_s: float = 3600, **more: Any) -> Entry:
    return replace(every(10, **more), overlap=Overlap(overlap, round(stale_s * SECOND_US)))


async def _end(daemon: Daemon, *task_ids: str) -> None:
    """Have runs end, as whoever watches them tells it."""
    for scope in await daemon.link.release(task_ids):
        daemon.scheduler.look_again([scope.partition(":")[2]])


def _records(world: World) -> list[tuple[RunState, str]]:
    found = [read_record(text, 0) for text, _ in world.broker.gates.history]
    return [(run.state, run.reason.partition(":")[0]) for run in found if run is not None]


# -- overlap -----------------------------------------------------------------------------------------------------------


@story
async def test_with_skip_an_occurrence_whose_predecessor_runs_is_passed_over_and_the_reason_is_kept(
    world: World,
) -> None:
    entry = _guarded(OverlapPolicy.SKIP)
    daemon = world.start(entry)
    await world.sleep(31)
    await _end(daemon, *world.ids)
    await world.sleep(10)
    assert world.ids == ids(entry, 10, 40)
    assert [one.reason.value for one in daemon.heard(schedule_events.OccurrencesSkipped)] == ["overlap", "overlap"]
    assert _records(world) == [
        (RunState.ENQUEUED, ""),
        (RunState.SKIPPED, "overlap"),
        (RunState.SKIPPED, "overlap"),
        (RunState.ENQUEUED, ""),
    ]


@story
async def test_with_queue_one_the_latest_of_those_that_wait_runs_as_soon_as_the_predecessor_ends(world: World) -> None:
    entry = _guarded(OverlapPolicy.QUEUE_ONE)
    daemon = world.start(entry)
    await world.sleep(35)
    await _end(daemon, *world.ids)
    await world.sleep(0.1)
    assert world.ids == ids(entry, 10, 30)
    assert [(one.count, one.reason.value) for one in daemon.heard(schedule_events.OccurrencesSkipped)] == [
        (1, "coalesced")
    ]
    assert [one.what for one in daemon.heard(schedule_events.OccurrenceWaiting)][:1] == ["overlap"]


@pytest.mark.parametrize("catch_up", list(CatchUpPolicy))
def test_with_queue_all_each_runs_when_its_predecessor_ends(catch_up: CatchUpPolicy) -> None:
    async def told(world: World) -> None:
        entry = _guarded(OverlapPolicy.QUEUE_ALL, policy=catch_up)
        daemon = world.start(entry)
        await world.sleep(35)
        for _ in range(2):
            await _end(daemon, *world.ids)
            await world.sleep(0.1)
        assert world.ids == ids(entry, 10, 20, 30)

    in_world(told)


@pytest.mark.parametrize(
    ("policy", "terminate"), [(OverlapPolicy.CANCEL_OTHER, False), (OverlapPolicy.TERMINATE_OTHER, True)]
)
def test_to_replace_a_run_it_is_revoked_before_its_successor_is_enqueued(
    policy: OverlapPolicy, *, terminate: bool
) -> None:
    async def told(world: World) -> None:
        entry = _guarded(policy)
        world.start(entry)
        await world.sleep(31)
        assert world.ids == ids(entry, 10, 20, 30)
        assert world.broker.revoked == [(one, terminate) for one in ids(entry, 10, 20)]

    in_world(told)


@story
async def test_a_run_that_gives_no_sign_for_too_long_blocks_nothing_any_more(world: World) -> None:
    entry = _guarded(OverlapPolicy.SKIP, stale_s=25)
    world.start(entry)
    await world.sleep(61)
    assert world.ids == ids(entry, 10, 40)


@story
async def test_runs_do_not_overlap_however_many_daemons_offer_them(world: World) -> None:
    entry = _guarded(OverlapPolicy.SKIP)
    daemons = [world.start(entry) for _ in range(3)]
    await world.sleep(31)
    assert world.ids == ids(entry, 10)
    await _end(daemons[1], *world.ids)
    await world.sleep(10)
    assert world.ids == ids(entry, 10, 40)
    skipped = [one for daemon in daemons for one in daemon.heard(schedule_events.OccurrencesSkipped)]
    assert len(skipped) == 2


# -- limits ------------------------------------------------------------------------------------------------------------


@story
async def test_no_more_runs_than_the_limit_are_enqueued_at_once_and_none_is_lost(world: World) -> None:
    entry = replace(every(10, policy=CatchUpPolicy.ALL), limit=Limit(concurrency=2))
    daemon = world.start(entry)
    await world.sleep(45)
    assert world.ids == ids(entry, 10, 20)
    await _end(daemon, world.ids[0])
    await world.sleep(1)
    assert world.ids == ids(entry, 10, 20, 30)
    await _end(daemon, *world.ids)
    await world.sleep(1)
    assert world.ids == ids(entry, 10, 20, 30, 40)


@story
async def test_a_rate_spreads_a_backlog(world: World) -> None:
    entry = replace(every(1, policy=CatchUpPolicy.ALL), limit=Limit(rate=Rate(2, 10 * SECOND_US)))
    daemon = world.start(entry)
    await world.sleep(21)
    pushed = [one.at_us for one in world.broker.pushed]
    assert world.ids == ids(entry, *range(1, len(pushed) + 1))
    for place in range(len(pushed) - 2):
        assert pushed[place + 2] - pushed[place] >= 5 * SECOND_US
    assert 4 <= len(pushed) <= 6
    assert {one.what for one in daemon.heard(schedule_events.OccurrenceWaiting)} == {"rate"}


# -- holds -------------------------------------------------------------------------------------------------------------


@story
async def test_while_all_schedules_are_held_nothing_fires_and_afterwards_the_policy_decides(world: World) -> None:
    one, everything = every(10, "one"), every(10, "all", policy=CatchUpPolicy.ALL)
    daemon = world.start(one, everything)
    await world.sleep(1)
    await daemon.link.hold("upgrade")
    await world.sleep(32)
    assert world.ids == []
    await daemon.link.hold(None)
    await world.sleep(6)
    assert sorted(world.ids) == sorted([*ids(one, 30), *ids(everything, 10, 20, 30)])
    assert {(str(each.entry), each.what) for each in daemon.heard(schedule_events.OccurrenceWaiting)} >= {
        ("one", "hold")
    }


@story
async def test_what_someone_asked_for_runs_although_all_schedules_are_held(world: World) -> None:
    by_hand = replace(every(10, "by-hand"), how=How.MANUAL)
    daemon = world.start(every(10, "clock"), by_hand)
    await world.sleep(1)
    await daemon.link.hold("upgrade")
    await world.sleep(10)
    assert world.ids == ids(by_hand, 10)
