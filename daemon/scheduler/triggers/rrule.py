"""Recurrence rules of RFC 5545 on the wall clock of a zone.

A time that the clock leaves out is moved forward by the gap; of one that comes twice the first counts (RFC 5545, 3.3.5).
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime

from daemon.clock import SECOND_US, microseconds
from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.triggers.local_time import instants_of
from daemon.scheduler.triggers.rrule_text import RuleText, parse_rrule
from daemon.scheduler.triggers.rrule_walls import RuleWalls
from daemon.scheduler.triggers.trigger import Trigger
from daemon.scheduler.triggers.zone import Segment, WallClock


class Rrule(Trigger):
    """A recurrence rule. Without a start it takes its days and times from its parts alone, the time midnight."""

    def __init__(self, text: str, zone: str, start: datetime | None = None) -> None:
        """Read the rule.

        Args:
            text: the rule, perhaps after a line ``DTSTART:…``, whose ``TZID`` wins over ``zone``.
            zone: IANA name.
            start: first moment that counts, on the zone's wall clock or with an offset; only if the text has no DTSTART.

        Raises:
            TriggerInvalid: as ``parse_rrule``; two starts; a rule that needs a start and has none; too many times a day.
        """
        rule = parse_rrule(text)
        if rule.start is not None and start is not None:
            raise TriggerInvalid("start and DTSTART are both there", hint="keep one of them")
        try:
            self.clock = WallClock(rule.zone or zone)
        except (KeyError, ValueError, OSError):
            message = f'DTSTART: "{(rule.zone or zone)[:40]}" is not a known time zone'
            raise TriggerInvalid(message) from None
        start = rule.start or start
        if start is None and (rule.interval > 1 or rule.count is not None or not rule.names_days):
            raise TriggerInvalid(
                "the rule does not say when it begins, and needs to",
                hint="add start, or name days (BYDAY, BYMONTHDAY) without INTERVAL and COUNT",
            )
        start_s = 0 if start is None else self._wall_s(start)
        self._walls = RuleWalls(rule, start_s)
        self._until_us = None if rule.until is None else self._until(rule.until)
        self._text = _written(rule, start_s)
        self._counted: tuple[int, ...] | None = None
        self._count = rule.count
        self._epoch = self.clock.epoch

    def _wall_s(self, at: datetime) -> int:
        if at.tzinfo is None:
            return microseconds(at.replace(tzinfo=UTC)) // SECOND_US
        at_s = microseconds(at) // SECOND_US
        return at_s + self.clock.segment_at(at_s).offset_s

    def _until(self, until: datetime) -> int:
        if until.tzinfo is not None:
            return microseconds(until)
        return instants_of(self.clock, self._wall_s(until))[1] * SECOND_US

    def next_after(self, after_us: int) -> int | None:
        """Give the first instant after ``after_us``, whole seconds as microseconds."""
        at_us = self._next_counted(after_us) if self._count is not None else self._next_endless(after_us)
        return None if at_us is None or (self._until_us is not None and at_us > self._until_us) else at_us

    def _next_counted(self, after_us: int) -> int | None:
        self.clock.segment_at(after_us // SECOND_US)
        if self._counted is None or self._epoch != self.clock.epoch:
            assert self._count is not None
            walls = self._walls.first(self._count)
            self._epoch = self.clock.epoch
            self._counted = tuple(sorted({instants_of(self.clock, wall)[0] * SECOND_US for wall in walls}))
        place = bisect_right(self._counted, after_us)
        return self._counted[place] if place < len(self._counted) else None

    def _next_endless(self, after_us: int) -> int | None:
        if self._until_us is not None and after_us >= self._until_us:
            return None
        start_s = after_us // SECOND_US + 1
        segment = self.clock.segment_at(start_s)
        while True:
            found, beyond = self._in_segment(segment, max(start_s, segment.start_s))
            if found is not None:
                return found * SECOND_US
            if beyond is None:
                return None
            # Nothing lies between here and the day before the wall time found.
            segment = self.clock.segment_at(max(segment.end_s, beyond - 3 * 86_400))

    def _in_segment(self, segment: Segment, start_s: int) -> tuple[int | None, int | None]:
        """Give the first instant in a segment from ``start_s`` on, if there is one, and the wall time found."""
        # After a gap its wall times are met with the offset of before; after a fold those met before are not met again.
        before_s = segment.offset_s - segment.shift_s
        missed_s = self._walls.first_at_or_after(start_s + before_s) if segment.shift_s > 0 else None
        moved_s = None
        if missed_s is not None and missed_s < segment.start_s + segment.offset_s:
            moved_s = missed_s - before_s
        first_s = start_s + segment.offset_s
        if segment.shift_s < 0:
            first_s = max(first_s, segment.start_s + before_s)
        wall_s = self._walls.first_at_or_after(first_s)
        own_s = None if wall_s is None else wall_s - segment.offset_s
        found = min((one for one in (moved_s, own_s) if one is not None and one < segment.end_s), default=None)
        return found, wall_s

    def describe(self) -> str:
        """Write the rule in one form, whatever the order of its parts, with start and zone."""
        return f"rrule {self._text} in {self.clock.zone}"


def _written(rule: RuleText, start_s: int) -> str:
    numbers = [f"{key}={','.join(map(str, values))}" for key, values in sorted(rule.numbers.items())]
    weekdays = [f"BYDAY={','.join(f'{which}:{day}' for day, which in rule.weekdays)}"] if rule.weekdays else []
    ends = [f"COUNT={rule.count}"] if rule.count is not None else []
    ends += [f"UNTIL={rule.until.isoformat()}"] if rule.until is not None else []
    parts = [f"FREQ={rule.frequency}", f"INTERVAL={rule.interval}", f"WKST={rule.week_start}"]
    return ";".join([*parts, *numbers, *weekdays, *ends, f"START={start_s}"])
