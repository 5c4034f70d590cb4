"""Time stamps: their precision, their offset, and the instant they mean."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.text.timestamp import Precision, message_zone, parse_timestamp

BERLIN = ZoneInfo("Europe/Berlin")


def iso(text: str) -> str | None:
    found = parse_timestamp(text)
    return None if found is None else found.iso()


@pytest.mark.parametrize(
    ("stamp", "text", "precision"),
    [
        ("2026", "2026", Precision.YEAR),
        ("202611", "2026-11", Precision.MONTH),
        ("20261122", "2026-11-22", Precision.DAY),
        ("2026112204", "2026-11-22T04:00", Precision.HOUR),
        ("202611220405", "2026-11-22T04:05", Precision.MINUTE),
        ("20261122040506", "2026-11-22T04:05:06", Precision.SECOND),
        ("20261122040506.7", "2026-11-22T04:05:06.7", Precision.FRACTION),
        ("20261122040506.1234", "2026-11-22T04:05:06.1234", Precision.FRACTION),
        ("20261122040506+0100", "2026-11-22T04:05:06+01:00", Precision.SECOND),
        ("20261122040506.12-0530", "2026-11-22T04:05:06.12-05:30", Precision.FRACTION),
        ("2026112204+0100", "2026-11-22T04:00+01:00", Precision.HOUR),
        ("202611220405-0000", "2026-11-22T04:05+00:00", Precision.MINUTE),
        ("20261122000000", "2026-11-22T00:00:00", Precision.SECOND),
        (" 20261122 ", "2026-11-22", Precision.DAY),
        ("20240229", "2024-02-29", Precision.DAY),
        ("20261122+0100", "2026-11-22", Precision.DAY),
        ("2026+0100", "2026", Precision.YEAR),
    ],
)
def test_a_time_stamp_keeps_the_precision_and_offset_it_has(stamp: str, text: str, precision: Precision) -> None:
    found = parse_timestamp(stamp)
    assert found is not None
    assert (found.iso(), found.precision) == (text, precision)


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        "yesterday",
        "26",
        "20261",
        "2026112",
        "202611220",
        "2026112204050",
        "20261122040506.",
        "20261122040506.12345",
        "20261122040506+01",
        "20261122040506+01:00",
        "20261122040506Z",
        "202611220405.5",
        "2026-11-22",
        "٢٠٢٦",
        "20261122040506+0100x",
        '""',
        "0" * 30,
    ],
)
def test_what_is_no_time_stamp_is_none(stamp: str) -> None:
    assert parse_timestamp(stamp) is None


@pytest.mark.parametrize(
    "stamp",
    [
        "0000",
        "00000000",
        "20261322",
        "20260230",
        "20250229",
        "2026112225",
        "202611220460",
        "20261122040560",
        "20261122040506+2400",
        "20261122040506+0160",
        "20261122040506+9999",
        "20261122240001",
        "20261122240000.1",
        "99991231240000",
    ],
)
def test_what_no_calendar_and_no_clock_has_is_none(stamp: str) -> None:
    assert parse_timestamp(stamp) is None


# -- midnight ------------------------------------------------------------------------------------------------------------


def test_midnight_begins_the_day_it_is_written_with() -> None:
    found = parse_timestamp("20261122000000+0000")
    assert found is not None
    assert found.instant() == datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize("stamp", ["2026112224", "202611222400", "20261122240000", "20261122240000.0"])
def test_twenty_four_hours_end_the_day(stamp: str) -> None:
    found = parse_timestamp(f"{stamp}+0000")
    assert found is not None
    assert found.instant() == datetime(2026, 11, 23, tzinfo=UTC)


# -- precision of old stamps -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stamp", "text"),
    [
        ("20261122040506^Y", "2026"),
        ("20261122040506^L", "2026-11"),
        ("20261122040506^D", "2026-11-22"),
        ("20261122040506^H", "2026-11-22T04:00"),
        ("20261122040506^M", "2026-11-22T04:05"),
        ("20261122040506.7^S", "2026-11-22T04:05:06"),
        ("20261122^S", "2026-11-22"),
        ("20261122040506^", "2026-11-22T04:05:06"),
        ("20261122040506^?", "2026-11-22T04:05:06"),
        ("20261122040506+0100^M", "2026-11-22T04:05+01:00"),
    ],
)
def test_old_stamps_may_say_that_they_are_less_precise_than_they_look(stamp: str, text: str) -> None:
    assert iso(stamp) == text


def test_the_precision_stands_behind_the_delimiter_of_the_message() -> None:
    found = parse_timestamp("20261122040506@D", component="@")
    assert found is not None
    assert found.iso() == "2026-11-22"


def test_a_day_is_one_only_where_a_day_was_sent() -> None:
    assert [found.day() for text in ("20261122", "202611", "202611220405") if (found := parse_timestamp(text))] == [
        date(2026, 11, 22),
        None,
        date(2026, 11, 22),
    ]


# -- zones ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stamp", "text"),
    [
        ("20260722120000", "2026-07-22T12:00:00+02:00"),
        ("20261122120000", "2026-11-22T12:00:00+01:00"),
        ("202611221200", "2026-11-22T12:00+01:00"),
        ("20261122120000-0500", "2026-11-22T12:00:00-05:00"),
        ("20261122", "2026-11-22"),
        ("20261025023000", "2026-10-25T02:30:00+02:00"),  # twice, because clocks are put back: the first
        ("20260329023000", "2026-03-29T02:30:00+01:00"),  # never, because they are put forward
    ],
)
def test_a_stamp_without_offset_is_local_time_of_the_default_zone(stamp: str, text: str) -> None:
    found = parse_timestamp(stamp, BERLIN)
    assert found is not None
    assert found.iso() == text


def test_a_stamp_says_whether_its_offset_was_sent() -> None:
    assert [
        found.is_sent for text in ("20261122120000", "20261122120000+0100") if (found := parse_timestamp(text, BERLIN))
    ] == [
        False,
        True,
    ]


def test_without_an_offset_there_is_no_instant() -> None:
    found = parse_timestamp("20261122120000")
    assert found is not None
    assert (found.instant(), found.offset_iso()) == (None, "")


def test_an_instant_has_the_fraction_that_was_sent() -> None:
    found = parse_timestamp("20261122120000.0625+0100")
    assert found is not None
    assert found.instant() == datetime(2026, 11, 22, 11, 0, 0, 62_500, tzinfo=UTC)


def test_beyond_the_calendar_there_is_no_instant() -> None:
    found = parse_timestamp("00010101000000+0100")
    assert found is not None
    assert found.instant() is None


@pytest.mark.parametrize(
    ("version", "is_placeless"), [((2, 8, 2), False), ((2, 9), True), ((2, 9, 1), True), ((), False)]
)
def test_from_2_9_on_minus_zero_is_utc_from_nobody_knows_where(version: tuple[int, ...], is_placeless: bool) -> None:  # noqa: FBT001
    found = parse_timestamp("20261122120000-0000", version=version)
    assert found is not None
    assert found.is_placeless is is_placeless
    assert found.instant() == datetime(2026, 11, 22, 12, tzinfo=UTC)
    plus = parse_timestamp("20261122120000+0000", version=version)
    assert plus is not None
    assert not plus.is_placeless


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("20261122120000-0500", timezone(timedelta(hours=-5))),
        ("20261122-0500", timezone(timedelta(hours=-5))),
        ("20261122120000", BERLIN),
        ("", BERLIN),
        ("not-a-time", BERLIN),
        ("20261122120000+9999", BERLIN),
    ],
)
def test_the_offset_of_msh_7_counts_for_the_message_and_else_the_zone_of_the_feed(
    stamp: str, expected: timezone | ZoneInfo
) -> None:
    assert message_zone(stamp, BERLIN) == expected


def test_an_unknown_offset_in_msh_7_says_nothing_of_the_others() -> None:
    assert message_zone("20261122120000-0000", None, version=(2, 9)) is None
    assert message_zone("20261122120000-0000", None) == UTC


# -- properties ----------------------------------------------------------------------------------------------------------

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=OFFSETS)  # noqa: DTZ001


@given(INSTANTS)
def test_a_stamp_is_the_instant_that_was_written(at: datetime) -> None:
    at = at.replace(microsecond=at.microsecond // 100 * 100)
    found = parse_timestamp(f"{at.year:04d}{at:%m%d%H%M%S}.{at.microsecond // 100:04d}{at:%z}")
    assert found is not None
    assert found.instant() == at
    assert datetime.fromisoformat(found.iso().replace(f".{found.fraction}", f".{found.fraction}00")) == at
    assert found.offset == at.utcoffset()


@given(st.datetimes(min_value=datetime(1, 1, 1)), st.integers(4, 14).filter(lambda digits: digits % 2 == 0))  # noqa: DTZ001
def test_python_hl7_reads_the_same_clock(at: datetime, digits: int) -> None:
    stamp = f"{at.year:04d}{at:%m%d%H%M%S}"[:digits]
    found = parse_timestamp(stamp)
    assert found is not None
    assert found.local == hl7.parse_datetime(stamp)


@given(st.text(max_size=30) | st.from_regex(r"\A[0-9]{4,14}(\.[0-9]{0,5})?([+-][0-9]{4})?(\^[A-Z])?\Z"))
def test_any_text_is_a_time_or_none(text: str) -> None:
    found = parse_timestamp(text, BERLIN)
    assert found is None or found.iso()[:4].isdigit()
    message_zone(text, BERLIN)
