"""Occurrences that are left out: days, stretches of time, whatever a cron expression matches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import date, timedelta

from daemon.clock import SECOND_US
from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.triggers.cron import Cron
from daemon.scheduler.triggers.cron_fields import parse_cron
from daemon.scheduler.triggers.dst import Dst
from daemon.scheduler.triggers.local_time import day_of, next_day_s
from daemon.scheduler.triggers.trigger import Trigger
from daemon.scheduler.triggers.zone import WallClock

SEARCH_US = 100 * 366 * 86_400 * SECOND_US
STEPS_LIMIT = 10_000
"""Stretches passed in search of an occurrence that is not left out; a day each is 27 years."""

_EPOCH_DAY = date(1970, 1, 1)
_MINUTE_S, _HOUR_S = 60, 3600
_ALL_MINUTES, _ALL_HOURS, _WHOLE_MINUTE = (1 << 60) - 1, (1 << 24) - 1, 1


class Exclusion(ABC):
    """A rule for instants that do not count."""

    __slots__ = ()

    @abstractmethod
    def until_us(self, at_us: int) -> int:
        """Give the first instant from ``at_us`` on that the rule lets pass, or an earlier one it knows to be left out up to."""

    @abstractmethod
    def describe(self) -> str:
        """Write the rule so that two with the same text leave out the same instants."""


class Days(Exclusion):
    """Whole days of a zone's calendar: dates, dates of every year, days of the week (Monday is 0)."""

    def __init__(
        self, zone: str, dates: Iterable[date], yearly: Iterable[tuple[int, int]], weekdays: Iterable[int]
    ) -> None:
        """Keep the days."""
        self.clock = WallClock(zone)
        self._dates = frozenset((one - _EPOCH_DAY).days for one in dates)
        self._yearly, self._weekdays = frozenset(yearly), frozenset(weekdays)

    def until_us(self, at_us: int) -> int:
        """Pass the rest of a day that is left out."""
        at_s = at_us // SECOND_US
        return next_day_s(self.clock, at_s) * SECOND_US if self._leaves_out(day_of(self.clock, at_s)) else at_us

    def _leaves_out(self, day: int) -> bool:
        if day in self._dates or (day + 3) % 7 in self._weekdays:  # 1970-01-01 was a Thursday
            return True
        if not self._yearly:
            return False
        here = _EPOCH_DAY + timedelta(days=day)
        return (here.month, here.day) in self._yearly

    def describe(self) -> str:
        """Write the days and the zone."""
        yearly = [f"{month}-{day}" for month, day in sorted(self._yearly)]
        days = [f"day {day}" for day in sorted(self._dates)] + [f"weekday {one}" for one in sorted(self._weekdays)]
        return f"{', '.join(days + yearly)} in {self.clock.zone}"


class Stretch(Exclusion):
    """From one instant up to and without another."""

    def __init__(self, from_us: int, to_us: int) -> None:
        """Keep the bounds."""
        self.from_us, self.to_us = from_us, to_us

    def until_us(self, at_us: int) -> int:
        """Pass the rest of the stretch."""
        return self.to_us if self.from_us <= at_us < self.to_us else at_us

    def describe(self) -> str:
        """Write the bounds."""
        return f"{self.from_us} to {self.to_us}"


class Minutes(Exclusion):
    """Every minute of the wall clock that a cron expression of five fields matches."""

    def __init__(self, expression: str, zone: str) -> None:
        """Read the expression.

        Raises:
            TriggerInvalid: as ``parse_cron``, or it has seconds or years.
        """
        fields = parse_cron(expression)
        if fields.seconds != _WHOLE_MINUTE or fields.years is not None:
            message = f'"{expression}" has seconds or years'
            raise TriggerInvalid(message, hint="what is left out is whole minutes; write five fields")
        self._cron = Cron(expression, zone, Dst.INSTANT)
        self._has_all_minutes = fields.minutes == _ALL_MINUTES
        self._has_all_hours = fields.hours == _ALL_HOURS

    def until_us(self, at_us: int) -> int:
        """Pass the rest of a minute that is left out, or of its hour or day if all of that is."""
        at_s = at_us // SECOND_US
        segment = self._cron.clock.segment_at(at_s)
        begin_s = max(at_s - (at_s + segment.offset_s) % _MINUTE_S, segment.start_s)
        if self._cron.next_after(begin_s * SECOND_US - 1) != begin_s * SECOND_US:
            return at_us
        if self._has_all_minutes and self._has_all_hours:
            return next_day_s(self._cron.clock, at_s) * SECOND_US
        size_s = _HOUR_S if self._has_all_minutes else _MINUTE_S
        end_s = at_s - (at_s + segment.offset_s) % size_s + size_s
        return min(end_s, segment.end_s) * SECOND_US

    def describe(self) -> str:
        """Write what the expression says."""
        return self._cron.describe()


class Excluding(Trigger):
    """The occurrences of a trigger that no rule leaves out.

    The search for the next one is given up after a hundred years or ten thousand stretches; then there is none.
    """

    def __init__(self, trigger: Trigger, exclusions: Iterable[Exclusion]) -> None:
        """Keep each rule once, in an order that does not depend on how they were written."""
        self.trigger = trigger
        self.exclusions = tuple(rule for _, rule in sorted({one.describe(): one for one in exclusions}.items()))
        self._exhausted_us: int | None = None

    def next_after(self, after_us: int) -> int | None:
        """Give the trigger's first instant after ``after_us`` that is not left out."""
        if self._exhausted_us is not None and after_us >= self._exhausted_us:
            return None
        at_us = self.trigger.next_after(after_us)
        for _ in range(STEPS_LIMIT):
            if at_us is None or at_us > after_us + SEARCH_US:
                break
            until_us = max(one.until_us(at_us) for one in self.exclusions)
            if until_us <= at_us:
                return at_us
            at_us = self.trigger.next_after(until_us - 1)
        # Remembered, because going through it all again at each of fifty questions would stop the daemon.
        self._exhausted_us = after_us if self._exhausted_us is None else min(after_us, self._exhausted_us)
        return None

    def describe(self) -> str:
        """Write trigger and rules."""
        return f"({self.trigger.describe()}) except {'; '.join(one.describe() for one in self.exclusions)}"

    def begun(self, at_us: int) -> Trigger:
        """Begin the trigger."""
        return Excluding(self.trigger.begun(at_us), self.exclusions)
