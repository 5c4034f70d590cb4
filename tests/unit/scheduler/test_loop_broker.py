"""The scheduler and a broker that is away, or comes back without its last writes."""

from __future__ import annotations

import pytest

from daemon import schedule_events
from daemon.clock import SECOND_US
from daemon.scheduler.loop import RETRY_MOST_S, SUSPECT_US
from daemon.scheduler.model import CatchUpPolicy
from tests.support.broker_model import Fate
from tests.support.clock import START_US
from tests.support.scheduling import (
    DAY_S,
    HOUR_S,
    World,
    cron,
    due_between,
    every,
    ids,
    in_world,
    story,
)

ALL, ONE, SKIP = CatchUpPolicy.ALL, CatchUpPolicy.ONE, CatchUpPolicy.SKIP
HOUR_US = 3600 * SECOND_US


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
        skipped = daemon.heard(schedule_events.OccurrencesSkipped)
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
    told = sum(event.count for event in daemon.heard(schedule_events.OccurrencesSkipped))
    due = due_between(entry, 0, HOUR_S + 200)
    assert told + len([one for one in ids(entry, *due) if one in set(world.ids)]) >= len(due) - 2


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
    assert [(event.occurrence_us, event.had_run) for event in daemon.heard(schedule_events.OccurrenceRepeated)] == [
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
    assert [event.had_run for event in daemon.heard(schedule_events.OccurrenceRepeated)] == [True]
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
    repeated = {str(event.entry): event.had_run for event in daemon.heard(schedule_events.OccurrenceRepeated)}
    assert repeated == {"minute": False, "hour": False}
    assert len(daemon.heard(schedule_events.ScheduleForgotten)) == 1


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
    assert sum(len(daemon.heard(schedule_events.OccurrenceRepeated)) for daemon in daemons) == 1


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
