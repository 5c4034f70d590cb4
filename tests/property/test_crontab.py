"""Celery's crontab against Celery: what its parser takes, and what it makes of it."""

from __future__ import annotations

from typing import Any

from celery import schedules
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.triggers import Crontab
from daemon.scheduler.triggers.crontab_fields import FIELDS, Field, crontab_fields, loosely

_parser: Any = schedules.crontab_parser  # has no types
_crontab: Any = schedules.crontab

pieces = st.sampled_from(
    (
        *("*", "0", "1", "5", "7", "12", "23", "31", "59", "60", "-", "-", "/", "/", ",", "#", "L", "W", "?", "+", "_"),
        *(" ", "mon", "FRI", "sunday", "jan", "Dec", "february", "sundayish", "m", "ju", "\u0661", "\uff15", "11111"),
    )
)
fields = st.sampled_from(FIELDS)
texts = st.lists(pieces, max_size=6).map("".join) | st.text("0123456789*,-/#lw_+ monfriju", max_size=12)


def _celerys(text: str, field: Field) -> set[int] | None:
    """Give what Celery makes of a field; ``None`` if it refuses it."""
    try:
        found: set[int] = _crontab._expand_cronspec(text, field.high - field.low + 1, field.low)
    except (ValueError, IndexError, schedules.ParseException):
        return None
    return found


def _ours(text: str, field: Field) -> set[int] | TriggerInvalid:
    given = ["*"] * len(FIELDS)
    given[FIELDS.index(field)] = text
    try:
        read = crontab_fields(given)
    except TriggerInvalid as error:
        return error
    mask = (read.minutes, read.hours, read.days, read.months, read.weekdays)[FIELDS.index(field)]
    return {value for value in range(60) if mask >> value & 1}


@settings(max_examples=1500)
@given(texts, fields)
@example("*/5-10", FIELDS[0])
@example("mon#5", FIELDS[4])
def test_what_is_read_means_what_celery_reads_and_what_celery_refuses_is_refused(text: str, field: Field) -> None:
    ours, theirs = _ours(text, field), _celerys(text, field)
    if isinstance(ours, TriggerInvalid):
        if theirs is None:
            assert "Celery reads it as" not in str(ours) or "," in text
    else:
        assert ours == theirs


@settings(max_examples=1500)
@given(texts, fields)
def test_what_we_say_celery_reads_is_what_it_reads(text: str, field: Field) -> None:
    assume(text and "," not in text)
    try:
        ours = loosely(text, field)
    except ValueError:
        assert _celerys(text, field) is None
    else:
        assert ours == _celerys(text, field)


numbers = st.integers(-2, 62)


@settings(max_examples=300)
@given(numbers | st.sets(numbers, min_size=1) | st.lists(numbers, min_size=1), fields)
def test_numbers_are_taken_as_celery_takes_them(given_: int | set[int] | list[int], field: Field) -> None:
    names = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    name = names[FIELDS.index(field)]
    try:
        theirs = _crontab(**{name: given_})
    except ValueError:
        theirs = None
    arguments: Any = {name: given_}
    try:
        ours = Crontab.of(zone="UTC", **arguments)
    except TriggerInvalid:
        assert theirs is None
    else:
        masks = (ours.fields.minutes, ours.fields.hours, ours.fields.days, ours.fields.months, ours.fields.weekdays)
        for one, mask in zip(names, masks, strict=True):
            assert getattr(theirs, one) == {value for value in range(60) if mask >> value & 1}


whole = st.lists(st.integers(1, 31), min_size=1, max_size=3), st.lists(st.integers(1, 12), min_size=1, max_size=3)


@settings(max_examples=300)
@given(*whole)
def test_dates_that_never_come_are_refused_as_celery_refuses_them(days: list[int], months: list[int]) -> None:
    try:
        _crontab(day_of_month=days, month_of_year=months)
    except ValueError:
        possible = False
    else:
        possible = True
    try:
        Crontab.of(day_of_month=days, month_of_year=months, zone="UTC")
    except TriggerInvalid:
        assert not possible
    else:
        assert possible
