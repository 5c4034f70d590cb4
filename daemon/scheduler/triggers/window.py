"""From when until when an entry is due at all."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.scheduler.triggers.trigger import Trigger


@dataclass(frozen=True, slots=True)
class Window(Trigger):
    """The occurrences of a trigger from one instant to another, both included; ``None``: no bound on that side."""

    trigger: Trigger
    start_us: int | None = None
    end_us: int | None = None

    def next_after(self, after_us: int) -> int | None:
        """Give the trigger's first instant after ``after_us`` that lies within."""
        if self.start_us is not None and after_us < self.start_us:
            after_us = self.start_us - 1
        if self.end_us is not None and after_us >= self.end_us:
            return None
        at_us = self.trigger.next_after(after_us)
        return at_us if at_us is None or self.end_us is None or at_us <= self.end_us else None

    def describe(self) -> str:
        """Write trigger and bounds; without bounds, the trigger alone."""
        start = "" if self.start_us is None else f" from {self.start_us}"
        end = "" if self.end_us is None else f" until {self.end_us}"
        return f"({self.trigger.describe()}){start}{end}" if start or end else self.trigger.describe()

    def begun(self, at_us: int) -> Trigger:
        """Begin the trigger, not before the window opens."""
        return Window(self.trigger.begun(max(at_us, self.start_us or at_us)), self.start_us, self.end_us)
