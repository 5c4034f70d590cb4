"""Coming occurrences, with a note where the clocks change. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from daemon.clock import SECOND_US, instant
from daemon.scheduler.trigger import CLOCK_CHANGE_LIMIT_S, Cron, Dst, Trigger
from daemon.scheduler.zone import Segment, WallClock


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


def describe_zone(at_us: int, zone: str) -> str:
    """Give the abbreviation of a zone at an instant."""
    return WallClock(zone).show(at_us // SECOND_US).tzname() or zone


def _note(cron: Cron, before_us: int, at_us: int) -> str:
    at_s = at_us // SECOND_US
    here = cron.clock.segment_at(at_s)
    skipped = _skipped_by_gap(cron, before_us // SECOND_US, at_s)
    if skipped is not None:
        if cron.is_fixed and at_s == here.start_s:
            return f"{skipped} does not exist, the clocks go forward; fires right after"
        return f"{skipped} does not exist, the clocks go forward; does not fire"
    if here.shift_s < 0 and at_s - here.start_s < -here.shift_s:
        return "the clocks went back; this time of day comes for the second time"
    following = cron.clock.segment_at(here.end_s)
    if following.shift_s < 0 and here.end_s - at_s <= -following.shift_s:
        again = "fires the first time only" if cron.is_fixed else "fires both times"
        return f"the clocks go back; this time of day comes twice, {again}"
    return ""


def _skipped_by_gap(cron: Cron, before_s: int, at_s: int) -> str | None:
    """Name the first matching wall time that a gap between two instants swallowed."""
    if before_s >= at_s:
        return None
    segment: Segment = cron.clock.segment_at(at_s)
    if segment.shift_s <= 0 or segment.start_s <= before_s or segment.shift_s >= CLOCK_CHANGE_LIMIT_S:
        return None
    wall_s = cron.first_in_gap(segment)
    if wall_s is None or (cron.dst is Dst.CRON and not cron.is_fixed):
        return None
    return f"{instant(wall_s * SECOND_US):%Y-%m-%d %H:%M}"
