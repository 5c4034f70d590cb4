"""Every so often, counted from when the entry began."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.scheduler.triggers.interval import Interval
from daemon.scheduler.triggers.trigger import Trigger


@dataclass(frozen=True, slots=True)
class FromStart(Trigger):
    """Every so often, the first time one interval after the entry began; until it has, counted from the epoch."""

    every_us: int

    def next_after(self, after_us: int) -> int:
        """Give the first multiple of the interval after ``after_us``."""
        return Interval(self.every_us).next_after(after_us)

    def describe(self) -> str:
        """Write the interval."""
        return f"every {self.every_us} from start"

    def begun(self, at_us: int) -> Interval:
        """Give the interval counted from ``at_us``."""
        return Interval(self.every_us, at_us)
