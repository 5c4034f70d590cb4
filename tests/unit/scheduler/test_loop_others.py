"""The scheduler beside others, under clocks that are off, and with entries in trouble."""

from __future__ import annotations

import anyio
import pytest

from daemon import schedule_events
from daemon.clock import SECOND_US
from daemon.keys import entries_ledger
from daemon.public import Public
from daemon.scheduler.loop import LOOK_AGAIN_S
from daemon.scheduler.model import CatchUpPolicy
from tests.support.broker_model import Fate
from tests.support.clock import START_US, VirtualClock
from tests.support.scheduling import (
    DAY_S,
    HOUR_S,
    SITE,
    World,
    cron,
    due_between,
    every,
    ids,
    in_world,
    lateness_s,
    story,
)

ALL, ONE, SKIP = CatchUpPolicy.ALL, CatchUpPolicy.ONE, CatchUpPolicy.SKIP
HOUR_US = 3600 * SECOND_US


# -- several daemons ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3])
def test_several_daemons_enqueue_each_occurrence_once(count: int) -> None:
    async def told(world: World) -> None:
        entries = [every(10, "a"), every(7, "b", policy=ALL), cron("* * * * *", "c")]
        daemons = [world.start(*entries) for _ in range(count)]
        for place, daemon in enumerate(daemons):
            daemon.link.delay_s = 0.001 * place
        await world.sleep(HOUR_S)
        expected = [one for entry in entries for one in ids(entry, *due_between(entry, 1, HOUR_S - 0.1))]
        assert set(expected) <= set(world.ids)
        assert len(set(world.ids)) == len(world.ids)
        assert sum(len(daemon.enqueued) for daemon in daemons) == len(world.ids)

    in_world(told)


@story
async def test_a_daemon_that_was_second_says_so(world: World) -> None:
    slow = world.broker.link()
    slow.delay_s = 0.1
    first, second = world.start(every(60)), world.start(every(60), link=slow)
    await world.sleep(61)
    assert len(first.enqueued) == 1
    assert second.enqueued == []
    assert len(second.heard(schedule_events.OccurrenceTaken)) == 1


@story
async def test_when_one_daemon_ends_the_other_goes_on_without_a_pause(world: World) -> None:
    entry = every(5)
    first = world.start(entry)
    slow = world.broker.link()
    slow.delay_s = 0.01
    second = world.start(entry, link=slow)
    await world.sleep(62)
    await first.scheduler.drain()
    await world.sleep(60)
    assert world.ids == ids(entry, *due_between(entry, 0, 121))
    assert [at for at in second.enqueued if at > 62] == due_between(entry, 62, 121)


@story
async def test_a_daemon_frozen_for_an_hour_repeats_nothing_of_what_the_other_did(world: World) -> None:
    entry = every(60, policy=ALL)
    world.start(entry)
    frozen = world.broker.link()
    thawed = anyio.Event()

    async def freeze(point: str) -> None:
        if point == "request":
            await thawed.wait()

    frozen.hook = freeze
    world.start(entry, link=frozen)
    await world.sleep(HOUR_S)
    thawed.set()
    await world.sleep(60)
    assert world.ids == ids(entry, *due_between(entry, 0, HOUR_S + 60))


@story
async def test_two_daemons_that_start_at_once_agree_where_to_begin(world: World) -> None:
    entry = every(60)
    world.start(entry)
    world.start(entry)
    await world.sleep(300)
    assert world.ids == ids(entry, *due_between(entry, 0, 300))


# -- changed timing ----------------------------------------------------------------------------------------------------


@story
async def test_a_daemon_with_a_changed_timing_supersedes_the_one_that_runs(world: World) -> None:
    old, new = every(60), every(90)
    elder = world.start(old)
    await world.sleep(200)
    before = len(world.ids)
    younger = world.start(new)
    await world.sleep(600)
    assert world.ids[before:] == ids(new, *due_between(new, 200, 800))
    assert len(elder.heard(schedule_events.EntrySuperseded)) == 1
    assert younger.heard(schedule_events.EntrySuperseded) == []


@story
async def test_a_superseded_entry_leaves_the_others_of_its_daemon_alone(world: World) -> None:
    other = every(60, "other")
    world.start(every(60), other)
    await world.sleep(61)
    world.start(every(90))
    await world.sleep(300)
    assert [one for one in ids(other, *due_between(other, 0, 361)) if one not in world.ids] == []


