"""Celery's crontab: its grammar at our door, and its ways when the clocks change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from daemon.clock import SECOND_US, microseconds
from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.triggers import Cron, Crontab, CrontabMode, Dst, WallTrigger
from daemon.scheduler.triggers.crontab_fields import FieldValue

NOW, OLD, BEAT = CrontabMode.CELERY, CrontabMode.CELERY_5_4, CrontabMode.CELERY_5_4_BEAT


def _us(text: str) -> int:
    return microseconds(datetime.fromisoformat(text).replace(tzinfo=UTC))


def _fires(trigger: WallTrigger, start: str, end: str) -> list[str]:
    """Give the fires in [start, end) of UTC, as local times."""
    found = []
    at_us = trigger.next_after(_us(start) - 1)
    while at_us is not None and at_us < _us(end):
        found.append(f"{trigger.clock.show(at_us // SECOND_US):%d %H:%M%z}")
        at_us = trigger.next_after(at_us)
    return found


# -- when it fires -----------------------------------------------------------------------------------------------------

SPRING_LONDON = ("Europe/London", "2026-03-28T12:00", "2026-03-29T12:00")
AUTUMN_LONDON = ("Europe/London", "2026-10-24T12:00", "2026-10-25T12:00")
AFTER_AUTUMN_LONDON = ("Europe/London", "2026-10-25T12:00", "2026-10-26T12:00")
AUTUMN_NEW_YORK = ("America/New_York", "2026-11-01T00:00", "2026-11-01T12:00")
SPRING_LORD_HOWE = ("Australia/Lord_Howe", "2026-10-03T13:00", "2026-10-03T20:00")
HOURS_OF_AUTUMN = ("Europe/London", "2026-10-25T00:00", "2026-10-25T03:00")

Window = tuple[str, str, str]
CHANGES: dict[str, tuple[str, CrontabMode, Window, list[str]]] = {
    "skipped, later by an hour": ("30 1 * * *", NOW, SPRING_LONDON, ["29 02:30+0100"]),
    "skipped, later by an hour, old": ("30 1 * * *", OLD, SPRING_LONDON, ["29 02:30+0100"]),
    "skipped, right after, old beat": ("30 1 * * *", BEAT, SPRING_LONDON, ["29 02:00+0100"]),
    "several skipped, one fire": ("*/30 1 * * *", NOW, SPRING_LONDON, ["29 02:00+0100"]),
    "nothing else until the late one": (
        "45 1,2 * * *", NOW, ("Europe/London", "2026-03-29T00:00", "2026-03-29T03:00"), ["29 02:45+0100"]),
    "what is due before the late one is lost": (
        "15,45 1,2 * * *", NOW, SPRING_LONDON, ["29 02:15+0100", "29 02:45+0100"]),
    "minutes that only the other hour has": ("50 1 * * *", NOW, SPRING_LONDON, ["29 02:50+0100"]),
    "half an hour skipped": ("10,35 * * * *", NOW, ("Australia/Lord_Howe", "2026-10-03T15:00", "2026-10-03T17:00"),
                             ["04 01:35+1030", "04 02:40+1100", "04 03:10+1100", "04 03:35+1100"]),
    "long after the change": ("0 5 * * *", NOW, SPRING_LORD_HOWE, ["04 05:00+1100"]),
    "long after the change, old": ("0 5 * * *", OLD, SPRING_LORD_HOWE, ["04 05:30+1100"]),
    "long after the change, old beat": ("0 5 * * *", BEAT, SPRING_LORD_HOWE, ["04 05:00+1100"]),
    "twice, the first": ("30 1 * * *", NOW, AUTUMN_LONDON, ["25 01:30+0100"]),
    "twice, the first, old": ("30 1 * * *", OLD, AUTUMN_LONDON, ["25 01:30+0100"]),
    "the day after, old": ("30 1 * * *", OLD, AFTER_AUTUMN_LONDON, ["26 00:30+0000", "26 01:30+0000"]),
    "not repeated, old": ("30 2 * * *", OLD, AUTUMN_NEW_YORK, ["01 01:30-0500", "01 02:30-0500"]),
    "not repeated": ("30 2 * * *", NOW, AUTUMN_NEW_YORK, ["01 02:30-0500"]),
    "silent for an hour": ("0 * * * *", NOW, HOURS_OF_AUTUMN, ["25 01:00+0100", "25 02:00+0000"]),
    "silent for an hour, old beat": ("0 * * * *", BEAT, HOURS_OF_AUTUMN, ["25 01:00+0100", "25 02:00+0000"]),
    "through the hour, old": ("0 * * * *", OLD, HOURS_OF_AUTUMN, ["25 01:00+0100", "25 01:00+0000", "25 02:00+0000"]),
}  # fmt: skip


@pytest.mark.parametrize(("expression", "mode", "window", "expected"), CHANGES.values(), ids=CHANGES)
def test_over_clock_changes_it_fires_as_celery_does(
    expression: str, mode: CrontabMode, window: Window, expected: list[str]
) -> None:
    zone, start, end = window
    assert _fires(Crontab(expression, zone, mode), start, end) == expected


def test_an_old_one_that_fires_once_a_year_is_not_moved_by_the_clock_changes_between() -> None:
    trigger = Crontab("0 12 1 7 *", "Europe/London", OLD)
    assert _fires(trigger, "2026-01-01T00:00", "2028-01-01T00:00") == ["01 12:00+0100", "01 12:00+0100"]


def test_an_old_one_asked_from_anywhere_remembers_the_offset_of_its_last_fire() -> None:
    trigger = Crontab("0 12 15 * *", "Europe/London", OLD)
    late_us = _us("2026-04-15T12:00")  # 13:00 in summer time: the wait began in winter
    for day in ("2026-03-15T12:00", "2026-03-20T00:00", "2026-04-01T00:00", "2026-04-15T11:59"):
        assert trigger.next_after(_us(day)) == late_us
    assert trigger.next_after(late_us) == _us("2026-05-15T11:00")


def test_an_old_one_that_waits_for_years_is_found() -> None:
    trigger = Crontab("0 0 29 2 1", "Europe/London", OLD)
    assert trigger.next_after(_us("2026-01-01T00:00")) == _us("2044-02-29T00:00")


@pytest.mark.parametrize("mode", CrontabMode)
def test_in_utc_all_are_the_same(mode: CrontabMode) -> None:
    assert _fires(Crontab("*/20 1 * * *", "UTC", mode), "2026-03-29T00:00", "2026-03-30T00:00") == [
        "29 01:00+0000",
        "29 01:20+0000",
        "29 01:40+0000",
    ]


def test_all_day_fields_must_match() -> None:
    found = Crontab("0 0 1-7 * mon", "UTC").next_after(_us("2026-09-08T00:00"))
    assert found == _us("2026-10-05T00:00")
    assert Cron("0 0 1-7 * mon", "UTC").next_after(_us("2026-09-08T00:00")) == _us("2026-09-14T00:00")


# -- what may be written -----------------------------------------------------------------------------------------------

WRITTEN = {
    "* * * * *": "* * * * *",
    "*/15 0-23 1-31 jan-dec sun-sat": "0,15,30,45 * * * *",
    "0 22-2 * * *": "0 0,1,2,22,23 * * *",
    "0 0 30-2 nov-february *": "0 0 1,2,30,31 1,2,11,12 *",
    "0 0 * * fri-mon": "0 0 * * 0,1,5,6",
    "0 0 * * Saturday-sunday": "0 0 * * 0,6",
    "50-10/10 * * * *": "0,10,50 * * * *",
    "5-5 * * * *": "5 * * * *",
    "10-20/50 */100 * * *": "10 0 * * *",
    "  07\t0  * * * ": "7 0 * * *",
}


@pytest.mark.parametrize(("expression", "expected"), WRITTEN.items())
def test_what_celery_reads_is_read_so(expression: str, expected: str) -> None:
    assert Crontab(expression, "UTC").expression == expected


def test_triggers_of_the_same_instants_are_described_alike() -> None:
    assert Crontab("*/30 * * * *", "UTC").describe() == Crontab("0,30 * * * 0-6", "UTC").describe()
    described = {Crontab("0 2 * * *", "Europe/London", mode).describe() for mode in CrontabMode}
    assert len(described | {Cron("0 2 * * *", "Europe/London", Dst.CRON).describe()}) == 4


MINUTE, DAY = "it takes 0-59; lists, ranges, */5, 1-9/2", "it takes 0-6, sun-sat; lists, ranges, */5, 1-9/2"


def _seems(field: str, item: str, read: str) -> str:
    return f'{field} "{item}" is not what it seems: Celery reads it as {read}; write "{read}" if you mean that'


REFUSED = {
    "* * * *": "4 fields; a crontab has minute, hour, day of month, month, day of week",
    "@daily": "1 fields; a crontab has minute, hour, day of month, month, day of week",
    "* * * * 7": 'day of week "7" cannot be read; Sunday is 0',
    "* * * * 0-7": f'day of week "0-7" cannot be read; {DAY}',
    "* * * * L": f'day of week "L" cannot be read; {DAY}',
    "60 * * * *": f'minute "60" cannot be read; {MINUTE}',
    "5/2 * * * *": f'minute "5/2" cannot be read; {MINUTE}',
    "*/0 * * * *": f'minute "*/0" cannot be read; {MINUTE}',
    "*/ * * * *": f'minute "*/" cannot be read; {MINUTE}',
    "1, * * * *": f'minute "" cannot be read; {MINUTE}',
    "* * * * mon#5": _seems("day of week", "mon#5", "1"),
    "* * * * 1-5#2": _seems("day of week", "1-5#2", "1,2,3,4,5"),
    "*/20-10 * * * *": _seems("minute", "*/20-10", "0,20,40"),
    "1-5/2;9 * * * *": _seems("minute", "1-5/2;9", "1,3,5"),
    "1-2-3 * * * *": _seems("minute", "1-2-3", "1,2"),
    "jan * * * *": _seems("minute", "jan", "1"),
    "+5 * * * *": _seems("minute", "+5", "5"),
    "1_0 * * * *": _seems("minute", "1_0", "10"),
    "\u0661 * * * *": _seems("minute", "\u0661", "1"),
    "* * * mon *": _seems("month", "mon", "1"),
    "* * * * feb": _seems("day of week", "feb", "2"),
    "* * * * sundayish": _seems("day of week", "sundayish", "0"),
    "* * 31 feb *": "no month of 2 has a day 31: it never fires",
    "* * 30-31 2 mon": "no month of 2 has a day 30,31: it never fires",
    "* * 31 4,6,9,11 *": "no month of 4,6,9,11 has a day 31: it never fires",
}


@pytest.mark.parametrize(("expression", "expected"), REFUSED.items())
def test_what_celery_refuses_or_misreads_is_refused_with_the_reason(expression: str, expected: str) -> None:
    with pytest.raises(TriggerInvalid) as caught:
        Crontab(expression, "UTC")
    assert (f"{caught.value}; {caught.value.hint}" if caught.value.hint else str(caught.value)) == expected


def test_ten_thousand_items_are_refused_before_they_are_read() -> None:
    with pytest.raises(TriggerInvalid, match="minute of more than 256 characters"):
        Crontab(",".join("1" * 10_000) + " * * * *", "UTC")


# -- what an application may give --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minute", "expected"),
    [
        (7, "7"), ({30, 0}, "0,30"), ([5, 1], "1,5"), ((1, 1), "1"), (range(0, 60, 20), "0,20,40"),
        ("*/20", "0,20,40"), ("0, 30", "0,30"), (frozenset({9}), "9"), (range(60), "*"),
    ],
)  # fmt: skip
def test_a_field_is_text_or_numbers(minute: FieldValue, expected: str) -> None:
    assert Crontab.of(minute=minute, zone="UTC").expression == f"{expected} * * * *"


def test_the_fields_go_by_their_names() -> None:
    made = Crontab.of(minute=1, hour=2, day_of_month=3, month_of_year=4, day_of_week=5, zone="UTC", mode=OLD)
    assert made.describe() == "crontab 1 2 3 4 5 in UTC dst celery-5.4"


@pytest.mark.parametrize(
    ("minute", "expected"),
    [
        (60, "minute 60 is no number from 0 to 59"),
        ([1, -1], "minute -1 is no number from 0 to 59"),
        ([1.0], "minute 1.0 is no number from 0 to 59"),
        ([], "minute names no value: it never fires"),
        (True, "minute True is no number from 0 to 59"),
        (1.5, "minute is 1.5"),
        (None, "minute is None"),
    ],
)
def test_a_field_of_anything_else_is_refused(minute: Iterable[int] | int, expected: str) -> None:
    with pytest.raises(TriggerInvalid) as caught:
        Crontab.of(minute=minute, zone="UTC")
    assert str(caught.value) == expected
