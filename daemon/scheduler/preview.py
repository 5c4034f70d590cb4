"""Coming occurrences, with a note where the clocks change. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from daemon.clock import SECOND_US, instant
from daemon.scheduler.triggers import Cron, Dst, Trigger
from daemon.scheduler.triggers.zone import Segment, WallClock


@dataclass(frozen=True, slots=True)
class Fire:
    """One coming occurrence: the instant, the local time, and what is odd about it."""

    at_us: int
    local: datetime
    note: str


def preview(trigger: Trigger, zone: str, after_us: int) -> Iterator[Fire]:
    """Give the occurrences after an instant, for ever or until there are none."""
    clock = trigger.clock if isinstance(trigger, Cron) else WallClock(zone)
    before = after_us
    while (at_us := trigger.next_after(before)) is not None:
        note = _note(trigger, before, at_us) if isinstance(trigger, Cron) else ""
        yield Fire(at_us, clock.show(at_us // SECOND_US).replace(microsecond=at_us % SECOND_US), note)
        before = at_us


def _note(cron: Cron, before_us: int, at_us: int) -> str:
    at_s = at_us // SECOND_US
    here = cron.clock.segment_at(at_s)
    gap = _gap_between(cron, before_us // SECOND_US, at_s)
    if gap is not None:
        segment, wall_s = gap
        then = "fires right after" if cron.heeds(segment) else "does not fire"
        return f"{instant(wall_s * SECOND_US):%Y-%m-%d %H:%M} does not exist, the clocks go forward; {then}"
    if here.shift_s < 0 and at_s - here.start_s < -here.shift_s:
        return "the clocks went back; this time of day comes for the second time"
    following = cron.clock.segment_at(here.end_s)
    if following.shift_s < 0 and here.end_s - at_s <= -following.shift_s:
        again = "fires the first time only" if cron.heeds(following) else "fires both times"
        return f"the clocks go back; this time of day comes twice, {again}"
    return ""


def _gap_between(cron: Cron, before_s: int, at_s: int) -> tuple[Segment, int] | None:
    """Find the first gap between two instants that swallowed a matching wall time; the segment after it, and that time."""
    if cron.dst is Dst.CRON and not cron.is_fixed:
        return None
    segment = cron.clock.segment_at(before_s)
    while segment.end_s <= at_s:
        segment = cron.clock.segment_at(segment.end_s)
        wall_s = cron.first_in_gap(segment) if segment.shift_s > 0 else None
        if wall_s is not None:
            return segment, wall_s
    return None
