"""Zones as rows of segments of constant offset."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from daemon.clock import microseconds
from daemon.scheduler.triggers import Cron
from daemon.scheduler.triggers.zone import FOREVER_S, Segment, WallClock, forget_zones, zones_opened
from daemon.scheduler.triggers.zone_files import zone_files

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
    assert WallClock(zone).segment_at(1_790_000_000) == Segment(-FOREVER_S, FOREVER_S, 0, 0, 0)


def test_a_zone_without_clock_changes_has_segments_of_some_years() -> None:
    segment = WallClock("Asia/Tokyo").segment_at(_utc("2026-06-01T00:00"))
    assert segment == Segment(_utc("2025-01-01T00:00"), _utc("2028-01-01T00:00"), 9 * HOUR, 0, 0)


@pytest.mark.parametrize(("zone", "at", "offset_h", "shift_h"), CHANGES.values(), ids=CHANGES)
def test_a_segment_knows_the_clock_change_it_ends_with(zone: str, at: str, offset_h: float, shift_h: float) -> None:
    del offset_h
    assert WallClock(zone).segment_at(_utc(at) - 1).next_shift_s == shift_h * HOUR


@pytest.mark.parametrize(
    "zone", ["Europe/London", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca", "Asia/Gaza"]
)
def test_segments_follow_each_other_without_gap_and_give_the_zones_own_offsets(zone: str) -> None:
    clock, info = WallClock(zone), ZoneInfo(zone)
    at = _utc("2009-01-01T00:00")
    while at < _utc("2030-01-01T00:00"):
        segment = clock.segment_at(at)
        assert segment.start_s <= at < segment.end_s
        for probe in (segment.start_s, (segment.start_s + segment.end_s) // 2, segment.end_s - 1):
            offset = (EPOCH + timedelta(seconds=probe)).astimezone(info).utcoffset()
            assert offset == timedelta(seconds=segment.offset_s)
        at = segment.end_s


@pytest.mark.parametrize("zone", ["Europe/London", "Australia/Lord_Howe"])
def test_the_turn_of_the_year_is_no_clock_change(zone: str) -> None:
    clock = WallClock(zone)
    assert clock.segment_at(_utc("2027-01-01T00:00")) == clock.segment_at(_utc("2026-12-31T23:59"))


def test_a_clock_change_at_the_turn_of_the_year_is_one() -> None:
    clock = WallClock("Pacific/Enderbury")  # skipped the first of January 1995 at the date line
    at = _utc("1994-12-31T11:00")
    before, after = clock.segment_at(at - 1), clock.segment_at(at)
    assert (before.end_s, before.next_shift_s, after.start_s, after.shift_s) == (at, 24 * HOUR, at, 24 * HOUR)


def test_a_local_time_is_shown_with_its_zone() -> None:
    shown = WallClock("Europe/London").show(_utc("2026-07-01T12:00"))
    assert (shown.isoformat(), shown.tzname()) == ("2026-07-01T13:00:00+01:00", "BST")


# -- zones that change while the daemon runs ---------------------------------------------------------------------------


def _write_zone(folder: Path, name: str, like: str) -> None:
    """Make ``name`` a zone with the rules of another."""
    (folder / name).write_bytes((Path(str(files("tzdata"))) / "zoneinfo" / like).read_bytes())


@pytest.fixture
def own_zones(tmp_path: Path) -> Iterator[Path]:
    before = zoneinfo.TZPATH
    _write_zone(tmp_path, "Ward", "Europe/London")
    zoneinfo.reset_tzpath([tmp_path])
    yield tmp_path
    zoneinfo.reset_tzpath(before)
    forget_zones()


def test_a_trigger_goes_by_the_new_rules_of_its_zone_once_the_old_ones_are_forgotten(own_zones: Path) -> None:
    cron = Cron("0 12 * * *", "Ward")
    after_us = microseconds(datetime(2026, 7, 1, tzinfo=UTC))
    assert cron.next_after(after_us) == microseconds(datetime(2026, 7, 1, 11, tzinfo=UTC))
    _write_zone(own_zones, "Ward", "America/New_York")
    assert cron.next_after(after_us) == microseconds(datetime(2026, 7, 1, 11, tzinfo=UTC))
    forget_zones()
    assert cron.next_after(after_us) == microseconds(datetime(2026, 7, 1, 16, tzinfo=UTC))
    assert cron.clock.show(_utc("2026-07-01T16:00")).hour == 12


@pytest.mark.parametrize("damage", ["gone", "half written"])
def test_a_zone_that_cannot_be_read_again_stays_as_it_was(own_zones: Path, damage: str) -> None:
    clock = WallClock("Ward")
    before = clock.segment_at(_utc("2026-07-01T00:00"))
    if damage == "gone":
        (own_zones / "Ward").unlink()
    else:
        (own_zones / "Ward").write_bytes(b"TZif2")
    forget_zones()
    assert clock.segment_at(_utc("2026-07-01T00:00")) == before


def test_the_files_of_zones_look_otherwise_after_an_update(own_zones: Path) -> None:
    before = zone_files(["Ward"])
    assert zone_files(["Ward"]) == before
    assert before[0].path == str(own_zones / "Ward")
    _write_zone(own_zones, "Ward", "America/New_York")
    assert zone_files(["Ward"]) != before


@pytest.mark.usefixtures("own_zones")
def test_a_zone_that_the_system_lacks_is_looked_for_in_the_package() -> None:
    [found] = zone_files(["Europe/Paris"])
    assert found.path.endswith("zoneinfo/Europe/Paris")
    assert found.size_bytes > 0


def test_a_zone_without_a_file_has_an_empty_path() -> None:
    assert zone_files(["Nowhere/Land"])[0].path == ""


def test_the_files_looked_at_are_those_of_the_zones_in_use() -> None:
    WallClock("Pacific/Chatham")
    assert "Pacific/Chatham" in zones_opened()
    assert "Pacific/Chatham" in {one.zone for one in zone_files()}
