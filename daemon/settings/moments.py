"""Dates, moments and rates in a site file. Data without types of its own (JSON) holds them as text, and they are written so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, TypeVar

from pydantic import PlainSerializer, PlainValidator

from daemon.settings.values import wrong

_Date = TypeVar("_Date", bound=date)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOMENT_HINT = "write 2026-01-31T08:00:00, with Z or an offset if it is not the entry's local time"
_DATE_HINT = 'write "2026-12-25", or "12-25" for every year'
_YEARLY = re.compile(r"(\d\d)-(\d\d)", re.ASCII)
_RATE = re.compile(r"(\d{1,9})\s*/\s*([smhd])", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LEAP_YEAR = 2000
_YEARS = (1970, 9000)


def parse_moment(value: Any) -> datetime:
    """Read a moment: TOML's or ISO 8601 text; without an offset it is local time.

    Raises:
        PydanticCustomError: not one, or before 1970 or after 9000.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if len(value) > len("2026-01-31") else None
        except ValueError:
            value = None
    if not isinstance(value, datetime):
        raise wrong("not a moment", _MOMENT_HINT)
    return _in_range(value)


def parse_day_or_moment(value: Any) -> date:
    """Read a moment or a date.

    Raises:
        PydanticCustomError: neither, or before 1970 or after 9000.
    """
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            return parse_moment(value)
    if not isinstance(value, date):
        raise wrong("neither a date nor a moment", "write 2026-01-31 or 2026-01-31T08:00:00")
    return _in_range(value)


def _in_range(value: _Date) -> _Date:
    if not _YEARS[0] <= value.year <= _YEARS[1]:
        raise wrong(f"the year is not from {_YEARS[0]} to {_YEARS[1]}", _MOMENT_HINT)
    return value


@dataclass(frozen=True, slots=True)
class EveryYear:
    """A date without a year."""

    month: int
    day: int

    def __str__(self) -> str:
        """Write ``MM-DD``."""
        return f"{self.month:02}-{self.day:02}"


def _calendar_day(value: Any) -> date | EveryYear:
    if isinstance(value, EveryYear) or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    text = value if isinstance(value, str) else ""
    yearly = _YEARLY.fullmatch(text)
    try:
        if yearly:
            found = date(_LEAP_YEAR, int(yearly[1]), int(yearly[2]))
            return EveryYear(found.month, found.day)
        return date.fromisoformat(text)
    except ValueError:
        raise wrong(f'"{text[:20]}" is not a date' if text else "not a date", _DATE_HINT) from None


@dataclass(frozen=True, slots=True)
class RateText:
    """So many in so many seconds."""

    count: int
    per_s: int

    def __str__(self) -> str:
        """Write ``10/m``."""
        return f"{self.count}/{next(unit for unit, length in _UNIT_S.items() if length == self.per_s)}"


def parse_rate(value: Any) -> RateText:
    """Read ``"10/m"``.

    Raises:
        PydanticCustomError: not a rate, or none at all.
    """
    if isinstance(value, RateText):
        return value
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None or not int(match[1]):
        raise wrong("not a rate", 'write "10/m": a whole number from 1 on, and s, m, h or d')
    return RateText(int(match[1]), _UNIT_S[match[2]])


def _weekday(value: Any) -> str:
    word = value[:3].lower() if isinstance(value, str) else ""
    if word not in WEEKDAYS:
        raise wrong("not a day of the week", f"it takes {', '.join(WEEKDAYS)}")
    return word


def _iso(value: date) -> str:
    return value.isoformat()


Moment = Annotated[datetime, PlainValidator(parse_moment), PlainSerializer(_iso, when_used="json")]
"""A moment; without an offset, local time."""

DayOrMoment = Annotated[date, PlainValidator(parse_day_or_moment), PlainSerializer(_iso, when_used="json")]
"""A moment, or a whole day."""

CalendarDay = Annotated[date | EveryYear, PlainValidator(_calendar_day), PlainSerializer(str, when_used="json")]
"""A date, of one year or of every year."""

Weekday = Annotated[str, PlainValidator(_weekday)]
"""``mon`` to ``sun``."""

RateValue = Annotated[RateText, PlainValidator(parse_rate), PlainSerializer(str, when_used="json")]
"""How many in a time."""
