"""Events of the sun against Celery's own ``solar``; its answers shift by a tenth of a second, ours are whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import ephem
import pytest
from celery.schedules import solar
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.clock import SECOND_US, instant, microseconds
from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.triggers import Solar
from daemon.scheduler.triggers.solar import EVENTS

WITHIN_US = 700_000
"""Half a second of rounding, and what Celery's own answer shifts by."""


def _celery(event: str, latitude: float, longitude: float, start: datetime, end: datetime) -> list[int]:
    schedule: Any = solar(event, latitude, longitude)
    found: list[int] = []
    at = start
    while True:
        at = schedule._next_event(ephem.Date(at)).datetime().replace(tzinfo=UTC)
        if at >= end:
            return found
        found.append(microseconds(at))
        at += timedelta(seconds=2)


def _ours(event: str, latitude: float, longitude: float, start: datetime, end: datetime) -> list[int]:
    trigger = Solar(event, latitude, longitude)
    found: list[int] = []
    at_us = trigger.next_after(microseconds(start))
    while at_us is not None and at_us < microseconds(end):
        found.append(at_us)
        at_us = trigger.next_after(at_us)
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(EVENTS)),
    st.floats(-80, 80).map(lambda degrees: round(degrees, 4)),
    st.floats(-180, 180).map(lambda degrees: round(degrees, 4)),
    st.datetimes(datetime(2015, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 - made aware below
)
def test_the_events_are_celerys_to_the_second(event: str, latitude: float, longitude: float, start: datetime) -> None:
    begin = start.replace(tzinfo=UTC)
    end = begin + timedelta(days=40)
    theirs, ours = (find(event, latitude, longitude, begin, end) for find in (_celery, _ours))
    edges = [at for at in (*theirs, *ours) if min(at - microseconds(begin), microseconds(end) - at) > 2 * SECOND_US]
    assert len([at for at in theirs if at in edges]) == len([at for at in ours if at in edges])
    for one, other in zip((at for at in theirs if at in edges), (at for at in ours if at in edges), strict=True):
        assert abs(one - other) < WITHIN_US


@pytest.mark.parametrize("event", sorted(EVENTS))
@pytest.mark.parametrize("latitude", [66.5, 69.65, -78.0])
def test_where_the_sun_stays_up_or_down_for_long_the_year_is_celerys(event: str, latitude: float) -> None:
    begin, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    theirs, ours = (find(event, latitude, 18.96, begin, end) for find in (_celery, _ours))
    assert len(theirs) == len(ours)
    assert all(abs(one - other) < WITHIN_US for one, other in zip(theirs, ours, strict=True))


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(sorted(EVENTS)),
    st.floats(-85, 85),
    st.floats(-180, 180),
    st.integers(10**9, 2 * 10**9),
    st.floats(0, 1),
)
def test_an_event_is_the_same_instant_from_wherever_before_it_is_asked(
    event: str, latitude: float, longitude: float, after_s: int, part: float
) -> None:
    trigger = Solar(event, latitude, longitude)
    at_us = trigger.next_after(after_s * SECOND_US)
    assert at_us is not None
    assert at_us % SECOND_US == 0
    assert trigger.next_after(after_s * SECOND_US + int((at_us - after_s * SECOND_US - 1) * part)) == at_us


@pytest.mark.parametrize(
    ("event", "latitude", "longitude", "message"),
    [("moonrise", 0, 0, "not an event"), ("sunset", 91, 0, "latitude"), ("sunset", 0, float("nan"), "longitude")],
)
def test_no_such_event_or_place_is_refused(event: str, latitude: float, longitude: float, message: str) -> None:
    with pytest.raises(TriggerInvalid, match=message):
        Solar(event, latitude, longitude)


def test_without_ephem_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ephem", None)
    with pytest.raises(TriggerInvalid, match="solar needs ephem") as caught:
        Solar("sunset", 48.8, 2.3)
    assert caught.value.hint == "pip install 'carillond[solar]'"


def test_sunset_in_paris_on_the_longest_day() -> None:
    found = Solar("sunset", 48.8566, 2.3522).next_after(microseconds(datetime(2026, 6, 21, 12, tzinfo=UTC)))
    assert found is not None
    assert instant(found).strftime("%H:%M") == "19:57"  # 21:58 in Paris; in a vacuum the sun sets a little sooner
