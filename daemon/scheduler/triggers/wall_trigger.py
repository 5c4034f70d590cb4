"""What fires at times of the wall clock: matching wall times turned into instants, with care for clock changes."""

from __future__ import annotations

from daemon.clock import SECOND_US
from daemon.scheduler.triggers.cron_fields import DAY_S, CronFields, WallTimes
from daemon.scheduler.triggers.dst import DstPolicy, Fold, Gap
from daemon.scheduler.triggers.trigger import Trigger
from daemon.scheduler.triggers.zone import Segment, WallClock

CLOCKS_APART_S = 3 * DAY_S
"""More than any two offsets of a zone differ, and than any clock change skips or repeats."""


class WallTrigger(Trigger):
    """Matching times of a wall clock, under a policy for clock changes."""

    def __init__(self, fields: CronFields, zone: str, policy: DstPolicy) -> None:
        """Keep what matches, open the zone."""
        self.clock = WallClock(zone)
        self.policy = policy
        self.walls = WallTimes(fields)
        self._cares = not (policy.fixed_only and fields.is_wildcard) and (policy.gap, policy.fold) != (
            Gap.SKIP,
            Fold.BOTH,
        )

    @property
    def fields(self) -> CronFields:
        """What the expression matches."""
        return self.walls.fields

    def next_after(self, after_us: int) -> int | None:
        """Give the first instant after ``after_us``, whole seconds as microseconds."""
        start = after_us // SECOND_US + 1
        while True:
            segment = self.clock.segment_at(start)
            found = self._in_segment(segment, start) if self._cares else self._match(segment.offset_s, start)
            if found is None:
                return None
            if found < segment.end_s:
                return found * SECOND_US
            # What comes twice at the end of the segment may lie before ``start``; but if not, nothing fires for long.
            near = segment.end_s - start < CLOCKS_APART_S
            start = segment.end_s if near else max(segment.end_s, found - CLOCKS_APART_S)

    def heeds(self, shift_s: int) -> bool:
        """Say whether this trigger cares for a clock change of this size."""
        return self._cares and self.policy.heeds(shift_s)

    def first_in_gap(self, segment: Segment) -> int | None:
        """Give the first matching wall time in the gap that ``segment`` began with, in seconds of the wall clock."""
        opened = segment.start_s + segment.offset_s
        wall = self.walls.first_at_or_after(opened - segment.shift_s)
        return wall if wall is not None and wall < opened else None

    def _match(self, offset_s: int, start: int) -> int | None:
        wall = self.walls.first_at_or_after(start + offset_s)
        return None if wall is None else wall - offset_s

    def _in_segment(self, segment: Segment, start: int) -> int | None:
        """Give the first fire from ``start`` on, as if the segment never ended; one beyond its end is only a hint."""
        shift, found = segment.shift_s, None
        if shift and start < segment.start_s + abs(shift) and self.policy.heeds(shift):
            if shift < 0:
                if self.policy.fold is Fold.FIRST:
                    # These wall times were met before the clock went back.
                    start = segment.start_s - shift
            else:
                found = self._made_up(segment, start)
                if found is not None and self.policy.gap is not Gap.SHIFT:
                    return found
        usual = self._match(segment.offset_s, start)
        if usual is not None and (found is None or usual < found):
            found = usual
        comes_back = segment.next_shift_s < 0 and self.policy.fold is Fold.LAST
        if comes_back and found is not None and self.policy.heeds(segment.next_shift_s):
            # These wall times will be met again after the clock has gone back.
            return segment.end_s if segment.end_s + segment.next_shift_s <= found < segment.end_s else found
        return found

    def _made_up(self, segment: Segment, start: int) -> int | None:
        """Give the first fire from ``start`` on that stands for times in the gap that the segment began with."""
        gap = self.policy.gap
        if gap is Gap.SKIP:
            return None
        if gap is Gap.AFTER:
            return start if start == segment.start_s and self.first_in_gap(segment) is not None else None
        late_s = segment.offset_s - segment.shift_s
        found = self._match(late_s, start if gap is Gap.SHIFT else segment.start_s)
        if found is None or not start <= found < segment.start_s + segment.shift_s:
            return None
        return found
