"""Recurrence rules against dateutil, which goes through them from their start, and the zone database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from daemon.clock import SECOND_US, instant, microseconds
from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.triggers import Rrule, last_at_or_before
from tests.support.cron_oracle import ZONES

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
SOME = 12


def _list(values: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[str]:
    return st.lists(values, min_size=1, max_size=most, unique=True).map(lambda found: ",".join(map(str, found)))


def _signed(most: int) -> st.SearchStrategy[int]:
    return st.integers(-most, most).filter(bool)


@st.composite
def rules(draw: st.DrawFn) -> str:
    frequency = draw(st.sampled_from(("YEARLY", "MONTHLY", "WEEKLY", "DAILY")))
    plain_days = _list(st.sampled_from(DAYS))
    nth_days = _list(st.tuples(_signed(4), st.sampled_from(DAYS)).map(lambda pair: f"{pair[0]}{pair[1]}"))
    choices: dict[str, st.SearchStrategy[str]] = {"BYMONTH": _list(st.integers(1, 12), 4), "BYDAY": plain_days}
    if frequency in ("YEARLY", "MONTHLY"):
        choices |= {"BYDAY": st.one_of(plain_days, nth_days), "BYSETPOS": _list(_signed(3), 2)}
    if frequency != "WEEKLY":
        choices["BYMONTHDAY"] = _list(_signed(31))
    if frequency in ("YEARLY", "DAILY"):
        choices["BYYEARDAY"] = _list(_signed(366), 4)
    chosen = draw(st.sets(st.sampled_from(sorted(choices)), max_size=2))
    assume(chosen != {"BYSETPOS"})
    parts = {"FREQ": frequency, **{key: draw(choices[key]) for key in sorted(chosen)}}
    for key, most in (("BYHOUR", 23), ("BYMINUTE", 59), ("BYSECOND", 59)):
        if draw(st.integers(0, 3)) == 0:
            parts[key] = draw(_list(st.integers(0, most), 2))
    if draw(st.booleans()):
        parts["INTERVAL"] = str(draw(st.integers(1, 7)))
    if draw(st.booleans()):
        parts["WKST"] = draw(st.sampled_from(DAYS))
    if draw(st.integers(0, 3)) == 0:
        parts["COUNT"] = str(draw(st.integers(1, 20)))
    return ";".join(f"{key}={value}" for key, value in parts.items())


def _theirs(rule: str, start: datetime, zone: str, after: datetime) -> list[int]:
    """Give the first instants after ``after``, the slow way; up to 120 years from the start."""
    found: set[int] = set()
    for wall in rrulestr(rule, dtstart=start):
        if wall.year > start.year + 120 or len(found) > SOME + 3:
            break
        # Of an ambiguous time the first; one in a gap with the offset before it, which is later by the gap.
        at = wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        if at > after:
            found.add(microseconds(at))
    return sorted(found)[:SOME]


def _ours(trigger: Rrule, after: datetime, count: int) -> list[int]:
    found: list[int] = []
    at_us: int | None = microseconds(after)
    while len(found) < count and at_us is not None and (at_us := trigger.next_after(at_us)) is not None:
        found.append(at_us)
    return found


starts = st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.replace(microsecond=0))  # noqa: DTZ001


@settings(max_examples=80, deadline=None)
@given(rules(), starts, st.sampled_from((*ZONES[:24], "UTC")), st.integers(-400, 8000))
@example("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=SU", datetime(2020, 1, 1, 9), "Europe/Paris", 800)  # noqa: DTZ001
@example("FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=0,30", datetime(2020, 1, 1, 9), "Europe/London", 80)  # noqa: DTZ001
@example("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", datetime(2020, 2, 29, 9), "UTC", 80)  # noqa: DTZ001
@example("FREQ=YEARLY;BYWEEKNO=1,53;BYDAY=MO", datetime(2019, 2, 1, 9), "UTC", 80)  # noqa: DTZ001
def test_the_instants_are_those_of_dateutil_in_the_zone(rule: str, start: datetime, zone: str, days: int) -> None:
    after = start.replace(tzinfo=UTC) + timedelta(days=days, hours=5)
    theirs = _theirs(rule, start, zone, after)
    assume(theirs or "COUNT" in rule)
    trigger = Rrule(rule, zone, start)
    ours = [at for at in _ours(trigger, after, SOME) if instant(at).year <= start.year + 119]
    assert ours == theirs[: len(ours)]
    assert len(ours) == SOME or len(ours) == len([at for at in theirs if instant(at).year <= start.year + 119])
    if len(ours) > 2:
        assert last_at_or_before(trigger, ours[2], after_us=microseconds(after)) == ours[2]
        assert trigger.next_after(ours[1] - 1) == ours[1]


@pytest.mark.parametrize("zone", ["Europe/London", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia"])
def test_a_time_in_a_gap_is_moved_forward_and_one_that_comes_twice_is_the_first(zone: str) -> None:
    rule = "FREQ=DAILY;BYHOUR=0,1,2,3;BYMINUTE=0,15,30,45"
    start = datetime(2011, 1, 1)  # noqa: DTZ001 - local time
    trigger = Rrule(rule, zone, start)
    walls = islice(rrulestr(rule, dtstart=start), 16 * 366)
    expected = sorted({microseconds(wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)) for wall in walls})
    assert _ours(trigger, datetime(2010, 12, 31, tzinfo=UTC), len(expected)) == expected


@pytest.mark.parametrize("until", ["20260301", "20260301T090000", "20260301T080000Z"])
def test_the_last_occurrence_of_until_counts(until: str) -> None:
    trigger = Rrule(f"FREQ=DAILY;UNTIL={until}", "Europe/Paris", datetime(2026, 2, 20, 9))  # noqa: DTZ001
    found = _ours(trigger, datetime(2026, 2, 27, tzinfo=UTC), 9)
    assert [instant(at) for at in found] == [
        datetime(2026, 2, 27, 8, tzinfo=UTC),
        datetime(2026, 2, 28, 8, tzinfo=UTC),
        datetime(2026, 3, 1, 8, tzinfo=UTC),
    ]


def test_dtstart_in_the_text_brings_its_own_zone() -> None:
    text = "DTSTART;TZID=America/New_York:20260101T090000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR"
    found = _ours(Rrule(text, "UTC"), datetime(2026, 3, 1, tzinfo=UTC), 2)
    assert [instant(at) for at in found] == [
        datetime(2026, 3, 27, 13, tzinfo=UTC),
        datetime(2026, 4, 24, 13, tzinfo=UTC),
    ]


def test_parts_in_another_order_are_the_same_rule() -> None:
    one = Rrule("FREQ=MONTHLY;BYDAY=1MO,FR;BYHOUR=9,8", "UTC")
    assert Rrule("BYHOUR=8,9;BYDAY=FR,+1MO;FREQ=MONTHLY;INTERVAL=1;WKST=MO", "UTC").describe() == one.describe()


REFUSED = {
    "INTERVAL=2": "needs FREQ",
    "FREQ=MINUTELY": "FREQ=MINUTELY is not taken",
    "FREQ=DAILY;BYSETPOS=1": "BYSETPOS does not go with FREQ=DAILY",
    "FREQ=MONTHLY;BYDAY=XX": "is no weekday",
    "FREQ=WEEKLY;BYDAY=1MO": "counts weekdays of a month",
    "FREQ=MONTHLY;BYMONTHDAY=32": "not a number from 1 to 31",
    "FREQ=DAILY;BYHOUR=24": "not a number from 0 to 23",
    "FREQ=DAILY;COUNT=3;UNTIL=20260101": "exclude each other",
    "FREQ=DAILY;UNTIL=20261301": "is not a date",
    "FREQ=DAILY;INTERVAL=0": "a number from 1 to 1000",
    "FREQ=DAILY;FREQ=DAILY": "is there twice",
    "FREQ=DAILY;BYMOON=1": "cannot be read",
    "FREQ=DAILY;INTERVAL=2": "does not say when it begins",
    "FREQ=MONTHLY": "does not say when it begins",
    "FREQ=DAILY;COUNT=2": "does not say when it begins",
    "EXDATE:20260101": "is not taken in a recurrence rule",
    "": "no recurrence rule",
    "DTSTART;TZID=Mars/Base:20260101\nRRULE:FREQ=DAILY": "not a known time zone",
    f"FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))};BYMINUTE={','.join(map(str, range(60)))};BYSECOND=0,1": "too many",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items())
def test_what_cannot_be_read_or_is_not_taken_is_refused(text: str, message: str) -> None:
    with pytest.raises(TriggerInvalid, match=message):
        Rrule(text, "UTC")


@settings(max_examples=300)
@given(st.text("FREQ=DAILYMONTH;BYSETPOUW0123456789-+,:TZ \n", max_size=60) | st.text(max_size=30))
def test_no_text_makes_the_parser_fail_otherwise_than_by_refusing_it(text: str) -> None:
    try:
        Rrule(text, "UTC")
    except TriggerInvalid:
        return


@pytest.mark.parametrize("rule", ["FREQ=DAILY", "FREQ=MONTHLY", "FREQ=YEARLY"])
def test_a_date_that_does_not_exist_never_comes(rule: str) -> None:
    assert Rrule(f"{rule};BYMONTH=2;BYMONTHDAY=30", "Europe/Paris").next_after(1_700_000_000 * SECOND_US) is None
