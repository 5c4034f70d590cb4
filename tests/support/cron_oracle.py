"""Cron the slow way: expressions made up together with what they mean, and a scan of every minute. Uses no code of ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

MINUTE = 60
LARGE_CHANGE_S = 3 * 3600
"""Clock changes of this size are not daylight saving; cron then forgets what it was doing."""

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")

ZONES = (
    *("Europe/London", "Europe/Berlin", "Europe/Dublin", "Europe/Lisbon", "Europe/Istanbul", "Europe/Chisinau"),
    *(
        "America/New_York",
        "America/St_Johns",
        "America/Sao_Paulo",
        "America/Santiago",
        "America/Havana",
        "America/Godthab",
    ),
    *("America/Asuncion", "America/Scoresbysund", "America/Caracas", "America/Mexico_City"),
    *("Africa/Casablanca", "Africa/El_Aaiun", "Africa/Cairo", "Africa/Juba"),
    *("Asia/Gaza", "Asia/Tehran", "Asia/Pyongyang", "Asia/Amman", "Asia/Beirut", "Asia/Jerusalem"),
    *("Australia/Lord_Howe", "Australia/Adelaide", "Australia/Sydney", "Pacific/Chatham", "Pacific/Norfolk"),
    *("Pacific/Apia", "Pacific/Easter", "Pacific/Fiji", "Antarctica/Troll", "Antarctica/Casey", "Antarctica/Macquarie"),
)
"""Zones that changed their clocks between 2015 and 2040: by 30, 60, 120 and 180 minutes, at all times of the day."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field as it is written, and the values it stands for."""

    text: str
    values: frozenset[int]


@dataclass(frozen=True, slots=True)
class Expression:
    """Five fields, and perhaps the seconds."""

    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field
    second: Field | None = None

    @property
    def text(self) -> str:
        """Write it down."""
        fields = [self.minute, self.hour, self.day, self.month, self.weekday]
        return " ".join(field.text for field in [*fields, *([self.second] if self.second else [])])

    @property
    def seconds(self) -> list[int]:
        """Give the seconds of a matching minute."""
        return sorted(self.second.values) if self.second else [0]

    @property
    def is_fixed(self) -> bool:
        """Say whether cron treats it as a job at fixed times."""
        return self.minute.text[0] != "*" and self.hour.text[0] != "*"

    def matches(self, wall: datetime) -> bool:
        """Say whether a minute of the wall clock matches."""
        if wall.minute not in self.minute.values or wall.hour not in self.hour.values:
            return False
        if wall.month not in self.month.values:
            return False
        by_day = wall.day in self.day.values
        by_week = wall.isoweekday() % 7 in self.weekday.values
        if self.day.text[0] == "*" or self.weekday.text[0] == "*":
            return by_day and by_week
        return by_day or by_week


@st.composite
def _items(draw: st.DrawFn, place: int) -> Field:
    low, high = _RANGES[place]
    kind = draw(st.sampled_from(("one", "range", "step", "range step")))
    if kind == "step":
        step = draw(st.integers(1, 12))
        return Field(f"*/{step}", frozenset(range(low, high + 1, step)))
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))
    if kind == "one" or first == last:
        return Field(_written(place, first, named=draw(st.booleans())), frozenset((first,)))
    text = f"{_written(place, first, named=False)}-{_written(place, last, named=False)}"
    if kind == "range":
        return Field(text, frozenset(range(first, last + 1)))
    step = draw(st.integers(1, 12))
    return Field(f"{text}/{step}", frozenset(range(first, last + 1, step)))


def _written(place: int, value: int, *, named: bool) -> str:
    if named and place == 3:
        return _MONTHS[value - 1]
    if named and place == 4:
        return _WEEKDAYS[value]
    return str(value)


@st.composite
def fields(draw: st.DrawFn, place: int, *, stars: int = 1) -> Field:
    """Make a field in the grammar that all crons share; ``stars`` of ``stars + 2`` are ``*``."""
    low, high = _RANGES[place]
    if draw(st.integers(0, stars + 1)) < stars:
        return Field("*", frozenset(range(low, high + 1)))
    items = draw(st.lists(_items(place), min_size=1, max_size=3))
    return Field(",".join(item.text for item in items), frozenset().union(*(item.values for item in items)))


def expressions() -> st.SearchStrategy[Expression]:
    """Make expressions of five fields."""
    return st.builds(Expression, fields(0), fields(1), fields(2), fields(3, stars=2), fields(4))


@st.composite
def around_the_clock_change(draw: st.DrawFn, hours: tuple[int, ...]) -> Expression:
    """Make an expression that has something to do with the hours given, on most days."""
    if draw(st.integers(0, 3)):
        chosen = draw(st.sets(st.sampled_from(hours), min_size=1, max_size=2))
        hour = Field(",".join(map(str, sorted(chosen))), frozenset(chosen))
    else:
        hour = draw(fields(1))
    day, weekday = draw(fields(2, stars=6)), draw(fields(4, stars=6))
    seconds = draw(st.none() | st.sets(st.integers(0, 59), min_size=1, max_size=2))
    second = None if seconds is None else Field(",".join(map(str, sorted(seconds))), frozenset(seconds))
    return Expression(draw(fields(0)), hour, day, Field("*", frozenset(range(1, 13))), weekday, second)


def scan(expression: Expression, zone: str, start_s: int, end_s: int, *, cron: bool) -> list[int]:
    """Give the instants in [start, end) at which an expression fires, looking at every minute.

    ``cron``: with Debian's care for fixed jobs; else whenever the wall clock matches.
    """
    info = ZoneInfo(zone)
    cares = cron and expression.is_fixed
    fires: set[int] = set()
    held_until: datetime | None = None
    before = _wall(info, start_s - MINUTE)
    for at in range(start_s, end_s, MINUTE):
        wall = _wall(info, at)
        jumped_s = (wall - before).total_seconds() - MINUTE
        if cares and 0 < jumped_s < LARGE_CHANGE_S:
            missed = (before + timedelta(minutes=number) for number in range(1, int(jumped_s) // MINUTE + 1))
            if any(expression.matches(minute) for minute in missed):
                fires.add(at)
        if cares and -LARGE_CHANGE_S < jumped_s < 0:
            held_until = before
        if held_until is not None and wall > held_until:
            held_until = None
        if held_until is None and expression.matches(wall):
            fires.update(at + second for second in expression.seconds)
        before = wall
    return sorted(fires)


def _wall(info: ZoneInfo, at_s: int) -> datetime:
    return datetime.fromtimestamp(at_s, info).replace(tzinfo=None, fold=0)
