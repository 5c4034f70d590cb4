"""Celery's ``crontab`` on the wall clock of a time zone.

From 5.5.2 on Celery takes the next matching wall time after the last fire and asks for its instant: one that the clocks
skip is later by what was skipped, one that comes twice is the first of the two. That is a policy like those of cron.

Up to 5.5.1 it subtracts the two wall times and waits so long: the first fire after a clock change is off by it, and the
fires go on from wherever that is. ``Elapsed`` does this.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from daemon.clock import SECOND_US
from daemon.scheduler.triggers.cron_fields import CronFields
from daemon.scheduler.triggers.crontab_fields import FIELDS, FieldValue, crontab_fields, write_field
from daemon.scheduler.triggers.dst import CrontabMode, Dst, DstPolicy, Fold, Gap
from daemon.scheduler.triggers.wall_trigger import CLOCKS_APART_S, WallTrigger
from daemon.scheduler.triggers.zone import FOREVER_S, Segment

_POLICIES: Final = {
    CrontabMode.CELERY: DstPolicy(Gap.SHIFT_ONE, Fold.FIRST),
    CrontabMode.CELERY_5_4: Dst.INSTANT,
    CrontabMode.CELERY_5_4_BEAT: DstPolicy(Gap.AFTER, Fold.FIRST),
}
_SEGMENTS_BACK = 120
"""More clock changes than lie between two leap days that are a Monday."""

_SEGMENTS_KEPT = 512


class Crontab(WallTrigger):
    """A crontab of Celery on the wall clock of a zone."""

    def __init__(self, expression: str, zone: str, mode: CrontabMode = CrontabMode.CELERY) -> None:
        """Read an expression of five fields in the usual order, as ``crontab.from_string`` does.

        Raises:
            TriggerInvalid: Celery refuses it, or takes it for something else than it says, or it can never fire.
        """
        self._begin(crontab_fields(expression.split()), zone, mode)

    @classmethod
    def of(
        cls,
        *,
        minute: FieldValue = "*",
        hour: FieldValue = "*",
        day_of_week: FieldValue = "*",
        day_of_month: FieldValue = "*",
        month_of_year: FieldValue = "*",
        zone: str,
        mode: CrontabMode = CrontabMode.CELERY,
    ) -> Crontab:
        """Make a crontab of what Celery's constructor takes: text, numbers, and collections of numbers.

        Raises:
            TriggerInvalid: as the constructor.
        """
        made = cls.__new__(cls)
        made._begin(  # noqa: SLF001 - it is the same class
            crontab_fields((minute, hour, day_of_month, month_of_year, day_of_week)), zone, mode
        )
        return made

    def _begin(self, fields: CronFields, zone: str, mode: CrontabMode) -> None:
        super().__init__(fields, zone, _POLICIES[mode])
        self.mode = mode
        self.expression = " ".join(write_field(mask, field) for mask, field in zip(_masks(fields), FIELDS, strict=True))
        self._elapsed = Elapsed(self) if mode is CrontabMode.CELERY_5_4 else None

    def next_after(self, after_us: int) -> int | None:
        """Give the first instant after ``after_us``, whole seconds as microseconds."""
        return super().next_after(after_us) if self._elapsed is None else self._elapsed.next_after(after_us)

    def describe(self) -> str:
        """Write the values of the fields, zone and mode."""
        return f"crontab {self.expression} in {self.clock.zone} dst {self.mode.value}"


def _masks(fields: CronFields) -> Iterable[int]:
    return fields.minutes, fields.hours, fields.days, fields.months, fields.weekdays


class Elapsed:
    """The fires of a crontab that waits for as long as two wall times are apart.

    After the first fire in a segment it fires at the matching times of that segment; the first one is where the wait begun
    in an earlier segment ends. So all that must be known of the past is the first fire not before a segment.
    """

    def __init__(self, trigger: WallTrigger) -> None:
        """Take what matches and the clock from a trigger."""
        self._walls, self._clock = trigger.walls, trigger.clock
        self._entered: dict[Segment, int] = {}
        self._epoch = trigger.clock.epoch

    def next_after(self, after_us: int) -> int | None:
        """Give the first instant after ``after_us``, whole seconds as microseconds."""
        start = after_us // SECOND_US + 1
        segment = self._clock.segment_at(start)
        entered = self.first_in(segment)
        if start > entered:
            entered = self._match(segment.offset_s, start)
        return entered * SECOND_US if entered < FOREVER_S else None

    def first_in(self, segment: Segment) -> int:
        """Give the first fire not before a segment, UTC in seconds; it may lie beyond the segment's end."""
        if segment.start_s == -FOREVER_S:
            return segment.start_s
        if self._epoch != self._clock.epoch or len(self._entered) > _SEGMENTS_KEPT:
            self._epoch = self._clock.epoch
            self._entered.clear()
        known = self._entered.get(segment)
        if known is not None:
            return known
        passed = [segment]
        while len(passed) < _SEGMENTS_BACK:
            until_s = passed[-1].start_s
            passed.append(self._clock.segment_at(until_s - 1))
            if self._surely_fires_in(passed[-1], until_s):
                break
        before = passed.pop()
        entered = self._match(before.offset_s, before.start_s)
        while passed:
            here = passed.pop()
            if entered < here.start_s:
                entered = self._match(before.offset_s, here.start_s)
            before = here
        self._entered[segment] = entered
        return entered

    def _surely_fires_in(self, segment: Segment, until_s: int) -> bool:
        """Say whether a time matches so far from begin and end that there is a fire, wherever the wait for it began."""
        return self._match(segment.offset_s, segment.start_s + CLOCKS_APART_S) < until_s - CLOCKS_APART_S

    def _match(self, offset_s: int, start: int) -> int:
        wall = self._walls.first_at_or_after(start + offset_s)
        return FOREVER_S if wall is None else wall - offset_s