@story
async def test_what_is_no_text_in_the_ledger_stops_its_own_entry_and_is_told(world: World) -> None:
    world.broker.ledgers[entries_ledger(SITE)] = {"e": "\udcff\udcfe7"}  # bytes that are no UTF-8
    world.broker.call_limit = 1000
    other = every(60, "other")
    daemon = world.start(every(60), other)
    await world.sleep(200)
    assert world.ids == ids(other, *due_between(other, 0, 200))
    assert [str(event.entry) for event in daemon.heard(schedule_events.EntrySuperseded)] == ["e"]


@story
async def test_a_changed_timing_is_counted_from_now(world: World) -> None:
    world.start(every(60, policy=ALL))
    await world.sleep(600)
    before = len(world.ids)
    await world.sleep(0.5)
    world.start(every(7, policy=ALL))
    await world.sleep(1)
    assert len(world.ids) - before <= 1


# -- clocks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", CatchUpPolicy, ids=lambda one: one.value)
@pytest.mark.parametrize("ahead_s", [0.5, 5.0, HOUR_S, 400 * DAY_S])
def test_a_daemon_whose_clock_is_ahead_fires_by_the_brokers(policy: CatchUpPolicy, ahead_s: float) -> None:
    async def told(world: World) -> None:
        entry = every(60, policy=policy)
        daemon = world.daemon([entry])
        daemon.clock.start_us += round(ahead_s * SECOND_US)
        world.tasks.start_soon(daemon.scheduler.serve)
        await world.sleep(600)
        assert world.ids == ids(entry, *due_between(entry, 0, 600))
        late = [lateness_s(one, at) for one, at in zip(world.broker.pushed, due_between(entry, 0, 600), strict=True)]
        assert max(late) < 0.05
        assert min(late) >= -0.02
        assert not any(event.is_misfire for event in daemon.heard(schedule_events.OccurrenceEnqueued))
        assert daemon.heard(schedule_events.OccurrencesSkipped) == []

    in_world(told)


@story
async def test_of_two_daemons_the_one_with_the_right_clock_fires_on_time(world: World) -> None:
    entry = every(60)
    late = world.daemon([entry])
    late.clock.start_us -= HOUR_US
    world.tasks.start_soon(late.scheduler.serve)
    world.start(entry)
    await world.sleep(600)
    assert world.ids == ids(entry, *due_between(entry, 0, 600))


@pytest.mark.parametrize("policy", CatchUpPolicy, ids=lambda one: one.value)
@pytest.mark.parametrize("jump_s", [HOUR_S, 30.0, 3.0])
def test_a_clock_that_jumps_forward_and_back_neither_repeats_nor_stops_anything(
    policy: CatchUpPolicy, jump_s: float
) -> None:
    async def told(world: World) -> None:
        entry = every(60, policy=policy)
        daemon = world.start(entry)
        await world.sleep(150)
        daemon.clock.start_us += round(jump_s * SECOND_US)
        await world.sleep(150)
        daemon.clock.start_us -= round(jump_s * SECOND_US)
        await world.sleep(300)
        due = due_between(entry, 0, 600)
        assert world.ids == ids(entry, *due)
        late = [lateness_s(one, at) for one, at in zip(world.broker.pushed, due, strict=True)]
        assert max(late) < LOOK_AGAIN_S + 0.1

    in_world(told)


@story
async def test_a_clock_that_jumps_back_and_forward_repeats_nothing_and_catches_up(world: World) -> None:
    entry = every(60, policy=ALL)
    daemon = world.start(entry)
    await world.sleep(150)
    daemon.clock.start_us -= HOUR_US
    await world.sleep(600)
    daemon.clock.start_us += HOUR_US
    await world.sleep(LOOK_AGAIN_S + 1)
    assert world.ids == ids(entry, *due_between(entry, 0, 755))


@story
async def test_a_machine_that_slept_is_noticed_within_seconds(world: World) -> None:
    entry = every(3600)
    first, second = due_between(entry, 0, 2 * HOUR_S)
    daemon = world.start(entry)
    await world.sleep(10)
    daemon.clock.start_us += round(first * SECOND_US)  # the wall clock went on, the timers did not
    assert isinstance(world.broker.clock, type(daemon.clock))
    world.broker.clock.start_us += round(first * SECOND_US)
    await world.sleep(LOOK_AGAIN_S + 0.1)
    assert world.ids == ids(entry, first)
    assert second > first


# -- one entry in trouble ----------------------------------------------------------------------------------------------


