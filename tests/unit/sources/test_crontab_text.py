"""Fields of Celery's crontab as text: the same values, and Celery's own reading of what is odd."""

from __future__ import annotations

from typing import Any

import pytest
from celery.schedules import ParseException, crontab
from hypothesis import given
from hypothesis import strategies as st

from daemon.scheduler.triggers.crontab_fields import crontab_fields
from daemon.sources.crontab_text import ORDER, field_text
from daemon.sources.sourced import Unfit

RANGES = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day_of_month": (1, 31),
    "month_of_year": (1, 12),
    "day_of_week": (0, 6),
}


def values_of(key: str, text: str) -> set[int]:
    """Read a field with the scheduler's own reader."""
    fields = ["*"] * 5
    fields[ORDER.index(key)] = text
    read = crontab_fields(fields)
    mask = dict(
        zip(ORDER, (read.minutes, read.hours, read.days, read.months, read.weekdays), strict=True),
    )[key]
    return {value for value in range(64) if mask >> value & 1}


@pytest.mark.parametrize(
    ("key", "given_", "text"),
    [
        ("minute", "*/15", "*/15"),
        ("minute", 0, "0"),
        ("minute", {0, 30}, "0,30"),
        ("minute", [5, 1, 2, 3, 4], "1-5"),
        ("minute", list(range(60)), "*"),
        ("minute", "0, 30", "0,30"),
        ("minute", [0, 1, 10, 12, 13, 14, 59], "0,1,10,12-14,59"),
        ("hour", "22-2", "22-2"),
        ("day_of_week", "mon-fri", "mon-fri"),
        ("day_of_week", "sunday", "sunday"),
        ("month_of_year", "jan,MAR", "jan,MAR"),
        ("day_of_month", "1-15/3", "1-15/3"),
    ],
)
def test_what_everyone_reads_alike_is_kept_and_numbers_are_written_shortly(key: str, given_: Any, text: str) -> None:
    assert field_text(key, given_) == (text, "")


@pytest.mark.parametrize(
    ("key", "given_", "text"),
    [
        ("day_of_week", "mon#5", "1"),
        ("day_of_week", "1-5#2", "1-5"),
        ("day_of_week", "sundayish", "0"),
        ("day_of_week", "feb", "2"),
        ("day_of_week", "mon tue", "1"),
        ("hour", "1-5/2;9", "1,3,5"),
        ("minute", "*/20-10", "0,20,40"),
    ],
)
def test_what_celery_misreads_is_written_as_it_reads_it_and_said(key: str, given_: str, text: str) -> None:
    found = field_text(key, given_)
    assert found.text == text
    assert f'"{given_}": Celery reads it as "{text}"' in found.difference
    assert set(getattr(crontab(**{key: given_}), key)) == values_of(key, text)


@pytest.mark.parametrize(
    ("key", "given_", "said"),
    [
        ("day_of_week", "7", "Sunday is 0"),
        ("day_of_week", "1,7", "never fires"),
        ("minute", "60", "never fires"),
        ("hour", "", "never fires"),
        ("hour", "*/0", "never fires"),
        ("hour", "1,,2", "never fires"),
        ("minute", "noon", "never fires"),
        ("minute", "-5", "never fires"),
        ("minute", "1 -5", "never fires"),
        ("minute", [], "empty set"),
        ("day_of_month", [0], "never fires"),
    ],
)
def test_what_celery_refuses_is_refused_with_the_reason(key: str, given_: Any, said: str) -> None:
    with pytest.raises(Unfit) as caught:
        field_text(key, given_)
    assert said in caught.value.reason
    if given_ != []:  # which Celery takes, and then never finds a time for
        with pytest.raises((ValueError, IndexError, ParseException)):
            crontab(**{key: given_})


@st.composite
def fields(draw: st.DrawFn) -> tuple[str, str]:
    key = draw(st.sampled_from(ORDER))
    marks = st.text("0123456789*/-, #montueja", min_size=1, max_size=8)
    low, high = RANGES[key]
    number = st.integers(low, high + 1).map(str)
    plain = st.lists(
        st.one_of(
            number,
            st.tuples(number, number).map("-".join),
            st.tuples(number, number, st.integers(1, 9)).map(lambda one: f"{one[0]}-{one[1]}/{one[2]}"),
            st.integers(1, 40).map("*/{}".format),
        ),
        min_size=1,
        max_size=3,
    ).map(",".join)
    return key, draw(st.one_of(plain, marks))


@given(fields())
def test_any_text_means_what_celery_makes_of_it(field: tuple[str, str]) -> None:
    key, text = field
    try:
        theirs = set(getattr(crontab(**{key: text}), key))
    except Exception:  # noqa: BLE001 - whatever it raises, it refuses
        theirs = set()
    try:
        ours = values_of(key, field_text(key, text).text)
    except Unfit:
        ours = set()
    assert ours == theirs
