"""Celery's schedules as keys of a site file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from daemon.public import Public
from daemon.settings.values import parse_duration_s
from daemon.sources.celery_schedule import (
    LATE,
    clocked_keys,
    crontab_keys,
    dst_of,
    interval_keys,
    rrule_keys,
    solar_keys,
    span,
)
from daemon.sources.fitting import fitted
from daemon.sources.sourced import Unfit

ZONE = Public("UTC")


def test_a_crontab_has_the_usual_order_of_fields_its_zone_and_celerys_days() -> None:
    keys = crontab_keys({"minute": 0, "hour": "2", "day_of_week": "1", "day_of_month": "1-7"}, "Europe/Berlin")
    assert keys == ({"cron": "0 2 1-7 * 1", "dst": "celery", "timezone": "Europe/Berlin"}, ())


@pytest.mark.parametrize("zone", [None, "<LocalTimezone: UTC+02>"])
def test_a_zone_only_the_source_knows_is_the_sites_and_said(zone: str | None) -> None:
    keys = crontab_keys({}, zone)
    assert "timezone" not in keys.data
    assert "here the site's counts" in keys.differences[0]


def test_an_interval_is_counted_from_the_first_start() -> None:
    assert interval_keys(900.0) == ({"every": "15m", "anchor": "start"}, (LATE,))


def test_a_relative_interval_rounds_in_the_applications_zone() -> None:
    assert interval_keys(7200, relative=True, zone="Europe/Berlin").data == {
        "every": "2h",
        "relative": True,
        "timezone": "Europe/Berlin",
    }


@pytest.mark.parametrize(
    ("seconds", "every"), [(60, "1m"), (90, "1m"), (5400, "1h"), (9000, "2h"), (129_600, "1d"), (1_209_600, "2w")]
)
def test_what_celery_makes_of_a_relative_interval_is_written_and_said(seconds: float, every: str) -> None:
    keys = interval_keys(seconds, relative=True, zone="UTC")
    assert keys.data == {"every": every, "relative": True, "timezone": "UTC"}
    assert ("Celery rounds" in "".join(keys.differences)) is (span(seconds) != every)
    fitted(Public("e"), {"task": "t", **keys.data}, ZONE)


def test_below_a_minute_nothing_is_rounded() -> None:
    assert interval_keys(30, relative=True, zone="UTC").data == {"every": "30s", "anchor": "start"}


@pytest.mark.parametrize("seconds", [0, -5, float("nan")])
def test_an_interval_of_no_time_stays_behind(seconds: float) -> None:
    with pytest.raises(Unfit):
        interval_keys(seconds)


@pytest.mark.parametrize("seconds", [604_800, 86_400, 90_000, 5400, 90, 30, 1.5, 0.5, 0.25, 0.000_5, 1 / 3])
def test_a_span_is_read_back_as_the_same_time(seconds: float) -> None:
    assert parse_duration_s(span(seconds)) == pytest.approx(seconds, abs=1e-6)


def test_solar_and_clocked_keep_place_and_instant() -> None:
    assert solar_keys("sunset", 48.1, 11.5).data == {"solar": {"event": "sunset", "latitude": 48.1, "longitude": 11.5}}
    at = datetime(2027, 1, 1, 9, tzinfo=timezone(timedelta(hours=1)))
    assert clocked_keys(at).data == {"at": datetime(2027, 1, 1, 8, tzinfo=UTC)}


START = datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"freq": 1, "byweekday": [(0, 1)]}, "FREQ=MONTHLY;BYDAY=+1MO"),
        ({"freq": "weekly", "interval": 2, "byweekday": [0, (4, None)], "wkst": 6}, "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=MO,FR"),
        ({"freq": 3, "byhour": [8, 20], "byminute": 0, "bysecond": 0}, "FREQ=DAILY;BYHOUR=8,20;BYMINUTE=0;BYSECOND=0"),
        ({"freq": 3, "count": 5}, "FREQ=DAILY;COUNT=5"),
        ({"freq": 3, "until": START + timedelta(days=3)}, "FREQ=DAILY;UNTIL=20260108T090000Z"),
        ({"freq": 1, "byweekday": (4, -1)}, "FREQ=MONTHLY;BYDAY=-1FR"),
        ({"freq": 0, "bymonth": 3, "bymonthday": [1, -1]}, "FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=1,-1"),
    ],
)  # fmt: skip
def test_a_recurrence_rule_is_written_as_rfc_5545_has_it(rule: dict[str, Any], text: str) -> None:
    keys = rrule_keys({**rule, "dtstart": START})
    assert keys.data == {"rrule": text, "start": START, "timezone": "UTC"}
    fitted(Public("e"), {"task": "t", **keys.data}, ZONE)


def test_a_rule_keeps_the_zone_of_its_start_or_its_distance_from_utc() -> None:
    start = datetime(2026, 1, 5, 9, tzinfo=timezone(timedelta(hours=2)))
    assert rrule_keys({"freq": 3, "dtstart": start}).data["timezone"] == "Etc/GMT-2"
    assert rrule_keys({"freq": 3, "dtstart": start, "timezone": "Africa/Cairo"}).data["timezone"] == "Africa/Cairo"
    with pytest.raises(Unfit):
        rrule_keys({"freq": 3, "dtstart": datetime(2026, 1, 5, tzinfo=timezone(timedelta(hours=5, minutes=30)))})


@pytest.mark.parametrize(
    "rule", [{"freq": 3, "byeaster": 0}, {"freq": 9}, {"freq": "hourlyish"}, {"freq": 2, "byweekday": [7]}]
)
def test_a_rule_nobody_can_read_stays_behind(rule: dict[str, Any]) -> None:
    with pytest.raises(Unfit):
        rrule_keys(rule)


@pytest.mark.parametrize(
    ("version", "dst"),
    [
        ("5.7.0", "celery"), ("5.5.2", "celery"), ("5.5.1", "celery-5.4"), ("5.4.0", "celery-5.4"), ("5.3.6", "celery-5.4"),
        ("", "celery"), ("6.0.0rc1", "celery"),
    ],
)  # fmt: skip
def test_the_release_of_celery_decides_what_becomes_of_clock_changes(version: str, dst: str) -> None:
    assert dst_of(version) == dst
    fitted(Public("e"), {"task": "t", **crontab_keys({"hour": "2"}, "Europe/Berlin", dst=dst).data}, ZONE)
