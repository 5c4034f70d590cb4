"""Counts over time: rings that forget what is too old, against counting by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.watch.traffic import (
    DAY_MINUTES,
    FORTNIGHT_QUARTERS,
    MINUTE_US,
    QUARTER_US,
    FeedTraffic,
    Ring,
    span_of,
)
from tests.support.clock import START_US

STEP_US, PLACES = 10, 7
SEEN = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 5)), max_size=40)


@given(seen=SEEN, later=st.integers(0, 200))
def test_a_ring_holds_what_came_in_its_steps_and_nothing_older(seen: list[tuple[int, int]], later: int) -> None:
    ring = Ring(STEP_US, PLACES)
    seen = sorted(seen)
    for at_us, count in seen:
        ring.add(at_us, count)
    now_us = (seen[-1][0] if seen else 0) + later
    newest = now_us // STEP_US
    expected = [
        sum(count for at_us, count in seen if at_us // STEP_US == place)
        for place in range(newest - PLACES + 1, newest + 1)
    ]
    assert ring.last(now_us) == expected
    assert ring.last(now_us, 3) == expected[-3:]


def test_what_comes_after_the_clock_was_set_back_counts_where_it_falls() -> None:
    ring = Ring(STEP_US, PLACES)
    ring.add(100, 1)
    ring.add(85, 2)
    ring.add(0, 4)  # longer ago than is kept
    assert ring.last(100) == [0, 0, 0, 0, 2, 0, 1]


@given(seen=SEEN)
def test_what_was_written_down_is_read_again(seen: list[tuple[int, int]]) -> None:
    first, second = Ring(STEP_US, PLACES), Ring(STEP_US, PLACES)
    for at_us, count in seen:
        first.add(at_us, count)
    second.take(first.as_data(), 300)
    assert second.last(300) == first.last(300)


def test_what_is_of_the_future_or_of_another_size_is_not_taken() -> None:
    ring = Ring(STEP_US, PLACES)
    ring.take([40, 1, 1, 1, 1, 1, 1, 1], now_us=300)
    ring.take([20, 1, 1], now_us=300)
    ring.take([20, -1, 1, 1, 1, 1, 1, 1], now_us=300)
    assert ring.last(300) == [0] * PLACES


def test_a_feed_has_a_day_by_the_minute_and_two_weeks_by_the_quarter() -> None:
    traffic = FeedTraffic()
    traffic.answered(START_US, "AA", 3)
    traffic.answered(START_US + MINUTE_US, "AR", 2)
    day = span_of(traffic, START_US + MINUTE_US, by_quarters=False)
    weeks = span_of(traffic, START_US + MINUTE_US, by_quarters=True)
    assert (len(day.messages), day.messages[-2:], day.refused[-2:]) == (DAY_MINUTES, [3, 2], [0, 2])
    assert (len(weeks.messages), sum(weeks.messages), sum(weeks.refused)) == (FORTNIGHT_QUARTERS, 5, 2)
    assert day.from_us == (START_US // MINUTE_US + 2 - DAY_MINUTES) * MINUTE_US
    assert weeks.step_us == QUARTER_US
    again = FeedTraffic()
    again.take(traffic.as_data(), START_US + MINUTE_US)
    assert span_of(again, START_US + MINUTE_US, by_quarters=False) == day
