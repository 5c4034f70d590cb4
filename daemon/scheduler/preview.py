"""Coming occurrences, with a note where the clocks change. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from daemon.clock import SECOND_US, instant
from daemon.scheduler.triggers import Crontab, CrontabMode, Fold, Gap, Trigger, WallTrigger
from daemon.scheduler.triggers.excluding import Excluding
from daemon.scheduler.triggers.spread import Shifted
from daemon.scheduler.triggers.union import Union
from daemon.scheduler.triggers.window import Window
from daemon.scheduler.triggers.zone import Segment, WallClock

_CHANGES_BACK = 4
_FORWARD, _BACK = "the clocks go forward", "the clocks go back"


@dataclass(frozen=True, slots=True)
class Fire:
    """One coming occurrence: the instant, the local time, and what is odd about it."""

    at_us: int
    local: datetime
    note: str


def preview(trigger: Trigger, zone: str, after_us: int) -> Iterator[Fire]:
    """Give the occurrences after an instant, for ever or until there are none."""
    clock = trigger.clock if isinstance(trigger, WallTrigger) else WallClock(zone)
    before = after_us
    while (at_us := trigger.next_after(before)) is not None:
        note = _note_of_any(trigger, before, at_us)
        yield Fire(at_us, clock.show(at_us // SECOND_US).replace(microsecond=at_us % SECOND_US), note)
        before = at_us


def _note_of_any(trigger: Trigger, before_us: int, at_us: int) -> str:
    """Look for a wall clock behind a trigger that changes others."""
    match trigger:
        case WallTrigger():
            return _note(trigger, before_us // SECOND_US, at_us // SECOND_US)
        case Union():
            rules = [one for one in trigger.triggers if one.next_after(at_us - 1) == at_us]
            return next((note for one in rules if (note := _note_of_any(one, before_us, at_us))), "")
        case Window() | Excluding():
            return _note_of_any(trigger.trigger, before_us, at_us)
        case Shifted():
            return _note_of_any(trigger.trigger, before_us - trigger.by_us, at_us - trigger.by_us)
        case _:
            return ""


def _note(trigger: WallTrigger, before_s: int, at_s: int) -> str:
    here = trigger.clock.segment_at(at_s)
    if isinstance(trigger, Crontab) and trigger.mode is CrontabMode.CELERY_5_4:
        note = _note_of_wait(trigger, here, at_s)
        if note:
            return note
    else:
        gap = _gap_between(trigger, before_s, at_s)
        if gap is not None:
            return _note_of_gap(trigger, *gap, at_s)
    return _note_of_fold(trigger, here, at_s)


# -- a time that the clocks skip ---------------------------------------------------------------------------------------


def _gap_between(trigger: WallTrigger, before_s: int, at_s: int) -> tuple[Segment, int] | None:
    """Find the gap before a fire that swallowed a matching wall time; the segment after it, and that time."""
    segment = trigger.clock.segment_at(at_s)
    shift = segment.shift_s
    if shift > 0 and at_s < segment.start_s + shift and trigger.heeds(shift) and trigger.policy.gap is Gap.SHIFT:
        wall_s = at_s + segment.offset_s - shift
        return (segment, wall_s) if trigger.walls.first_at_or_after(wall_s) == wall_s else None
    if trigger.policy.fixed_only and trigger.fields.is_wildcard:
        return None
    segment = trigger.clock.segment_at(before_s)
    while segment.end_s <= at_s:
        segment = trigger.clock.segment_at(segment.end_s)
        first_s = trigger.first_in_gap(segment) if segment.shift_s > 0 else None
        if first_s is not None:
            return segment, first_s
    return None


def _note_of_gap(trigger: WallTrigger, segment: Segment, wall_s: int, at_s: int) -> str:
    missing = f"{instant(wall_s * SECOND_US):%Y-%m-%d %H:%M} does not exist, {_FORWARD}"
    gap = trigger.policy.gap if trigger.heeds(segment.shift_s) else Gap.SKIP
    if gap is Gap.SKIP:
        return f"{missing}; does not fire"
    if gap is Gap.AFTER:
        return f"{missing}; fires right after"
    instead = f"{missing}; fires {_spell(segment.shift_s)} later"
    if gap is Gap.SHIFT_ONE:
        other_s = trigger.walls.first_at_or_after(wall_s + 1)
        opened_s = segment.start_s + segment.offset_s
        usual_s = trigger.walls.first_at_or_after(opened_s)
        if (other_s is not None and other_s < opened_s) or (usual_s is not None and usual_s < at_s + segment.offset_s):
            return f"{instead}, others that were due until then do not"
    return instead


# -- a time that comes twice -------------------------------------------------------------------------------------------


def _note_of_fold(trigger: WallTrigger, here: Segment, at_s: int) -> str:
    waits = isinstance(trigger, Crontab) and trigger.mode is CrontabMode.CELERY_5_4
    if here.shift_s < 0 and at_s - here.start_s < -here.shift_s:
        if trigger.policy.fold is Fold.LAST and trigger.heeds(here.shift_s):
            return "the clocks went back; this time of day came twice, fires the last time only"
        return "the clocks went back; this time of day comes for the second time"
    if here.next_shift_s < 0 and here.end_s - at_s <= -here.next_shift_s:
        heeds = trigger.heeds(here.next_shift_s) and trigger.policy.fold is not Fold.BOTH
        if waits and trigger.next_after((at_s - here.next_shift_s) * SECOND_US - 1) != (
            (at_s - here.next_shift_s) * SECOND_US
        ):
            heeds = True
        again = "fires the first time only" if heeds else "fires both times"
        return f"{_BACK}; this time of day comes twice, {again}"
    return ""


# -- a wait that a change of the clocks falls into ---------------------------------------------------------------------


def _note_of_wait(trigger: WallTrigger, here: Segment, at_s: int) -> str:
    """Say that a fire is early or late, because it was reckoned before the clocks were changed."""
    begun = here
    for _ in range(_CHANGES_BACK):
        if trigger.walls.first_at_or_after(at_s + begun.offset_s) == at_s + begun.offset_s:
            break
        begun = trigger.clock.segment_at(begun.start_s - 1)
    late_s = here.offset_s - begun.offset_s
    if not late_s:
        return ""
    meant = f"{instant((at_s + begun.offset_s) * SECOND_US):%H:%M}"
    how = "late" if late_s > 0 else "early"
    return f"the clocks were changed since the last fire; {meant} fires {_spell(abs(late_s))} {how}"


def _spell(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return " ".join(f"{count} {unit}" for count, unit in ((hours, "h"), (rest // 60, "min")) if count)
