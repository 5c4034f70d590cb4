"""Single options."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from math import inf, nan
from typing import Any

import pytest
from celery import Celery

from shim.errors import RequestInvalid
from shim.option import TIME_LIMIT_MAX_S, after, count, duration

NOW = datetime(2026, 11, 22, 4, 5, 6, 789_123, tzinfo=UTC)


@pytest.mark.parametrize("seconds", [0.001, 1, 10.5, 86_400, -60, 10**8])
def test_a_countdown_ends_when_celery_says_it_does(seconds: float) -> None:
    app = Celery("x", broker="memory://", set_as_current=False)
    theirs = app.amqp.as_task_v2("id", "task", countdown=seconds, now=NOW)
    assert after(seconds, at=NOW) == datetime.fromisoformat(theirs.headers["eta"])


def test_a_countdown_of_nothing_is_now_in_utc() -> None:
    at = NOW.astimezone(timezone(timedelta(hours=5)))
    assert after(0, at=at) == NOW
    assert after(0, at=at).tzinfo is UTC


@pytest.mark.parametrize("seconds", [nan, inf, -inf, True, "5", None, 10**400, TIME_LIMIT_MAX_S + 1])
def test_a_countdown_that_is_no_length_of_time_is_refused(seconds: Any) -> None:
    with pytest.raises(RequestInvalid, match=r"^countdown: seconds from"):
        after(seconds, at=NOW)


def test_a_countdown_out_of_a_workers_calendar_is_refused() -> None:
    with pytest.raises(RequestInvalid, match=r"^expires: the year"):
        after(TIME_LIMIT_MAX_S, at=datetime(9990, 1, 1, tzinfo=UTC), label="expires")
    with pytest.raises(RequestInvalid, match=r"^countdown: the year"):
        after(-TIME_LIMIT_MAX_S, at=datetime(1980, 1, 1, tzinfo=UTC))


def test_a_naive_now_is_refused() -> None:
    with pytest.raises(RequestInvalid, match=r"^at: "):
        after(1, at=NOW.replace(tzinfo=None))


@pytest.mark.parametrize("value", [True, 1.0, "1", None, -1, 6])
def test_a_count_out_of_range_or_of_another_type_is_refused(value: Any) -> None:
    with pytest.raises(RequestInvalid, match=r"^n: a whole number from 0 to 5 is needed"):
        count(value, "n", most=5)


def test_a_duration_may_be_bounded_from_below() -> None:
    assert duration(0, "interval", least=0) == 0
    with pytest.raises(RequestInvalid, match=r"^interval: "):
        duration(-0.1, "interval", least=0)
