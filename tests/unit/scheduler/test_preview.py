"""The preview of coming occurrences, and its notes where the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

import pytest

from daemon.clock import SECOND_US, microseconds
from daemon.scheduler.preview import preview
from daemon.scheduler.triggers import Cron, Crontab, CrontabMode, Dst, DstPolicy, Fold, Gap, Interval, Trigger
from daemon.scheduler.triggers.excluding import Excluding, Stretch
from daemon.scheduler.triggers.spread import Shifted
from daemon.scheduler.triggers.union import Union
from daemon.scheduler.triggers.window import Window

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
    expression: str, dst: DstPolicy, zone: str, start: str, expected: list[tuple[str, str]]
) -> None:
    after_us = microseconds(datetime.fromisoformat(start).replace(tzinfo=UTC))
    fires = islice(preview(Cron(expression, zone, dst), zone, after_us), len(expected))
    assert [(f"{fire.local:%d %H:%M}", fire.note) for fire in fires] == expected


SPRING, AUTUMN = "2026-03-28T12:00", "2026-10-24T12:00"
MISSING = "2026-03-29 01:30 does not exist, the clocks go forward"
LAST = "the clocks went back; this time of day came twice, fires the last time only"
ONE = Gap.SHIFT_ONE

POLICY_NOTES = {
    "not made up": ("30 1 * * *", Dst.SKIP_GAP, SPRING, [("30 01:30", f"{MISSING}; does not fire")]),
    "made up, wildcard too": ("30-59/30 * * * *", Dst.ONCE_FIRST, "2026-03-29T00:20",
                              [("29 00:30", ""), ("29 02:00", f"{MISSING}; fires right after"), ("29 02:30", "")]),
    "moved": ("30 1 * * *", Dst.SHIFT_GAP, SPRING, [("29 02:30", f"{MISSING}; fires 1 h later"), ("30 01:30", "")]),
    "each moved": (
        "15,30 1 * * *", Dst.SHIFT_GAP, SPRING,
        [("29 02:15", "2026-03-29 01:15 does not exist, the clocks go forward; fires 1 h later"),
         ("29 02:30", f"{MISSING}; fires 1 h later"), ("30 01:15", "")],
    ),
    "moved among usual ones": (
        "0 2 * * *", Dst.SHIFT_GAP, SPRING, [("29 02:00", ""), ("30 02:00", "")]),
    "one moved": ("30 1 * * *", DstPolicy(ONE, Fold.FIRST), SPRING, [("29 02:30", f"{MISSING}; fires 1 h later")]),
    "one moved, the others lost": (
        "30,45 1 * * *", DstPolicy(ONE, Fold.FIRST), SPRING,
        [("29 02:30", f"{MISSING}; fires 1 h later, others that were due until then do not"), ("30 01:30", "")],
    ),
    "the last of two": ("30 1 * * *", Dst.ONCE_LAST, AUTUMN, [("25 01:30", LAST), ("26 01:30", "")]),
    "the first of two, wildcard too": ("*/30 1 * * *", Dst.ONCE_FIRST, AUTUMN, [("25 01:00", ONCE), ("25 01:30", ONCE)]),
}  # fmt: skip


@pytest.mark.parametrize(("expression", "dst", "start", "expected"), POLICY_NOTES.values(), ids=POLICY_NOTES)
def test_every_policy_has_its_notes(
    expression: str, dst: DstPolicy, start: str, expected: list[tuple[str, str]]
) -> None:
    assert _noted(Cron(expression, "Europe/London", dst), start, len(expected)) == expected


OLD = CrontabMode.CELERY_5_4
CHANGED = "the clocks were changed since the last fire"

CRONTAB_NOTES = {
    "moved": ("30 1 * * *", CrontabMode.CELERY, SPRING, [("29 02:30", f"{MISSING}; fires 1 h later"), ("30 01:30", "")]),
    "silent in the repeated hour": (
        "30 * * * *", CrontabMode.CELERY, "2026-10-25T00:00", [("25 01:30", ONCE), ("25 02:30", "")]),
    "made up, old beat": ("30 1 * * *", CrontabMode.CELERY_5_4_BEAT, SPRING, [("29 02:00", f"{MISSING}; fires right after")]),
    "late, old": ("30 1 * * *", OLD, SPRING, [("29 02:30", f"{CHANGED}; 01:30 fires 1 h late"), ("30 01:30", "")]),
    "early and again, old": (
        "30 2 * * *", OLD, AUTUMN, [("25 01:30", f"{CHANGED}; 02:30 fires 1 h early"), ("25 02:30", "")]),
    "through the repeated hour, old": (
        "30 * * * *", OLD, "2026-10-25T00:00", [("25 01:30", TWICE), ("25 01:30", SECOND), ("25 02:30", "")]),
    "the first time only, old": ("30 1 * * *", OLD, AUTUMN, [("25 01:30", ONCE)]),
    "late, old, asked after the change": (
        "30 1 * * *", OLD, "2026-03-29T01:10", [("29 02:30", f"{CHANGED}; 01:30 fires 1 h late")]),
    "on a plain day": ("0 2 * * *", OLD, "2026-06-01", [("01 02:00", "")]),
}  # fmt: skip


@pytest.mark.parametrize(("expression", "mode", "start", "expected"), CRONTAB_NOTES.values(), ids=CRONTAB_NOTES)
def test_every_mode_of_a_crontab_has_its_notes(
    expression: str, mode: CrontabMode, start: str, expected: list[tuple[str, str]]
) -> None:
    assert _noted(Crontab(expression, "Europe/London", mode), start, len(expected)) == expected


WRAPPED = {
    "several rules": Union((Cron("30 1 * * *", "Europe/London"), Interval(7 * 86_400 * SECOND_US))),
    "a window": Window(Cron("30 1 * * *", "Europe/London"), start_us=0),
    "exclusions": Excluding(Cron("30 1 * * *", "Europe/London"), [Stretch(0, 1)]),
    "moved": Shifted(Cron("30 1 * * *", "Europe/London"), 5 * SECOND_US),
}


@pytest.mark.parametrize("trigger", WRAPPED.values(), ids=WRAPPED)
def test_what_is_built_upon_a_cron_has_its_notes(trigger: Trigger) -> None:
    assert _noted(trigger, SPRING, 1)[0][1] == f"{MISSING}; fires right after"


def test_half_an_hour_is_written_as_minutes() -> None:
    trigger = Crontab("0 5 * * *", "Australia/Lord_Howe", OLD)
    assert _noted(trigger, "2026-10-03T00:00", 1) == [("04 05:30", f"{CHANGED}; 05:00 fires 30 min late")]


def _noted(trigger: Trigger, start: str, count: int) -> list[tuple[str, str]]:
    after_us = microseconds(datetime.fromisoformat(start).replace(tzinfo=UTC))
    return [(f"{fire.local:%d %H:%M}", fire.note) for fire in islice(preview(trigger, "UTC", after_us), count)]


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
