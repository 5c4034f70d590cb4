"""What a trigger is: a pure function from an instant to the next one.

Instants are integers: microseconds since the epoch, UTC.
"""

from __future__ import annotations

from abc import ABC, abstractmethod


class Trigger(ABC):
    """A rule for instants; immutable."""

    __slots__ = ()

    @abstractmethod
    def next_after(self, after_us: int) -> int | None:
        """Give the first instant strictly after ``after_us``; ``None`` if there is none."""

    @abstractmethod
    def describe(self) -> str:
        """Write the rule so that two triggers with the same text fire at the same instants."""

    def begun(self, at_us: int) -> Trigger:
        """Give the rule as it holds for an entry that exists since ``at_us``; most rules do not mind."""
        del at_us
        return self


def last_at_or_before(trigger: Trigger, now_us: int, *, after_us: int) -> int | None:
    """Give the latest instant in (``after_us``, ``now_us``], found by bisection; ``None`` if there is none."""
    first = trigger.next_after(after_us)
    if first is None or first > now_us:
        return None
    low, high = after_us, now_us
    while high - low > 1:
        middle = (low + high) // 2
        found = trigger.next_after(middle)
        if found is not None and found <= now_us:
            low = middle
        else:
            high = middle
    return trigger.next_after(low)
