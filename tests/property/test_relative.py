"""Intervals rounded to the clock, against Celery's own ``remaining``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from celery.utils.time import remaining
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from daemon.clock import SECOND_US, instant, microseconds
from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.triggers import Relative
from tests.support.cron_oracle import ZONES

HOUR_US = 3600 * SECOND_US
BEGIN_US = microseconds(datetime(2015, 1, 1, tzinfo=UTC))
END_US = microseconds(datetime(2038, 1, 1, tzinfo=UTC))

lengths = st.one_of(
    st.integers(1, 59).map(lambda count: count * 60),
    st.integers(1, 23).map(lambda count: count * 3600),
    st.integers(1, 10).map(lambda count: count * 86_400),
)


def changes(zone: str, year: int) -> list[int]:
    """Give the seconds since 1970 at which a zone's clocks were changed in a year, to the minute."""
    info = ZoneInfo(zone)

    def offset(at_s: int) -> timedelta | None:
        return datetime.fromtimestamp(at_s, info).utcoffset()

    begin, end = (int(datetime(one, 1, 1, tzinfo=UTC).timestamp()) for one in (year, year + 1))
    days = [at_s for at_s in range(begin, end, 86_400) if offset(at_s) != offset(at_s + 86_400)]
    return [next(at_s for at_s in range(day, day + 86_401, 60) if offset(at_s) == offset(day + 86_400)) for day in days]


def _celery(start_us: int, every_s: int, zone: str, count: int) -> list[int]:
    """Follow Celery's chain: each fire is the deadline reckoned from the one before."""
    found = []
    at = instant(start_us)
    for _ in range(count):
        local = at.astimezone(ZoneInfo(zone))
        at += remaining(local, timedelta(seconds=every_s), at, relative=True)
        found.append(microseconds(at))
    return found


def _ours(trigger: Relative, start_us: int, count: int) -> list[int]:
    found, at_us = [], start_us
    for _ in range(count):
        at_us = trigger.next_after(at_us)
        found.append(at_us)
    return found


@settings(max_examples=100, deadline=None)
@given(st.integers(BEGIN_US, END_US), lengths, st.sampled_from((*ZONES, "UTC")))
def test_the_chain_is_celerys(start_us: int, every_s: int, zone: str) -> None:
    trigger = Relative(every_s * SECOND_US, zone).begun(start_us)
    assert isinstance(trigger, Relative)
    assert _ours(trigger, start_us, 40) == _celery(start_us, every_s, zone, 40)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(ZONES), st.integers(2015, 2037), lengths, st.integers(0, 30 * 3600), st.data())
@example("Australia/Lord_Howe", 2026, 3600, 7200, None)
@example("America/Havana", 2026, 86_400, 90_000, None)
def test_the_chain_is_celerys_over_clock_changes(
    zone: str, year: int, every_s: int, before_s: int, data: st.DataObject | None
) -> None:
    found = changes(zone, year)
    assume(found)
    change_s = found[0] if data is None else data.draw(st.sampled_from(found))
    start_us = (change_s - before_s) * SECOND_US + 250_000
    trigger = Relative(every_s * SECOND_US, zone, start_us)
    count = min(200, 2 + 60 * 3600 // every_s)
    assert _ours(trigger, start_us, count) == _celery(start_us, every_s, zone, count)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(BEGIN_US, END_US), lengths, st.sampled_from(ZONES), st.integers(0, 400 * 24), st.integers(0, HOUR_US)
)
def test_an_occurrence_is_the_same_from_wherever_before_it_is_asked(
    start_us: int, every_s: int, zone: str, hours: int, more_us: int
) -> None:
    trigger = Relative(every_s * SECOND_US, zone, start_us)
    after_us = start_us + hours * HOUR_US + more_us
    at_us = trigger.next_after(after_us)
    assert at_us > after_us
    fresh = Relative(every_s * SECOND_US, zone, start_us)
    assert fresh.next_after(at_us - 1) == at_us
    assert fresh.next_after((after_us + at_us) // 2) == at_us
    assert fresh.next_after(start_us - 1) == fresh.next_after(start_us)


@pytest.mark.parametrize(
    ("every_s", "message", "hint"),
    [
        (
            30,
            "every 30 s is below a minute, so there is nothing to round to",
            'leave relative out, or write anchor = "start"',
        ),
        (90, "every 90 s is not a whole number of minutes, to which relative rounds", 'write every = "1m"'),
        (5400, "every 5400 s is not a whole number of hours, to which relative rounds", 'write every = "1h"'),
        (90_000, "every 90000 s is not a whole number of days, to which relative rounds", 'write every = "1d"'),
    ],
)
def test_what_is_no_whole_number_of_its_unit_is_refused(every_s: int, message: str, hint: str) -> None:
    with pytest.raises(TriggerInvalid, match=message) as caught:
        Relative(every_s * SECOND_US, "UTC")
    assert caught.value.hint == hint


@pytest.mark.parametrize(("every_s", "unit_s"), [(90, 60), (5400, 3600), (90_000, 86_400)])
def test_the_hint_names_what_celery_makes_of_it(every_s: int, unit_s: int) -> None:
    start_us = microseconds(datetime(2026, 2, 3, tzinfo=UTC))
    assert _celery(start_us, every_s, "UTC", 9) == _ours(Relative(unit_s * SECOND_US, "UTC", start_us), start_us, 9)
