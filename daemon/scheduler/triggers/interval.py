"""Every so often, counted from an anchor."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.scheduler.triggers.trigger import Trigger


@dataclass(frozen=True, slots=True)
class Interval(Trigger):
    """Every so often, counted from an anchor, so that lateness never adds up."""

    every_us: int
    anchor_us: int = 0

    def next_after(self, after_us: int) -> int:
        """Give the first multiple of the interval after ``after_us``."""
        return self.anchor_us + ((after_us - self.anchor_us) // self.every_us + 1) * self.every_us

    def describe(self) -> str:
        """Write interval and anchor."""
        return f"every {self.every_us} from {self.anchor_us}"
