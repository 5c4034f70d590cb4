"""What silence of a feed is usual: learned for each hour of the week, and nothing said before enough is known."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from daemon.clock import SECOND_US
from daemon.hl7listener.watch.usual import HOUR_US, SHORTEST_US, Usual

MINUTE_US = 60 * SECOND_US
WEEK_US = 168 * HOUR_US
START_US = 2_950 * WEEK_US  # the beginning of an hour of the week 0, in 2026


def weeks(count: int, gap_at: Callable[[int], int], *, learned: Usual | None = None, first: int = 0) -> Usual:
    """Let so many weeks of messages pass; ``gap_at`` says for an hour of the week how far the next message is, in minutes."""
    usual = learned or Usual()
    now_us = START_US + first * WEEK_US
    end_us = now_us + count * WEEK_US
    while now_us < end_us:
        next_us = now_us + gap_at((now_us // HOUR_US) % 168) * MINUTE_US
        usual.heard(now_us, next_us)
        now_us = next_us
    return usual


def by_day(hour: int) -> int:
    """A message each two minutes from 6 to 22, one in three hours at night."""
    return 2 if 6 <= hour % 24 < 22 else 180


def at(week: int, hour: int, minute: int = 0) -> int:
    """Give an instant of a week."""
    return START_US + week * WEEK_US + hour * HOUR_US + minute * MINUTE_US


@pytest.mark.parametrize("seen", [0, 1])
def test_before_two_weeks_nothing_is_said(seen: int) -> None:
    assert weeks(seen, by_day).limit_us(at(seen, 12)) is None


def test_a_busy_hour_allows_a_short_silence_only() -> None:
    assert weeks(3, by_day).limit_us(at(3, 12)) == SHORTEST_US


def test_a_night_allows_what_nights_were_like() -> None:
    limit_us = weeks(3, by_day).limit_us(at(3, 3))
    assert limit_us is not None
    assert 180 * MINUTE_US <= limit_us <= 300 * MINUTE_US


def test_the_hour_beside_a_quiet_one_allows_its_silence_too() -> None:
    limit_us = weeks(3, by_day).limit_us(at(3, 6))
    assert limit_us is not None
    assert limit_us > 60 * MINUTE_US


def test_a_feed_that_rests_at_the_weekend_is_not_quiet_then() -> None:
    def on_workdays(hour: int) -> int:
        return 5 if hour < 120 else 10

    usual = Usual()
    for week in range(3):
        now_us = at(week, 0)
        while now_us < at(week, 120):
            usual.heard(now_us, now_us + on_workdays(0) * MINUTE_US)
            now_us += on_workdays(0) * MINUTE_US
        usual.heard(now_us, at(week + 1, 0))
    saturday_us = usual.limit_us(at(3, 150))
    assert saturday_us is not None
    assert saturday_us > 30 * HOUR_US
    assert usual.limit_us(at(3, 60)) == 5 * MINUTE_US * 3 // 2


def test_what_was_usual_long_ago_is_forgotten() -> None:
    usual = weeks(2, lambda _: 120)
    usual = weeks(5, lambda _: 2, learned=usual, first=2)
    assert usual.limit_us(at(7, 12)) == SHORTEST_US


def test_knowledge_of_long_ago_is_not_enough() -> None:
    assert weeks(3, by_day).limit_us(at(20, 12)) is None


def test_a_silence_of_months_is_learned_of_as_of_one_week() -> None:
    usual = weeks(2, by_day)
    usual.heard(at(2, 0), at(15, 0))
    assert len(usual.as_data()) == 168
    assert all(len(weeks_known) <= 4 for weeks_known in usual.as_data().values())


def test_what_was_learned_outlives_the_daemon() -> None:
    usual = weeks(3, by_day)
    again = Usual.of(json.loads(json.dumps(usual.as_data())))
    assert [again.limit_us(at(3, hour)) for hour in range(168)] == [usual.limit_us(at(3, hour)) for hour in range(168)]


@pytest.mark.parametrize("data", [{"x": {}}, {"168": {}}, {"1": 5}, {"1": {"a": 1}}])
def test_what_is_no_knowledge_is_refused(data: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        Usual.of(data)
