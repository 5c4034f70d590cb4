"""The scheduler at work, on a loop whose time is a number and a broker that is a model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import wraps

import anyio
import pytest

from daemon import events
from daemon.clock import SECOND_US
from daemon.keys import entries_ledger
from daemon.public import Public
from daemon.scheduler import Scheduler
from daemon.scheduler.evaluate import BATCH_LIMIT, COUNT_LIMIT, SkipReason
from daemon.scheduler.loop import LOOK_AGAIN_S, RETRY_MOST_S, ROUND_LIMIT, SUSPECT_US
from daemon.scheduler.model import CatchUpPolicy
from daemon.scheduler.trigger import Interval
from tests.support.broker_model import Fate, Pushed
from tests.support.clock import START_US
from tests.support.scheduling import DAY_S, HOUR_S, SITE, World, cron, due_between, every, ids, in_world

ALL, ONE, SKIP = CatchUpPolicy.ALL, CatchUpPolicy.ONE, CatchUpPolicy.SKIP
HOUR_US = 3600 * SECOND_US


def story(told: Callable[[World], Awaitable[None]]) -> Callable[[], None]:
    """Make a test of a coroutine that is handed a world."""

    @wraps(told)
    def test() -> None:
        in_world(told)

    del test.__wrapped__
    return test


def _lateness_s(one: Pushed, occurrence_s: float) -> float:
    return (one.at_us - START_US) / SECOND_US - occurrence_s


# -- on time -----------------------------------------------------------------------------------------------------------


@story
async def test_over_a_day_every_entry_fires_at_its_instants_and_no_other(world: World) -> None:
    entries = [
        every(10, "ten"),
        every(7.5, "odd"),
        every(3600, "hour"),
        cron("*/5 * * * *", "five"),
        cron("30 2 * * *", "night", zone="Europe/London"),
        cron("0 9-17 * * 1-5", "office", zone="America/New_York"),
    ]
    world.start(*entries)
    await world.sleep(DAY_S + 0.5)
    pushed = {one.task_id: one for one in world.broker.pushed}
    assert len(pushed) == len(world.ids)
    for entry in entries:
        due = due_between(entry, 0, DAY_S + 0.4)
        assert due
        for occurrence_s, task_id in zip(due, ids(entry, *due), strict=True):
            assert 0 <= _lateness_s(pushed.pop(task_id), occurrence_s) < 0.005
    assert pushed == {}


@story
async def test_lateness_does_not_add_up(world: World) -> None:
    link = world.broker.link()
    link.delay_s = 0.2
    world.start(every(1), link=link)
    await world.sleep(1000)
    late = [_lateness_s(one, number) for number, one in enumerate(world.broker.pushed, 1)]
    assert len(late) >= 998
    assert max(late) < 0.6


@story
async def test_a_new_entry_is_counted_from_now(world: World) -> None:
    await world.sleep(90.5)
    entry = every(60)
    world.start(entry)
    await world.sleep(120)
    assert world.ids == ids(entry, *due_between(entry, 90.5, 210))


@story
async def test_a_restart_goes_on_where_the_last_one_ended(world: World) -> None:
    entry = every(60, policy=ALL)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.daemon([entry]).scheduler.serve)
        await world.sleep(150)
        tasks.cancel_scope.cancel()
    await world.sleep(150)
    world.start(entry)
    await world.sleep(120)
    assert world.ids == ids(entry, *due_between(entry, 0, 420))


@story
async def test_the_next_instant_of_each_entry_is_told(world: World) -> None:
    daemon = world.start(every(60), cron("0 0 1 1 * 0 2026", "over"))
    await world.sleep(1)
    planned = {str(event.entry): event.next_us for event in daemon.heard(events.EntryPlanned)}
    [next_s] = due_between(every(60), 0, 60)
    assert planned == {"e": START_US + round(next_s * SECOND_US), "over": None}


@story
async def test_a_burst_larger_than_one_round_is_fired_at_once(world: World) -> None:
    entries = [every(60, f"e{number}") for number in range(1200)]
    daemon = world.start(*entries)
    await world.sleep(61)
    assert len(set(world.ids)) == 1200
    assert daemon.link.batches[-3:] == [500, 500, 200]


@story
async def test_a_long_absence_of_many_entries_is_caught_up_in_rounds_that_are_bounded(world: World) -> None:
    entries = [every(60, f"e{number}", policy=ALL) for number in range(40)]
    daemon = world.start(*entries)
    await world.sleep(1)
    daemon.link.is_cut = True
    await world.sleep(6000)
    daemon.link.is_cut = False
    await world.sleep(10)
    assert [one for entry in entries for one in ids(entry, *due_between(entry, 1, 6000)) if one not in world.ids] == []
    assert max(daemon.link.batches) < ROUND_LIMIT + BATCH_LIMIT


@dataclass(frozen=True)
class Watched(Interval):
    """An interval that counts how often it is asked in one turn of the event loop."""

    asked: list[int] = field(default_factory=list)

    def next_after(self, after_us: int) -> int:
        if not self.asked or self.asked[-1] == 0:
            asyncio.get_running_loop().call_soon(self.asked.append, 0)
            self.asked.append(0)
        self.asked[-1] += 1
        return super().next_after(after_us)


@story
async def test_working_out_what_many_entries_missed_lets_others_have_their_turn(world: World) -> None:
    trigger = Watched(60 * SECOND_US)
    daemon = world.start(*(replace(every(60, f"e{number}"), trigger=trigger) for number in range(300)))
    await world.sleep(1)
    daemon.link.is_cut = True
    await world.sleep(DAY_S)
    daemon.link.is_cut = False
    await world.sleep(10)
    assert len(world.ids) == 300
    assert max(trigger.asked) < 10 * COUNT_LIMIT


# -- catching up -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "missed"),
    [(ONE, [300.0]), (ALL, [60.0, 120.0, 180.0, 240.0, 300.0]), (SKIP, [300.0])],
    ids=lambda one: one.value if isinstance(one, CatchUpPolicy) else "",
)
def test_after_an_absence_the_policy_decides_what_is_run(policy: CatchUpPolicy, missed: list[float]) -> None:
    async def told(world: World) -> None:
        entry = every(60, policy=policy)
        first = due_between(entry, 0, 60)[0]
        daemon = world.start(entry)
        await world.sleep(first + 1)
        daemon.link.is_cut = True
        await world.sleep(300)
        daemon.link.is_cut = False
        await world.sleep(5)
        assert world.ids == ids(entry, first, *(first + after for after in missed))

    in_world(told)


@story
async def test_what_a_later_occurrence_stands_for_is_told(world: World) -> None:
    entry = every(60)
    first = due_between(entry, 0, 60)[0]
    daemon = world.start(entry)
    await world.sleep(first + 1)
    world.broker.is_down = True
    await world.sleep(300)
    world.broker.is_down = False
    await world.sleep(5)
    [skipped] = daemon.heard(events.OccurrencesSkipped)
    assert (skipped.count, skipped.reason) == (4, SkipReason.COALESCED)
    assert (skipped.first_us, skipped.last_us) == tuple(START_US + round((first + at) * SECOND_US) for at in (60, 240))
    assert daemon.heard(events.OccurrenceEnqueued)[-1].is_misfire is False


@story
async def test_an_occurrence_an_hour_late_is_called_a_misfire(world: World) -> None:
    daemon = world.start(every(86_400))
    [first] = due_between(every(86_400), 0, DAY_S)
    await world.sleep(first - 10)
    world.broker.is_down = True
    await world.sleep(HOUR_S)
    world.broker.is_down = False
    await world.sleep(5)
    [enqueued] = daemon.heard(events.OccurrenceEnqueued)
    assert enqueued.is_misfire
    assert 3590 <= enqueued.lateness_s < 3595


@story
async def test_outside_its_window_an_occurrence_is_told_as_skipped_and_nothing_is_run(world: World) -> None:
    entry = every(3600, window_us=60 * SECOND_US)
    [first] = due_between(entry, 0, HOUR_S)
    daemon = world.start(entry)
    await world.sleep(first - 10)
    world.broker.is_down = True
    await world.sleep(300)
    world.broker.is_down = False
    await world.sleep(5)
    assert world.ids == []
    assert [event.reason for event in daemon.heard(events.OccurrencesSkipped)] == [SkipReason.WINDOW]
    await world.sleep(HOUR_S)
    assert world.ids == ids(entry, first + HOUR_S)


@story
async def test_a_long_backlog_is_run_completely_and_in_order(world: World) -> None:
    entry = every(60, policy=ALL)
    first = due_between(entry, 0, 60)[0]
    daemon = world.start(entry)
    await world.sleep(first + 1)
    daemon.link.is_cut = True
    await world.sleep(24 * HOUR_S)
    daemon.link.is_cut = False
    await world.sleep(5)
    assert world.ids == ids(entry, *due_between(entry, 0, first + 24 * HOUR_S + 5))


# -- the broker away ---------------------------------------------------------------------------------------------------


@story
async def test_a_daemon_that_starts_before_its_broker_waits_for_it(world: World) -> None:
    world.broker.is_down = True
    entry = every(60)
    world.start(entry)
    await world.sleep(HOUR_S)
    world.broker.is_down = False
    await world.sleep(120)
    assert world.ids == ids(entry, *due_between(entry, HOUR_S + RETRY_MOST_S, HOUR_S + 120))


@story
async def test_a_broker_that_is_away_is_asked_less_and_less_often(world: World) -> None:
    world.broker.is_down = True
    world.start(every(60))
    await world.sleep(600)
    assert 600 / RETRY_MOST_S <= world.broker.calls < 600 / RETRY_MOST_S + 10


@story
async def test_a_broker_that_reads_but_refuses_orders_is_asked_less_and_less_often(world: World) -> None:
    world.start(every(60))
    await world.sleep(60)
    world.broker.refusing = True
    before = world.broker.calls
    await world.sleep(600)
    assert world.broker.calls - before < 3 * 600 / RETRY_MOST_S + 40


@story
async def test_after_a_refusal_the_broker_is_found_again_within_seconds(world: World) -> None:
    entry = every(60, policy=ALL)
    world.start(entry)
    await world.sleep(60)
    world.broker.refusing = True
    await world.sleep(600)
    world.broker.refusing = False
    await world.sleep(RETRY_MOST_S + 1)
    assert world.ids == ids(entry, *due_between(entry, 0, 660))


@pytest.mark.parametrize("fate", [Fate.LOSE_REQUEST, Fate.LOSE_REPLY])
def test_an_order_without_an_answer_is_given_again_and_carried_out_once(fate: Fate) -> None:
    async def told(world: World) -> None:
        entry = every(60)
        first = due_between(entry, 0, 60)[0]
        daemon = world.start(entry)
        await world.sleep(first - 1)
        daemon.link.fates.append(fate)
        await world.sleep(10)
        assert world.ids == ids(entry, first)
        assert daemon.enqueued == [first]

    in_world(told)


@story
async def test_an_order_that_arrives_after_it_was_given_again_does_nothing(world: World) -> None:
    entry = every(60)
    first = due_between(entry, 0, 60)[0]
    daemon = world.start(entry)
    await world.sleep(first - 1)
    daemon.link.fates.append(Fate.HOLD_REQUEST)
    await world.sleep(10)
    daemon.link.thaw()
    await world.sleep(60)
    assert world.ids == ids(entry, first, first + 60)


@story
async def test_an_order_that_arrives_before_it_is_given_again_counts_as_ours(world: World) -> None:
    entry = every(60)
    first = due_between(entry, 0, 60)[0]
    daemon = world.start(entry)
    await world.sleep(first - 1)
    daemon.link.fates += [Fate.HOLD_REQUEST, Fate.LOSE_REQUEST]
    await world.sleep(1.05)
    daemon.link.thaw()
    await world.sleep(10)
    assert world.ids == ids(entry, first)
    assert daemon.enqueued == [first]


@pytest.mark.parametrize("fate", [Fate.WELL, Fate.LOSE_REQUEST, Fate.LOSE_REPLY])
@pytest.mark.parametrize("window_us", [None, SECOND_US], ids=["coalesced", "outside the window"])
def test_what_was_skipped_is_told_even_if_the_answer_was_lost(fate: Fate, window_us: int | None) -> None:
    async def told(world: World) -> None:
        entry = every(60, window_us=window_us)
        first = due_between(entry, 0, 60)[0]
        daemon = world.start(entry)
        await world.sleep(first - 1)
        daemon.link.is_cut = True
        await world.sleep(90 + 60 * 3)
        daemon.link.fates += [Fate.WELL, fate]  # of the reading, and of the order
        daemon.link.is_cut = False
        await world.sleep(20)
        skipped = daemon.heard(events.OccurrencesSkipped)
        assert sum(event.count for event in skipped) == (4 if window_us is None else 5)
        assert len(skipped) == 1

    in_world(told)


@story
async def test_what_was_skipped_is_told_even_if_only_the_first_order_of_several_was_answered(world: World) -> None:
    entry = every(1, policy=ALL, window_us=HOUR_US)
    daemon = world.start(entry)
    await world.sleep(1.5)
    daemon.link.is_cut = True
    await world.sleep(HOUR_S + 100)
    daemon.link.is_cut = False
    await world.sleep(120)
    told = sum(event.count for event in daemon.heard(events.OccurrencesSkipped))
    due = due_between(entry, 0, HOUR_S + 200)
    assert told + len([one for one in ids(entry, *due) if one in set(world.ids)]) >= len(due) - 2


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
    assert len(second.heard(events.OccurrenceTaken)) == 1


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


# -- what the broker forgot --------------------------------------------------------------------------------------------


@story
async def test_an_occurrence_the_broker_lost_is_looked_up_and_pushed_again_under_the_same_id(world: World) -> None:
    entry = every(60, policy=ALL)
    first = due_between(entry, 0, 60)[0]
    daemon = world.start(entry)
    await world.sleep(first + 1)
    world.broker.forget_last(1)
    await world.sleep(60)
    assert world.ids == ids(entry, first, first + 60)
    assert daemon.link.looked_up[:1] == ids(entry, first)
    assert [(event.occurrence_us, event.had_run) for event in daemon.heard(events.OccurrenceRepeated)] == [
        (START_US + round(first * SECOND_US), False)
    ]


@story
async def test_an_occurrence_the_broker_lost_that_has_run_is_only_accounted_for(world: World) -> None:
    entry = every(60, policy=ALL)
    first = due_between(entry, 0, 60)[0]
    daemon = world.start(entry)
    await world.sleep(first + 1)
    world.broker.results.update(ids(entry, first))
    world.broker.forget_last(1)
    await world.sleep(60)
    assert world.ids == ids(entry, first + 60)
    assert [event.had_run for event in daemon.heard(events.OccurrenceRepeated)] == [True]
    assert daemon.enqueued == [first, first + 60]


@story
async def test_a_nightly_entry_the_broker_lost_is_pushed_again_long_before_the_next_night(world: World) -> None:
    entry = cron("0 2 * * *")
    [night] = due_between(entry, 0, DAY_S)
    world.start(entry)
    await world.sleep(night + 1)
    world.broker.forget_last(1)
    assert world.ids == []
    await world.sleep(120)
    assert world.ids == ids(entry, night)


@story
async def test_a_broker_that_lost_everything_is_given_the_last_occurrence_again(world: World) -> None:
    entries = [every(60, "minute", policy=ALL), cron("0 * * * *", "hour")]
    hour = due_between(entries[1], 0, HOUR_S)[0]
    daemon = world.start(*entries)
    await world.sleep(hour + 1)
    world.broker.forget_everything()
    await world.sleep(120)
    minutes = due_between(entries[0], hour - 59, hour + 121)
    assert sorted(world.ids) == sorted([*ids(entries[0], *minutes), *ids(entries[1], hour)])
    repeated = {str(event.entry): event.had_run for event in daemon.heard(events.OccurrenceRepeated)}
    assert repeated == {"minute": False, "hour": False}


@story
async def test_a_broker_that_lost_everything_long_after_an_occurrence_is_not_given_it_again(world: World) -> None:
    entry = cron("0 2 * * *")
    night, following = due_between(entry, 0, 2 * DAY_S)
    world.start(entry)
    await world.sleep(night + SUSPECT_US / SECOND_US + 60)
    world.broker.forget_everything()
    await world.sleep(following - night)
    assert world.ids == ids(entry, following)


@story
async def test_two_daemons_push_what_the_broker_lost_again_once(world: World) -> None:
    entry = every(60, policy=ALL)
    first = due_between(entry, 0, 60)[0]
    daemons = [world.start(entry), world.start(entry)]
    await world.sleep(first + 1)
    world.broker.forget_everything()
    await world.sleep(120)
    assert world.ids == ids(entry, first, first + 60, first + 120)
    assert sum(len(daemon.heard(events.OccurrenceRepeated)) for daemon in daemons) == 1


@story
async def test_while_results_cannot_be_read_nothing_suspect_is_pushed(world: World) -> None:
    entry = every(60, policy=ALL)
    first = due_between(entry, 0, 60)[0]
    link = world.broker.link()
    results_are_down = True

    async def hook(point: str) -> None:
        if point == "finished" and results_are_down:
            link.fates.append(Fate.LOSE_REQUEST)

    link.hook = hook
    world.start(entry, link=link)
    await world.sleep(first + 1)
    world.broker.forget_last(1)
    await world.sleep(90)
    assert world.ids == []
    results_are_down = False
    await world.sleep(10)
    assert world.ids == ids(entry, first, first + 60)


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
    assert len(elder.heard(events.EntrySuperseded)) == 1
    assert younger.heard(events.EntrySuperseded) == []


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
    assert [str(event.entry) for event in daemon.heard(events.EntrySuperseded)] == ["e"]


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
        late = [_lateness_s(one, at) for one, at in zip(world.broker.pushed, due_between(entry, 0, 600), strict=True)]
        assert max(late) < 0.05
        assert min(late) >= -0.02
        assert not any(event.is_misfire for event in daemon.heard(events.OccurrenceEnqueued))
        assert daemon.heard(events.OccurrencesSkipped) == []

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
        late = [_lateness_s(one, at) for one, at in zip(world.broker.pushed, due, strict=True)]
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
    assert {(str(event.entry), str(event.key)) for event in daemon.heard(events.OccurrenceBlocked)} == {
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
    assert 15 <= len(daemon.heard(events.OccurrenceBlocked)) <= 25


@story
async def test_an_item_no_worker_could_take_is_passed_over_and_reported_once(world: World) -> None:
    bad, good = every(60, "bad"), every(60, "good")
    link = world.broker.link()
    link.invalid.add("task.bad")
    daemon = world.start(bad, good, link=link)
    await world.sleep(200)
    due = due_between(bad, 0, 200)
    assert world.ids == ids(good, *due)
    told = [(event.occurrence_us - START_US) / SECOND_US for event in daemon.heard(events.OccurrenceInvalid)]
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
    told = [(event.occurrence_us - START_US) / SECOND_US for event in daemon.heard(events.OccurrenceInvalid)]
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
        assert len(daemon.heard(events.OccurrenceInvalid)) == 1

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
    assert 1 <= len(daemon.heard(events.OccurrenceInvalid)) <= 13


# -- health ------------------------------------------------------------------------------------------------------------


@story
async def test_a_schedule_that_is_looked_at_is_not_overdue(world: World) -> None:
    worst = 0.0

    async def look(point: str) -> None:
        nonlocal worst
        del point
        worst = max(worst, daemon.scheduler.overdue_s())

    link = world.broker.link(hook=look)
    link.delay_s = 0.01
    daemon = world.start(*(every(60, f"e{number}") for number in range(1200)), link=link)
    await world.sleep(5)
    link.is_cut = True
    await world.sleep(60)
    link.is_cut = False
    await world.sleep(60)
    assert len(world.ids) == 2400
    assert worst < 30


@story
async def test_a_schedule_whose_broker_does_not_answer_falls_behind_and_says_so(world: World) -> None:
    never = anyio.Event()

    async def stall(point: str) -> None:
        if point == "request" and world.ids:
            await never.wait()

    daemon = world.start(every(60), every(7, "other"), link=world.broker.link(hook=stall))
    await world.sleep(200)
    assert daemon.scheduler.overdue_s() > 100


@story
async def test_a_schedule_is_not_overdue_while_its_broker_is_away(world: World) -> None:
    daemon = world.start(every(60))
    await world.sleep(10)
    world.broker.is_down = True
    await world.sleep(HOUR_S)
    assert daemon.scheduler.overdue_s() == 0


def test_a_scheduler_without_entries_is_never_overdue() -> None:
    async def told(world: World) -> None:
        assert world.daemon([]).scheduler.overdue_s() == 0

    in_world(told)


# -- the end -----------------------------------------------------------------------------------------------------------


@story
async def test_a_drained_scheduler_ends_at_once(world: World) -> None:
    daemon = world.daemon([every(3600)])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(daemon.scheduler.serve)
        await world.sleep(1)
        await daemon.scheduler.drain()
        began_s = anyio.current_time()
    assert anyio.current_time() == began_s


@story
async def test_a_scheduler_drained_while_it_waits_for_its_broker_ends_at_once(world: World) -> None:
    world.broker.is_down = True
    daemon = world.daemon([every(3600)])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(daemon.scheduler.serve)
        await world.sleep(60)
        await daemon.scheduler.drain()
        began_s = anyio.current_time()
    assert anyio.current_time() == began_s


@story
async def test_an_order_under_way_when_the_scheduler_is_drained_is_finished(world: World) -> None:
    entry = every(60)
    first = due_between(entry, 0, 60)[0]
    daemon = world.daemon([entry])
    daemon.link.delay_s = 0.5
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(daemon.scheduler.serve)
        await world.sleep(first + 0.1)
        await daemon.scheduler.drain()
    assert daemon.enqueued == [first]


@story
async def test_a_drained_scheduler_fires_no_more(world: World) -> None:
    daemon = world.start(every(60))
    await world.sleep(61)
    await daemon.scheduler.drain()
    await world.sleep(HOUR_S)
    assert len(world.ids) == 1


@story
async def test_a_scheduler_drained_before_it_is_served_does_nothing(world: World) -> None:
    daemon = world.daemon([every(1)])
    await daemon.scheduler.drain()
    await daemon.scheduler.serve()
    assert world.broker.calls == 0


@story
async def test_a_scheduler_opened_again_after_it_was_drained_serves_again(world: World) -> None:
    daemon = world.daemon([every(60)])
    await daemon.scheduler.open()
    await daemon.scheduler.drain()
    await daemon.scheduler.open()
    world.tasks.start_soon(daemon.scheduler.serve)
    await world.sleep(61)
    assert len(world.ids) == 1


@story
async def test_the_named_points_are_passed_around_each_claim(world: World) -> None:
    passed: list[str] = []
    scheduler = Scheduler(SITE, [every(60)], world.broker.link(), world.clock, lambda _: None, at=passed.append)
    world.tasks.start_soon(scheduler.serve)
    await world.sleep(61)
    assert passed == ["claim.before", "claim.after"]
