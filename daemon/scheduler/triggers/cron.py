"""Cron expressions on the wall clock of a time zone."""

from __future__ import annotations

from enum import Enum

from daemon.clock import SECOND_US
from daemon.scheduler.triggers.cron_fields import CronFields, WallTimes, parse_cron
from daemon.scheduler.triggers.trigger import Trigger
from daemon.scheduler.triggers.zone import Segment, WallClock

CLOCK_CHANGE_LIMIT_S = 3 * 3600
"""Debian's cron gives special care to changes of less than three hours; larger ones are a clock that was set."""


class Dst(Enum):
    """What becomes of a cron entry when the clocks change.

    ``CRON``: as Debian's cron. An entry at a fixed time whose time is skipped fires once, right after the gap; one whose
    time comes twice fires the first time only. An entry whose minute or hour begins with ``*`` follows elapsed time.
    ``INSTANT``: at every real instant whose wall clock matches: nothing in a gap, twice in a fold.
    """

    CRON = "cron"
    INSTANT = "instant"


class Cron(Trigger):
    """A cron expression on the wall clock of a zone."""

    def __init__(self, expression: str, zone: str, dst: Dst = Dst.CRON) -> None:
        """Read the expression.

        Raises:
            TriggerInvalid: as ``parse_cron``.
        """
        self.expression = expression
        self.clock = WallClock(zone)
        self.dst = dst
        self._walls = WallTimes(parse_cron(expression))
        self.is_fixed = dst is Dst.CRON and not self._walls.fields.is_wildcard

    @property
    def fields(self) -> CronFields:
        """What the expression matches."""
        return self._walls.fields

    def describe(self) -> str:
        """Write expression, zone and policy."""
        return f"cron {' '.join(self.expression.split())} in {self.clock.zone} dst {self.dst.value}"

    def next_after(self, after_us: int) -> int | None:
        """Give the first instant after ``after_us``, whole seconds as microseconds."""
        start = after_us // SECOND_US + 1
        segment = self.clock.segment_at(start)
        while True:
            found = self._in_segment(segment, start)
            if found is not None and found < segment.end_s:
                return found * SECOND_US
            if found is None:
                return None
            start = segment.end_s
            segment = self.clock.segment_at(start)

    def _in_segment(self, segment: Segment, start: int) -> int | None:
        """Give the first match from ``start`` on, reckoned with the segment's offset; it may lie beyond its end."""
        if self.heeds(segment):
            if segment.shift_s > 0 and start == segment.start_s and self.first_in_gap(segment) is not None:
                return start
            if segment.shift_s < 0:
                # These wall times were met before the clock went back.
                start = max(start, segment.start_s - segment.shift_s)
        wall = self._walls.first_at_or_after(start + segment.offset_s)
        return None if wall is None else wall - segment.offset_s

    def heeds(self, segment: Segment) -> bool:
        """Say whether the clock change that ``segment`` began with is one that a job at fixed times is spared."""
        return self.is_fixed and abs(segment.shift_s) < CLOCK_CHANGE_LIMIT_S

    def first_in_gap(self, segment: Segment) -> int | None:
        """Give the first matching wall time in the gap that ``segment`` began with, in seconds of the wall clock."""
        opened = segment.start_s + segment.offset_s
        wall = self._walls.first_at_or_after(opened - segment.shift_s)
        return wall if wall is not None and wall < opened else None
