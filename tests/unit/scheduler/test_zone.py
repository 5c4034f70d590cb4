"""Zones as rows of segments of constant offset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from daemon.scheduler.triggers.zone import FOREVER_S, Segment, WallClock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = 3600


def _utc(text: str) -> int:
    return int((datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH).total_seconds())


CHANGES = {
    "London, spring": ("Europe/London", "2026-03-29T01:00", 1.0, 1.0),
    "London, autumn": ("Europe/London", "2026-10-25T01:00", 0.0, -1.0),
    "New York, spring": ("America/New_York", "2026-03-08T07:00", -4.0, 1.0),
    "New York, autumn": ("America/New_York", "2026-11-01T06:00", -5.0, -1.0),
    "Lord Howe, spring: half an hour": ("Australia/Lord_Howe", "2026-10-03T15:30", 11.0, 0.5),
    "Lord Howe, autumn: half an hour": ("Australia/Lord_Howe", "2026-04-04T15:00", 10.5, -0.5),
    "Casablanca, as Ramadan begins": ("Africa/Casablanca", "2026-02-15T02:00", 0.0, -1.0),
    "Casablanca, as Ramadan ends": ("Africa/Casablanca", "2026-03-22T02:00", 1.0, 1.0),
    "Troll, spring: two hours": ("Antarctica/Troll", "2026-03-29T01:00", 2.0, 2.0),
    "Troll, autumn: two hours": ("Antarctica/Troll", "2026-10-25T01:00", 0.0, -2.0),
    "Chatham, spring": ("Pacific/Chatham", "2026-09-26T14:00", 13.75, 1.0),
    "Chatham, autumn": ("Pacific/Chatham", "2026-04-04T14:00", 12.75, -1.0),
    "Apia, over the date line": ("Pacific/Apia", "2011-12-30T10:00", 14.0, 24.0),
    "Casey, three hours back": ("Antarctica/Casey", "2020-03-07T16:00", 8.0, -3.0),
}


@pytest.mark.parametrize(("zone", "at", "offset_h", "shift_h"), CHANGES.values(), ids=CHANGES)
def test_a_clock_change_begins_a_segment(zone: str, at: str, offset_h: float, shift_h: float) -> None:
    begins = WallClock(zone).segment_at(_utc(at))
    assert (begins.start_s, begins.offset_s, begins.shift_s) == (_utc(at), offset_h * HOUR, shift_h * HOUR)


@pytest.mark.parametrize(("zone", "at", "offset_h", "shift_h"), CHANGES.values(), ids=CHANGES)
def test_the_second_before_a_clock_change_belongs_to_the_segment_before(
    zone: str, at: str, offset_h: float, shift_h: float
) -> None:
    before = WallClock(zone).segment_at(_utc(at) - 1)
    assert (before.end_s, before.offset_s) == (_utc(at), (offset_h - shift_h) * HOUR)


@pytest.mark.parametrize("zone", ["UTC", "Etc/UTC", "Zulu", "Universal"])
def test_utc_is_one_segment(zone: str) -> None:
    assert WallClock(zone).segment_at(1_790_000_000) == Segment(-FOREVER_S, FOREVER_S, 0, 0)


def test_a_zone_without_clock_changes_has_one_segment_a_year() -> None:
    segment = WallClock("Asia/Tokyo").segment_at(_utc("2026-06-01T00:00"))
    assert segment == Segment(_utc("2026-01-01T00:00"), _utc("2027-01-01T00:00"), 9 * HOUR, 0)


@pytest.mark.parametrize(
    "zone", ["Europe/London", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca", "Asia/Gaza"]
)
def test_segments_follow_each_other_without_gap_and_give_the_zones_own_offsets(zone: str) -> None:
    clock, info = WallClock(zone), ZoneInfo(zone)
    at = _utc("2009-01-01T00:00")
    while at < _utc("2030-01-01T00:00"):
        segment = clock.segment_at(at)
        assert segment.start_s == at
        for probe in (segment.start_s, (segment.start_s + segment.end_s) // 2, segment.end_s - 1):
            offset = (EPOCH + timedelta(seconds=probe)).astimezone(info).utcoffset()
            assert offset == timedelta(seconds=segment.offset_s)
        at = segment.end_s


@pytest.mark.parametrize("zone", ["Europe/London", "Australia/Lord_Howe"])
def test_the_turn_of_the_year_is_no_clock_change(zone: str) -> None:
    turn = WallClock(zone).segment_at(_utc("2027-01-01T00:00"))
    assert (turn.start_s, turn.shift_s) == (_utc("2027-01-01T00:00"), 0)


def test_a_local_time_is_shown_with_its_zone() -> None:
    shown = WallClock("Europe/London").show(_utc("2026-07-01T12:00"))
    assert (shown.isoformat(), shown.tzname()) == ("2026-07-01T13:00:00+01:00", "BST")
