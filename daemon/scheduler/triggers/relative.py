"""Every so often, rounded down to the minute, hour or day of a zone: Celery's ``schedule(relative=True)``."""

from __future__ import annotations

from bisect import bisect_right

from daemon.clock import SECOND_US
from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.triggers.local_time import instants_of
from daemon.scheduler.triggers.trigger import Trigger
from daemon.scheduler.triggers.zone import WallClock

_UNITS = ((86_400, "day", "d"), (3600, "hour", "h"), (60, "minute", "m"))


class Relative(Trigger):
    """Each occurrence is an interval after the one before, and never off the minute, hour or day that is its unit.

    As in Celery 5.7: days are those of the calendar, everything shorter is elapsed time; a midnight that does not exist
    is moved forward by the gap, of one that comes twice the first counts. What comes when depends on when the entry began.
    """

    def __init__(self, every_us: int, zone: str, start_us: int = 0) -> None:
        """Take an interval of whole minutes, hours or days, whichever is the largest it reaches.

        Raises:
            TriggerInvalid: it is shorter than a minute, or not whole.
        """
        self.every_us, self.start_us = every_us, start_us
        self.clock = WallClock(zone)
        found = next((unit for unit in _UNITS if every_us >= unit[0] * SECOND_US), None)
        if found is None:
            message = f"every {every_us / SECOND_US:g} s is below a minute, so there is nothing to round to"
            raise TriggerInvalid(message, hint='leave relative out, or write anchor = "start"')
        self._unit_s, name, letter = found
        count, rest = divmod(every_us, self._unit_s * SECOND_US)
        if rest:
            message = f"every {every_us / SECOND_US:g} s is not a whole number of {name}s, to which relative rounds"
            raise TriggerInvalid(message, hint=f'write every = "{count}{letter}"')
        self._marks = [start_us]  # occurrences known already, one for each stretch between clock changes
        self._epoch = self.clock.epoch

    def next_after(self, after_us: int) -> int:
        """Give the first instant after ``after_us`` in the chain that begins where the entry did."""
        after_us = max(after_us, self.start_us)
        self.clock.segment_at(after_us // SECOND_US)
        if self._epoch != self.clock.epoch:
            self._marks, self._epoch = [self.start_us], self.clock.epoch
        at_us = self._marks[bisect_right(self._marks, after_us) - 1]
        while True:
            following_us = self._following(at_us)
            if following_us > after_us:
                return following_us
            end_us = self.clock.segment_at(at_us // SECOND_US).end_s * SECOND_US
            if following_us < end_us:
                if following_us - at_us == self.every_us:
                    # Nothing changes until the clocks do.
                    following_us = at_us + (min(after_us, end_us - 1) - at_us) // self.every_us * self.every_us
            elif following_us > self._marks[-1]:
                self._marks.append(following_us)
            at_us = following_us

    def _following(self, at_us: int) -> int:
        at_s = at_us // SECOND_US
        wall_s = at_s + self.clock.segment_at(at_s).offset_s
        if self._unit_s == _UNITS[0][0]:
            midnights = self._rounded(wall_s + self.every_us // SECOND_US)
            return min((one for one in midnights if one > at_us), default=at_us + self.every_us)
        end_us = at_us + self.every_us
        end_s = end_us // SECOND_US
        end_wall_s = end_s + self.clock.segment_at(end_s).offset_s
        found = self._rounded(end_wall_s)
        best = max((one for one in found if one <= end_us), default=min(found))
        if best > at_us:
            return best
        # The clock went back by part of a unit, and rounding down leads to where it was before.
        found += self._rounded(end_wall_s + self._unit_s) + self._rounded(wall_s + self.every_us // SECOND_US)
        ahead = [one for one in found if one > at_us]
        return max((one for one in ahead if one <= end_us), default=min(ahead, default=end_us))

    def _rounded(self, wall_s: int) -> list[int]:
        return [at_s * SECOND_US for at_s in instants_of(self.clock, wall_s // self._unit_s * self._unit_s)]

    def describe(self) -> str:
        """Write interval and zone, and where it began if it has."""
        start = f" from {self.start_us}" if self.start_us else ""
        return f"every {self.every_us} rounded in {self.clock.zone}{start}"

    def begun(self, at_us: int) -> Trigger:
        """Give the chain that begins at ``at_us``."""
        return Relative(self.every_us, self.clock.zone, at_us)
