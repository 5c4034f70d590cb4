"""The scheduler at work, on a loop whose time is a number and a broker that is a model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import anyio
import pytest

from daemon import schedule_events
from daemon.clock import SECOND_US
from daemon.scheduler import Scheduler
from daemon.scheduler.evaluate import BATCH_LIMIT, COUNT_LIMIT, SkipReason
from daemon.scheduler.loop import ROUND_LIMIT
from daemon.scheduler.model import CatchUpPolicy
from daemon.scheduler.triggers import Interval
from tests.support.clock import START_US
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
            assert 0 <= lateness_s(pushed.pop(task_id), occurrence_s) < 0.005
    assert pushed == {}


@story
async def test_lateness_does_not_add_up(world: World) -> None:
    link = world.broker.link()
    link.delay_s = 0.2
    world.start(every(1), link=link)
    await world.sleep(1000)
    late = [lateness_s(one, number) for number, one in enumerate(world.broker.pushed, 1)]
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
    planned = {str(event.entry): event.next_us for event in daemon.heard(schedule_events.EntryPlanned)}
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
    [skipped] = daemon.heard(schedule_events.OccurrencesSkipped)
    assert (skipped.count, skipped.reason) == (4, SkipReason.COALESCED)
    assert (skipped.first_us, skipped.last_us) == tuple(START_US + round((first + at) * SECOND_US) for at in (60, 240))
    assert daemon.heard(schedule_events.OccurrenceEnqueued)[-1].is_misfire is False


@story
async def test_an_occurrence_an_hour_late_is_called_a_misfire(world: World) -> None:
    daemon = world.start(every(86_400))
    [first] = due_between(every(86_400), 0, DAY_S)
    await world.sleep(first - 10)
    world.broker.is_down = True
    await world.sleep(HOUR_S)
    world.broker.is_down = False
    await world.sleep(5)
    [enqueued] = daemon.heard(schedule_events.OccurrenceEnqueued)
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
    assert [event.reason for event in daemon.heard(schedule_events.OccurrencesSkipped)] == [SkipReason.WINDOW]
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