@story
async def test_a_blocked_queue_delays_only_its_own_entry(world: World) -> None:
    blocked, free = every(60, "blocked", queue=Public("bad"), policy=ALL), every(60, "free")
    world.broker.blocked.add("bad")
    daemon = world.start(blocked, free)
    await world.sleep(200)
    assert world.ids == ids(free, *due_between(free, 0, 200))
    assert {(str(event.entry), str(event.key)) for event in daemon.heard(schedule_events.OccurrenceBlocked)} == {
        ("blocked", "bad")
    }
    world.broker.blocked.clear()
    await world.sleep(6)
    assert [one for one in ids(blocked, *due_between(blocked, 0, 200)) if one not in world.ids] == []


@story
async def test_a_blocked_queue_is_tried_every_few_seconds_and_no_more(world: World) -> None:
    world.broker.blocked.add("bad")
    daemon = world.start(every(3600, queue=Public("bad")))
    [first] = due_between(every(3600), 0, HOUR_S)
    await world.sleep(first + 100)
    assert 15 <= len(daemon.heard(schedule_events.OccurrenceBlocked)) <= 25


@story
async def test_an_item_no_worker_could_take_is_passed_over_and_reported_once(world: World) -> None:
    bad, good = every(60, "bad"), every(60, "good")
    link = world.broker.link()
    link.invalid.add("task.bad")
    daemon = world.start(bad, good, link=link)
    await world.sleep(200)
    due = due_between(bad, 0, 200)
    assert world.ids == ids(good, *due)
    told = [(event.occurrence_us - START_US) / SECOND_US for event in daemon.heard(schedule_events.OccurrenceInvalid)]
    assert told == due


@story
async def test_every_invalid_item_of_a_backlog_is_reported_once(world: World) -> None:
    bad = every(60, "bad", policy=ALL)
    link = world.broker.link()
    link.invalid.add("task.bad")
    daemon = world.start(bad, link=link)
    await world.sleep(61)
    link.is_cut = True
    await world.sleep(300)
    link.is_cut = False
    await world.sleep(5)
    told = [(event.occurrence_us - START_US) / SECOND_US for event in daemon.heard(schedule_events.OccurrenceInvalid)]
    assert told == due_between(bad, 0, 366)


@pytest.mark.parametrize("fate", [Fate.LOSE_REQUEST, Fate.LOSE_REPLY])
def test_an_invalid_item_is_reported_once_though_the_broker_gives_no_answer(fate: Fate) -> None:
    async def told(world: World) -> None:
        world.broker.call_limit = 10_000
        link = world.broker.link()
        link.invalid.add("task.e")
        daemon = world.start(every(60), link=link)
        first = due_between(every(60), 0, 60)[0]
        await world.sleep(first - 1)
        link.fates.append(fate)
        await world.sleep(10)
        assert len(daemon.heard(schedule_events.OccurrenceInvalid)) == 1

    in_world(told)


@story
async def test_an_invalid_item_does_not_make_a_busy_loop_while_the_broker_is_away(world: World) -> None:
    world.broker.call_limit = 10_000
    link = world.broker.link()
    link.invalid.add("task.e")
    daemon = world.start(every(60), link=link)
    await world.sleep(30)
    world.broker.refusing = True
    await world.sleep(600)
    world.broker.refusing = False
    await world.sleep(30)
    assert 1 <= len(daemon.heard(schedule_events.OccurrenceInvalid)) <= 13


@story
async def test_an_entry_the_broker_remembers_in_its_own_future_goes_on_from_now_and_repeats_nothing(
    world: World,
) -> None:
    entry = every(600)
    daemon = world.start(entry)
    await world.sleep(300)
    clock = world.broker.clock
    assert isinstance(clock, VirtualClock)
    for each in (clock, daemon.clock):
        each.start_us += 7200 * SECOND_US  # both hosts take the time from one source that is wrong
    await world.sleep(60)
    [early] = world.ids
    world.broker.results.add(early)
    for each in (clock, daemon.clock):
        each.start_us -= 7200 * SECOND_US
    await world.sleep(3 * 3600)
    assert [one.occurrence_us for one in daemon.heard(schedule_events.EntryAhead)] == [START_US + 7000 * SECOND_US]
    again = due_between(entry, 360, 360 + 3 * 3600)
    assert early in ids(entry, *again)
    assert sorted(world.ids) == sorted(ids(entry, *again))
    assert [
        (one.occurrence_us, one.had_run) for one in daemon.heard(schedule_events.OccurrenceRepeated) if one.had_run
    ] == [(START_US + 7000 * SECOND_US, True)]
