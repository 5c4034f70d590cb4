"""Cron the slow way: its own parser, and a walk through real minutes with their wall times. Uses no code of ours.

A minute of the wall clock is a list of real instants: none in a gap, two in a fold. The policies are stated over that.
"""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

MINUTE = 60
DEBIAN_LIMIT_MIN = 180
MARGIN_S = 4 * 3600
"""No zone changed its clocks by more since 2012."""
_NAMES = {
    3: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    4: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def _number(word: str, place: int) -> int:
    if word in _NAMES.get(place, ()):
        return _NAMES[place].index(word) + (place == 3)
    return int(word)


def _spread(text: str, place: int) -> set[int]:
    low, high = _BOUNDS[place]
    values: set[int] = set()
    for part in text.lower().split(","):
        body, _, step = part.partition("/")
        first, dash, last = body.partition("-")
        if body == "*":
            begin, end = low, high - (place == 4)
        else:
            begin = _number(first, place)
            end = _number(last, place) if dash else begin
        if begin <= end:
            run = list(range(begin, end + 1))
        else:
            run = [*range(begin, high + (place != 4)), *range(low, end + 1)]
        values.update(run[:: int(step or 1)])
    return {value % 7 for value in values} if place == 4 else values


@dataclass
class Pattern:
    """An expression of five fields as sets; ``both`` is how Celery reads the days."""

    text: str
    both: bool
    fixed: bool = field(init=False)
    matches: Callable[[datetime], bool] = field(init=False)

    def __post_init__(self) -> None:
        words = self.text.split()
        minutes, hours, days, months, weekdays = (_spread(word, place) for place, word in enumerate(words))
        both = self.both or "*" in (words[2][0], words[4][0])
        self.fixed = "*" not in (words[0][0], words[1][0])

        @cache
        def day_matches(day: date) -> bool:
            in_month, in_week = day.day in days, day.isoweekday() % 7 in weekdays
            return day.month in months and (in_month and in_week if both else in_month or in_week)

        def matches(wall: datetime) -> bool:
            return wall.minute in minutes and wall.hour in hours and day_matches(wall.date())

        self.matches = matches
        self.possible = any(
            month in months and any(day <= calendar.monthrange(2000, month)[1] for day in days)
            for month in range(1, 13)
        ) or (not both)


@dataclass(frozen=True)
class Walk:
    """The minutes of a stretch of time in a zone, and what their wall clock says."""

    minutes: tuple[tuple[int, datetime], ...]
    when: dict[datetime, list[int]]
    jumps: tuple[tuple[int, datetime, int], ...]
    """Where the wall clock jumps: the instant, the wall time expected there, and by how many minutes it is later."""


@cache
def walk(zone: str, start_s: int, end_s: int) -> Walk:
    """Go through the minutes of [start, end)."""
    info = ZoneInfo(zone)
    minutes, jumps = [], []
    when: dict[datetime, list[int]] = defaultdict(list)
    expected: datetime | None = None
    for at in range(start_s, end_s, MINUTE):
        wall = datetime.fromtimestamp(at, info).replace(tzinfo=None, fold=0)
        if expected is not None and wall != expected:
            jumps.append((at, expected, round((wall - expected) / timedelta(minutes=1))))
            assert abs(jumps[-1][2]) * MINUTE <= MARGIN_S
        expected = wall + timedelta(minutes=1)
        minutes.append((at, wall))
        when[wall].append(at)
    return Walk(tuple(minutes), dict(when), tuple(jumps))


def scan(
    pattern: Pattern, zone: str, start_s: int, end_s: int, *, gap: str, fold: str, debian: bool = False
) -> list[int]:
    """Give the fires in [start, end), both whole minutes, under a policy."""
    seen = walk(zone, start_s - MARGIN_S, end_s + MARGIN_S)
    if debian and not pattern.fixed:
        gap, fold, debian = "skip", "both", False
    fires = set()
    matches = pattern.matches
    for at, wall in seen.minutes:
        if matches(wall):
            times = seen.when[wall]
            large = debian and times[-1] - times[0] >= DEBIAN_LIMIT_MIN * MINUTE
            if fold == "both" or large or at == (times[0] if fold == "first" else times[-1]):
                fires.add(at)
    for at, expected, later in seen.jumps:
        if later < 0 or gap == "skip" or (debian and later >= DEBIAN_LIMIT_MIN):
            continue
        missed = [n for n in range(later) if pattern.matches(expected + timedelta(minutes=n))]
        if missed and gap == "after":
            fires.add(at)
        elif missed and gap == "shift":
            fires.update(at + n * MINUTE for n in missed)
        elif missed:
            fires.difference_update(range(at, at + missed[0] * MINUTE, MINUTE))
            fires.add(at + missed[0] * MINUTE)
    return sorted(at for at in fires if start_s <= at < end_s)


@cache
def changes(zone: str, year: int) -> tuple[int, ...]:
    """Give the instants of one year, in seconds since 1970, at which a zone's clocks are changed."""
    info = ZoneInfo(zone)
    at, end = int(datetime(year, 1, 1, tzinfo=UTC).timestamp()), int(datetime(year + 1, 1, 1, tzinfo=UTC).timestamp())
    found = []
    while at < end:
        low, high = at, min(at + 2 * 86_400, end)
        offset = _offset(info, low)
        if _offset(info, high) != offset:
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(info, middle) == offset else (low, middle)
            found.append(high)
            at = high
        else:
            at = high
    return tuple(found)


def _offset(info: ZoneInfo, at_s: int) -> timedelta | None:
    return datetime.fromtimestamp(at_s, info).utcoffset()
