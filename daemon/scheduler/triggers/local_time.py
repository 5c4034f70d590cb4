"""From the wall clock of a zone back to instants. Whole seconds throughout."""

from __future__ import annotations

from daemon.scheduler.triggers.zone import WallClock

DAY_S = 86_400
_REACH_S = 26 * 3600
"""No wall clock is further than this from UTC."""


def instants_of(clock: WallClock, wall_s: int) -> tuple[int, int]:
    """Give the first and the last instant at which the clock shows a time; they differ where it comes twice.

    A time the clock leaves out is moved forward by as much as is left out, as RFC 5545 and Celery do.
    """
    found: list[int] = []
    moved_s = wall_s
    segment = clock.segment_at(wall_s - _REACH_S)
    while True:
        if segment.start_s + segment.offset_s <= wall_s < segment.end_s + segment.offset_s:
            found.append(wall_s - segment.offset_s)
        elif not found and wall_s < segment.start_s + segment.offset_s:
            moved_s = wall_s - (segment.offset_s - segment.shift_s)
            return moved_s, moved_s
        if segment.end_s > wall_s + _REACH_S:
            return found[0], found[-1]
        segment = clock.segment_at(segment.end_s)


def day_of(clock: WallClock, at_s: int) -> int:
    """Give the local date of an instant, in days since 1970-01-01."""
    return (at_s + clock.segment_at(at_s).offset_s) // DAY_S


def next_day_s(clock: WallClock, at_s: int) -> int:
    """Give the first instant after ``at_s`` whose local date is a later one."""
    segment = clock.segment_at(at_s)
    midnight_s = ((at_s + segment.offset_s) // DAY_S + 1) * DAY_S
    while True:
        reached_s = max(segment.start_s, midnight_s - segment.offset_s)
        if reached_s < segment.end_s:
            return reached_s
        segment = clock.segment_at(segment.end_s)
