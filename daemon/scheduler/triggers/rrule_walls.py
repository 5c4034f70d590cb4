"""The wall times of a recurrence rule, found without going through all of them since its start.

dateutil expands the rule, always from its start on. So it is handed the rule anew for each block of periods, with the start
of the block as the rule's; what the rule would take from its real start (day, time) is written out before. Days it does
itself: dateutil would look at each day up to the year 9999 for a date that does not exist.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from dateutil import rrule as dateutil_rrule

from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.triggers.rrule_text import FREQUENCIES, WEEKDAYS, RuleText

DAY_S = 86_400
WALLS_LIMIT = 20_000
"""Wall times in one block."""

TIMES_LIMIT = 1440
DAYS_SEARCHED = 366 * 41
"""Any date comes on any weekday within forty years; a rule that also counts days and waits longer is taken to be over."""

_BLOCKS_KEPT = 64
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the wall clock's
_EPOCH_DAY = _EPOCH.date()
_LAST_YEAR = 9900
_BLOCK_PERIODS = {"YEARLY": 4, "MONTHLY": 12, "WEEKLY": 16}
_DAYS_IN = {"YEARLY": 366, "MONTHLY": 31, "WEEKLY": 7}
_MONTHS = 12
_WEEK = 7


class _Block(NamedTuple):
    walls: tuple[int, ...]
    beyond: int | None


class RuleWalls:
    """Wall times in seconds since 1970-01-01 on the wall clock."""

    def __init__(self, rule: RuleText, start_s: int) -> None:
        """Write out what the rule takes from its start.

        Raises:
            TriggerInvalid: more than 1440 times a day, or 20,000 in a period.
        """
        self.rule, self.start_s = rule, start_s
        self._start = _EPOCH + timedelta(seconds=start_s)
        hours = rule.numbers.get("BYHOUR", (self._start.hour,))
        minutes = rule.numbers.get("BYMINUTE", (self._start.minute,))
        seconds = rule.numbers.get("BYSECOND", (self._start.second,))
        self._times = tuple(sorted(h * 3600 + m * 60 + s for h in hours for m in minutes for s in seconds))
        a_period = len(self._times) * _DAYS_IN.get(rule.frequency, 1)
        if len(self._times) > TIMES_LIMIT or a_period > WALLS_LIMIT:
            raise TriggerInvalid("the rule names too many times", hint="write a cron expression")
        self._periods = max(1, min(_BLOCK_PERIODS.get(rule.frequency, 1), WALLS_LIMIT // a_period))
        self._parts = _dateutil_parts(rule, self._start, hours, minutes, seconds)
        self._first_period = self._period(self._start.date())
        self._blocks: dict[int, _Block] = {}
        self._quiet = (0, 0)  # no day of the rule from the first up to and without the second

    def first_at_or_after(self, wall_s: int) -> int | None:
        """Give the rule's first wall time not before ``wall_s``; ``None`` if there is none."""
        wall_s = max(wall_s, self.start_s)
        here = _EPOCH_DAY + timedelta(days=wall_s // DAY_S)
        if here.year > _LAST_YEAR:
            return None
        if self.rule.frequency == "DAILY":
            return self._daily(wall_s)
        number = (self._period(here) - self._first_period) // (self.rule.interval * self._periods)
        block = self._block(number)
        place = bisect_left(block.walls, wall_s)
        return block.walls[place] if place < len(block.walls) else block.beyond

    def first(self, count: int) -> list[int]:
        """Give the rule's first so many wall times."""
        found: list[int] = []
        wall_s = self.first_at_or_after(self.start_s)
        while wall_s is not None and len(found) < count:
            found.append(wall_s)
            wall_s = self.first_at_or_after(wall_s + 1)
        return found

    def _daily(self, wall_s: int) -> int | None:
        day, second = divmod(wall_s, DAY_S)
        first = self.start_s // DAY_S
        place = bisect_left(self._times, second)
        if place == len(self._times):
            day, place = day + 1, 0
        quiet_from, quiet_to = self._quiet
        begin = max(day, quiet_to) if quiet_from <= day else day
        for found in range(begin + (first - begin) % self.rule.interval, begin + DAYS_SEARCHED, self.rule.interval):
            if self._has_day(_EPOCH_DAY + timedelta(days=found)):
                self._quiet = (day, found) if begin == day else (quiet_from, found)
                return found * DAY_S + self._times[place if found == day else 0]
        return None

    def _has_day(self, day: date) -> bool:
        numbers, rule = self.rule.numbers, self.rule
        if "BYMONTH" in numbers and day.month not in numbers["BYMONTH"]:
            return False
        if rule.weekdays and (day.weekday(), 0) not in rule.weekdays:
            return False
        following = date(day.year + day.month // _MONTHS, day.month % _MONTHS + 1, 1)
        if not _counts(numbers.get("BYMONTHDAY"), day.day, day.day - 1 - (following - day.replace(day=1)).days):
            return False
        of_year = (day - date(day.year, 1, 1)).days
        return _counts(
            numbers.get("BYYEARDAY"), of_year + 1, of_year - (date(day.year + 1, 1, 1) - date(day.year, 1, 1)).days
        )

    def _period(self, day: date) -> int:
        if self.rule.frequency == "YEARLY":
            return day.year
        if self.rule.frequency == "MONTHLY":
            return day.year * _MONTHS + day.month - 1
        return (day.toordinal() - 1 - self.rule.week_start) // _WEEK

    def _period_start(self, period: int) -> datetime:
        if self.rule.frequency == "YEARLY":
            return datetime(period, 1, 1)  # noqa: DTZ001 - the wall clock's
        if self.rule.frequency == "MONTHLY":
            return datetime(period // _MONTHS, period % _MONTHS + 1, 1)  # noqa: DTZ001 - the wall clock's
        return datetime.combine(
            date.fromordinal(max(1, period * _WEEK + 1 + self.rule.week_start)), datetime.min.time()
        )

    def _block(self, number: int) -> _Block:
        block = self._blocks.get(number)
        if block is None:
            if len(self._blocks) >= _BLOCKS_KEPT:
                self._blocks.clear()
            block = self._blocks[number] = self._expanded(number)
        return block

    def _expanded(self, number: int) -> _Block:
        length = self.rule.interval * self._periods
        begin = self._period_start(self._first_period + number * length)
        end = self._period_start(self._first_period + (number + 1) * length)
        walls: list[int] = []
        expansion = dateutil_rrule.rrule(dtstart=begin, **self._parts)
        for at in islice(expansion, WALLS_LIMIT + 1):
            wall_s = (at - _EPOCH) // timedelta(seconds=1)
            if at >= end:
                return _Block(tuple(walls), wall_s)
            if wall_s >= self.start_s:
                walls.append(wall_s)
        return _Block(tuple(walls), None)


def _counts(values: tuple[int, ...] | None, from_start: int, from_end: int) -> bool:
    return values is None or from_start in values or from_end in values


def _dateutil_parts(
    rule: RuleText, start: datetime, hours: tuple[int, ...], minutes: tuple[int, ...], seconds: tuple[int, ...]
) -> dict[str, Any]:
    numbers = dict(rule.numbers)
    weekdays = rule.weekdays
    if not rule.names_days:
        if rule.frequency == "WEEKLY":
            weekdays = ((start.weekday(), 0),)
        else:
            numbers["BYMONTHDAY"] = (start.day,)
            if rule.frequency == "YEARLY":
                numbers.setdefault("BYMONTH", (start.month,))
    numbers |= {"BYHOUR": hours, "BYMINUTE": minutes, "BYSECOND": seconds}
    named = {"BYDAY": [getattr(dateutil_rrule, WEEKDAYS[day])(which or None) for day, which in weekdays]}
    parts: dict[str, Any] = {key.lower(): list(values) for key, values in numbers.items()}
    if weekdays:
        parts["byweekday"] = named["BYDAY"]
    return {
        **parts,
        "freq": FREQUENCIES.index(rule.frequency),
        "interval": rule.interval,
        "wkst": rule.week_start,
    }
