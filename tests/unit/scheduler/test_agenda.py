"""When entries are to be looked at, and by which clock."""

from __future__ import annotations

import pytest

from daemon.scheduler.agenda import Agenda
from daemon.scheduler.pace import LEAD_IGNORED_US, Pace
from tests.support.clock import START_US, SetClock

SECOND_US = 1_000_000


def _taken(agenda: Agenda, now_us: int) -> list[str]:
    found = []
    while (place := agenda.take(now_us)) is not None:
        found.append(place)
    return found


def test_entries_are_taken_when_they_are_due_the_longest_due_first() -> None:
    agenda = Agenda()
    for place, wake_us in zip("abcd", (30, 10, 20, 40), strict=True):
        agenda.plan(place, wake_us)
    assert _taken(agenda, 30) == ["b", "c", "a"]
    assert _taken(agenda, 40) == ["d"]


def test_an_entry_planned_anew_is_not_looked_at_when_it_was_planned_before() -> None:
    agenda = Agenda()
    agenda.plan("a", 10)
    agenda.plan("a", 20)
    assert (agenda.first_us(), _taken(agenda, 19), _taken(agenda, 20)) == (20, [], ["a"])


def test_an_entry_planned_twice_for_one_instant_is_taken_once() -> None:
    agenda = Agenda()
    agenda.plan("a", 10)
    agenda.plan("a", 10)
    assert _taken(agenda, 10) == ["a"]


def test_an_entry_planned_for_never_is_not_taken() -> None:
    agenda = Agenda()
    agenda.plan("a", 10)
    agenda.plan("a", None)
    assert (_taken(agenda, 99), agenda.first_us(), agenda.is_planned("a")) == ([], None, False)


def test_an_entry_in_hand_counts_as_planned_until_all_plans_are_dropped() -> None:
    agenda = Agenda()
    agenda.plan("a", 10)
    assert agenda.take(10) == "a"
    assert agenda.is_planned("a")
    agenda.clear()
    assert not agenda.is_planned("a")


def test_an_entry_planned_anew_again_and_again_takes_no_more_room_than_one() -> None:
    agenda = Agenda()
    for wake_us in range(10_000):
        agenda.plan("a", wake_us)
    assert len(agenda._heap) < 100
    assert _taken(agenda, 9998) == []
    assert _taken(agenda, 9999) == ["a"]


# -- the pace ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead_us", [-SECOND_US, 0, LEAD_IGNORED_US])
def test_a_clock_that_is_not_ahead_of_the_brokers_is_followed(ahead_us: int) -> None:
    pace = Pace(SetClock())
    pace.hear(START_US, START_US - ahead_us)
    assert pace.now_us() == START_US


def test_a_clock_that_is_ahead_of_the_brokers_is_held_back_by_its_lead() -> None:
    clock = SetClock()
    pace = Pace(clock)
    pace.hear(START_US, START_US - 5 * SECOND_US)
    clock.advance(2)
    assert pace.now_us() == START_US - 3 * SECOND_US


def test_a_lead_that_is_gone_holds_nothing_back() -> None:
    pace = Pace(SetClock())
    pace.hear(START_US, START_US - 5 * SECOND_US)
    pace.hear(START_US, START_US + 1)
    assert pace.now_us() == START_US


def test_no_answer_changes_nothing() -> None:
    pace = Pace(SetClock())
    pace.hear(START_US, START_US - 5 * SECOND_US)
    pace.hear(START_US, 0)
    assert pace.now_us() == START_US - 5 * SECOND_US


def test_a_clock_that_was_set_back_is_noticed_once_and_has_no_lead_any_more() -> None:
    clock = SetClock()
    pace = Pace(clock)
    assert not pace.was_set_back()
    pace.hear(START_US, START_US - 3600 * SECOND_US)
    clock.wall_us -= 3600 * SECOND_US
    assert pace.was_set_back()
    assert not pace.was_set_back()
    assert pace.now_us() == START_US - 3600 * SECOND_US


def test_a_clock_that_goes_on_was_not_set_back() -> None:
    clock = SetClock()
    pace = Pace(clock)
    pace.was_set_back()
    clock.advance(0.5)
    assert not pace.was_set_back()
