"""The preview of coming occurrences, and its notes where the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

import pytest

from daemon.clock import SECOND_US, microseconds
from daemon.scheduler.preview import preview
from daemon.scheduler.triggers import Cron, Dst, Interval

ONCE = "the clocks go back; this time of day comes twice, fires the first time only"
TWICE = "the clocks go back; this time of day comes twice, fires both times"
SECOND = "the clocks went back; this time of day comes for the second time"

CRON, INSTANT = Dst.CRON, Dst.INSTANT

NOTES = {
    "a plain day": ("0 2 * * *", CRON, "Europe/London", "2026-06-01", [("01 02:00", "")]),
    "skipped, fires right after": (
        "30 1 * * *", CRON, "Europe/London", "2026-03-28T12:00",
        [("29 02:00", "2026-03-29 01:30 does not exist, the clocks go forward; fires right after"), ("30 01:30", "")],
    ),
    "skipped, does not fire": (
        "30 1 * * *", INSTANT, "Europe/London", "2026-03-28T12:00",
        [("30 01:30", "2026-03-29 01:30 does not exist, the clocks go forward; does not fire"), ("31 01:30", "")],
    ),
    "skipped in a month without another fire": (
        "30 1 29 * *", INSTANT, "Europe/London", "2026-03-28T12:00",
        [("29 01:30", "2026-03-29 01:30 does not exist, the clocks go forward; does not fire")],
    ),
    "skipped in a year without another fire": (
        "30 1 29 3 *", INSTANT, "Europe/London", "2026-03-28T12:00",
        [("29 01:30", "2026-03-29 01:30 does not exist, the clocks go forward; does not fire"), ("29 01:30", "")],
    ),
    "a wildcard skips nothing of note": (
        "*/30 1 * * *", CRON, "Europe/London", "2026-03-28T12:00", [("30 01:00", "")],
    ),
    "repeated, fires once": (
        "30 1 * * *", CRON, "Europe/London", "2026-10-24T12:00", [("25 01:30", ONCE), ("26 01:30", "")],
    ),
    "repeated, fires twice": (
        "30 1 * * *", INSTANT, "Europe/London", "2026-10-24T12:00",
        [("25 01:30", TWICE), ("25 01:30", SECOND), ("26 01:30", "")],
    ),
    "a wildcard fires both times": (
        "*/30 1 * * *", CRON, "Europe/London", "2026-10-24T12:00",
        [("25 01:00", TWICE), ("25 01:30", TWICE), ("25 01:00", SECOND), ("25 01:30", SECOND), ("26 01:00", "")],
    ),
    "just before and after the repeated hour": (
        "59 0,2 * * *", CRON, "Europe/London", "2026-10-24T12:00", [("25 00:59", ""), ("25 02:59", "")],
    ),
    "half an hour repeated": (
        "15,45 1 * * *", CRON, "Australia/Lord_Howe", "2026-04-04T12:00", [("05 01:15", ""), ("05 01:45", ONCE)],
    ),
    "a day that does not exist": (
        "0 12 * * *", CRON, "Pacific/Apia", "2011-12-30T00:00",
        [("31 12:00", "2011-12-30 12:00 does not exist, the clocks go forward; does not fire"), ("01 12:00", "")],
    ),
    "a clock set by three hours": (
        "30 1 * * *", CRON, "Antarctica/Casey", "2020-03-07T12:00", [("08 01:30", TWICE), ("08 01:30", SECOND)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("expression", "dst", "zone", "start", "expected"), NOTES.values(), ids=NOTES)
def test_a_note_says_what_is_odd_about_a_fire(
    expression: str, dst: Dst, zone: str, start: str, expected: list[tuple[str, str]]
) -> None:
    after_us = microseconds(datetime.fromisoformat(start).replace(tzinfo=UTC))
    fires = islice(preview(Cron(expression, zone, dst), zone, after_us), len(expected))
    assert [(f"{fire.local:%d %H:%M}", fire.note) for fire in fires] == expected


def test_an_interval_is_shown_in_the_zone_it_is_asked_for() -> None:
    after_us = microseconds(datetime(2026, 7, 1, tzinfo=UTC))
    first = next(preview(Interval(1_500_000), "America/New_York", after_us))
    assert first.local.isoformat() == "2026-06-30T20:00:01.500000-04:00"
    assert first.at_us == after_us + 3 * SECOND_US // 2


def test_a_preview_ends_when_nothing_fires_any_more() -> None:
    assert len(list(preview(Cron("0 0 1 1 * 0 2030,2031", "UTC"), "UTC", 0))) == 2


def test_a_preview_begins_strictly_after() -> None:
    after_us = microseconds(datetime(2026, 7, 1, 2, tzinfo=UTC))
    assert next(preview(Cron("0 2 * * *", "UTC"), "UTC", after_us)).local.day == 2
