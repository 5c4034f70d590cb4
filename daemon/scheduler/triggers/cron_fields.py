"""A cron expression as bit masks, and the next wall time they match.

croniter reads the expression, so its whole grammar is understood: five fields or six (seconds last) or seven (years),
names, ``@daily`` and its kin, ``L``, ``15W``, ``5#2``, ``L5``. What it means is decided here:

* Days: if the day-of-month field or the day-of-week field begins with ``*``, both must match; else either. That is the
  rule of Vixie's cron and of every Linux since.
* ``5-5`` is the single value 5, as in every cron; croniter alone reads it as the whole field.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal

from croniter import croniter
from croniter.croniter import DOW_ALPHAS, M_ALPHAS, CroniterError

from daemon.scheduler.errors import TriggerInvalid

DAY_S = 86_400
EXPRESSION_LIMIT = 256
CYCLE_MONTHS = 4800
"""The Gregorian calendar repeats after 400 years."""

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_LAST_YEAR = 9990
_RANGE = re.compile(r"\b(\w+)-(\w+)(/\d+)?(?=,|$)", re.ASCII)
_RANDOM = re.compile(r"(?<![a-z])[hr](?:\(|/|,|$)", re.ASCII)
_WEEK = 7
_REMEMBERED = 1024
_COUNTS = (1, 5, 6, 7)
_FIELDS = (
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of month", "1-31, L, 15W"),
    ("month", "1-12, jan-dec"),
    ("day of week", "0-7, sun-sat, fri#2, L5"),
    ("second", "0-59"),
    ("year", "1970-2099"),
)
_MONTH, _DAY_OF_WEEK = 3, 4
_NAMED = {_MONTH: M_ALPHAS, _DAY_OF_WEEK: DOW_ALPHAS}


@dataclass(frozen=True, slots=True)
class CronFields:
    """What an expression matches. Bit n of a mask stands for value n; Sunday is 0.

    Attributes:
        last_day: the last day of the month matches too (``L``).
        nearest: days of which the nearest weekday matches (``15W``).
        nth: for a day of the week, which of the month match (1 to 5, or ``l`` for the last).
        both_days: whether day of month and day of week must both match.
        is_wildcard: whether the minute or hour field begins with ``*``; such jobs follow elapsed time over clock changes.
    """

    seconds: int
    minutes: int
    hours: int
    days: int
    months: int
    weekdays: int
    years: frozenset[int] | None
    last_day: bool
    nearest: frozenset[int]
    nth: tuple[tuple[int, frozenset[int | Literal["l"]]], ...]
    both_days: bool
    is_wildcard: bool


@lru_cache(_REMEMBERED)
def parse_cron(expression: str) -> CronFields:
    """Read a cron expression.

    Raises:
        TriggerInvalid: it cannot be read, is random, or names days that no month it names has.
    """
    text = " ".join(expression.split())
    if len(text) > EXPRESSION_LIMIT:
        message = f"a cron expression of more than {EXPRESSION_LIMIT} characters"
        raise TriggerInvalid(message)
    words = [_single_values(place, word) for place, word in enumerate(text.lower().split())]
    if any(_RANDOM.search(word) for word in words):
        message = f'"{text}": H and R are not available in this version'
        raise TriggerInvalid(message, hint="write the minute you want")
    weekdays = words[_DAY_OF_WEEK].split(",") if len(words) > _DAY_OF_WEEK else []
    special = ["#" in item or item[:1] == "l" for item in weekdays]
    if any(special) and not all(special):
        what = f'"{text}": day of week "{text.split()[_DAY_OF_WEEK]}" mixes plain days with n-th or last ones'
        raise TriggerInvalid(what, hint="make two entries")
    try:
        parsed = croniter(" ".join(words), 0)
    except (CroniterError, ValueError, KeyError):
        raise _unreadable(text, words) from None
    fields = _fields(parsed, words)
    if not _ever_matches(fields):
        message = f'"{text}" never fires'
        raise TriggerInvalid(message, hint="no month it names has such a day")
    return fields


def _single_values(place: int, word: str) -> str:
    """Write a range from a value to itself as that value."""

    def single(found: re.Match[str]) -> str:
        low, high = _number(place, found[1]), _number(place, found[2])
        if place == _DAY_OF_WEEK and low == _WEEK and high == 0:
            low = 0  # 7 is Sunday too, but 0-7 is the whole week
        return found[1] if low == high else found[0]

    return _RANGE.sub(single, word)


def _number(place: int, word: str) -> int | str:
    return int(word) if word.isdigit() else _NAMED.get(place, {}).get(word, word)


def _unreadable(text: str, words: list[str]) -> TriggerInvalid:
    """Say what cannot be read: the first field that croniter refuses on its own."""
    if len(words) not in _COUNTS:
        return TriggerInvalid(f'"{text}" has {len(words)} fields; minute, hour, day, month, day of week are needed')
    if len(words) == 1:
        return TriggerInvalid(f'"{text}" is not a cron expression', hint="write five fields, or @daily and its kin")
    for place, word in enumerate(words):
        alone = ["*"] * len(words)
        alone[place] = word
        if not croniter.is_valid(" ".join(alone)):
            name, known = _FIELDS[place]
            return TriggerInvalid(
                f'"{text}": {name} "{text.split()[place]}" cannot be read',
                hint=f"it takes {known}; lists, ranges, steps",
            )
    return TriggerInvalid(f'"{text}" is not a cron expression')


def _fields(parsed: croniter, words: list[str]) -> CronFields:
    minutes, hours, days, months, weekdays, *more = parsed.expanded
    written = words if len(words) > 1 else ["*" if field == ["*"] else "0" for field in parsed.expanded]
    nearest = frozenset(int(day) for day in parsed.nearest_weekday or ())
    nth = {int(day): frozenset(which) for day, which in parsed.nth_weekday_of_month.items()}
    return CronFields(
        seconds=_mask(more[0], 0, 59) if more else 1,
        minutes=_mask(minutes, 0, 59),
        hours=_mask(hours, 0, 23),
        days=0 if nearest else _mask(days, 1, 31),
        months=_mask(months, 1, 12),
        weekdays=0 if nth else _mask(weekdays, 0, 6),
        years=frozenset(int(year) for year in more[1]) if len(more) > 1 and more[1] != ["*"] else None,
        last_day="l" in days,
        nearest=nearest,
        nth=tuple(sorted(nth.items())),
        both_days=written[2][0] in "*?" or written[4][0] in "*?",
        is_wildcard=written[0][0] == "*" or written[1][0] == "*",
    )


def _mask(values: list[int | Literal["*", "l"]], low: int, high: int) -> int:
    mask = 0
    for value in values:
        if value == "*":
            return ((1 << (high - low + 1)) - 1) << low
        if value != "l":
            mask |= 1 << value
    return mask


def days_of_month(fields: CronFields, year: int, month: int) -> int:
    """Give the mask of matching days of one month; 0 if none."""
    if not fields.months >> month & 1 or (fields.years is not None and year not in fields.years):
        return 0
    first, length = calendar.monthrange(year, month)
    first = (first + 1) % _WEEK  # Sunday is 0
    whole = ((1 << length) - 1) << 1
    by_day = fields.days & whole
    if fields.last_day:
        by_day |= 1 << length
    for day in fields.nearest:
        by_day |= 1 << _nearest_weekday(day, first, length)
    by_week = _week_mask(fields.weekdays, first) & whole
    for weekday, which in fields.nth:
        by_week |= _nth_mask(weekday, which, first, length)
    return by_day & by_week if fields.both_days else by_day | by_week


def _week_mask(weekdays: int, first: int) -> int:
    mask = 0
    for day in range(1, 32):
        if weekdays >> ((first + day - 1) % _WEEK) & 1:
            mask |= 1 << day
    return mask


def _nth_mask(weekday: int, which: frozenset[int | Literal["l"]], first: int, length: int) -> int:
    days = range(1 + (weekday - first) % _WEEK, length + 1, _WEEK)
    return sum(
        1 << day for place, day in enumerate(days, 1) if place in which or ("l" in which and day + _WEEK > length)
    )


def _nearest_weekday(day: int, first: int, length: int) -> int:
    """Move a day on a weekend to the nearest day from Monday to Friday within the month."""
    day = min(day, length)
    weekday = (first + day - 1) % _WEEK
    if weekday == 6:  # noqa: PLR2004 - Saturday
        return day - 1 if day > 1 else day + 2
    if weekday == 0:
        return day + 1 if day < length else day - 2
    return day


def _ever_matches(fields: CronFields) -> bool:
    if fields.years is not None:
        return any(days_of_month(fields, year, month) for year in fields.years for month in range(1, 13))
    return any(days_of_month(fields, 2000 + place // 12, place % 12 + 1) for place in range(CYCLE_MONTHS))


class WallTimes:
    """Finds matching wall times of one expression; remembers the months it has worked out."""

    def __init__(self, fields: CronFields) -> None:
        """Keep the fields."""
        self.fields = fields
        self._months: dict[int, int] = {}

    def first_at_or_after(self, wall_s: int) -> int | None:
        """Give the first matching wall time not before ``wall_s``; ``None`` if there is none up to the year 9990."""
        day, second = divmod(wall_s, DAY_S)
        here = date.fromordinal(day + _EPOCH_ORDINAL)
        if self._days(here.year, here.month) >> here.day & 1:
            time_s = self._time_at_or_after(second)
            if time_s is not None:
                return day * DAY_S + time_s
        found = self._day_after(here)
        if found is None:
            return None
        time_s = self._time_at_or_after(0)
        assert time_s is not None  # every field matches some value
        return (found.toordinal() - _EPOCH_ORDINAL) * DAY_S + time_s

    def _day_after(self, here: date) -> date | None:
        year, month = here.year, here.month
        left = self._days(year, month) >> (here.day + 1) << (here.day + 1)
        while not left:
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)  # noqa: PLR2004
            if year > _LAST_YEAR:
                return None
            left = self._days(year, month)
        return date(year, month, _lowest(left))

    def _days(self, year: int, month: int) -> int:
        key = year * 12 + month
        mask = self._months.get(key)
        if mask is None:
            if len(self._months) > CYCLE_MONTHS:
                self._months.clear()
            mask = self._months[key] = days_of_month(self.fields, year, month)
        return mask

    def _time_at_or_after(self, second: int) -> int | None:
        fields = self.fields
        hour, rest = divmod(second, 3600)
        minute, second = divmod(rest, 60)
        if fields.hours >> hour & 1:
            if fields.minutes >> minute & 1:
                left = fields.seconds >> second
                if left:
                    return hour * 3600 + minute * 60 + second + _lowest(left)
            left = fields.minutes >> (minute + 1)
            if left:
                return hour * 3600 + (minute + 1 + _lowest(left)) * 60 + _lowest(fields.seconds)
        left = fields.hours >> (hour + 1)
        if left:
            return (hour + 1 + _lowest(left)) * 3600 + _lowest(fields.minutes) * 60 + _lowest(fields.seconds)
        return None


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1
