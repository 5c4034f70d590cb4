"""Instants written down one by one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from daemon.scheduler.triggers.trigger import Trigger


class Instants(Trigger):
    """Once at each of some instants."""

    def __init__(self, at_us: Iterable[int]) -> None:
        """Put the instants in order; one that is given twice counts once."""
        self.at_us = tuple(sorted(set(at_us)))

    def next_after(self, after_us: int) -> int | None:
        """Give the first of the instants after ``after_us``."""
        place = bisect_right(self.at_us, after_us)
        return self.at_us[place] if place < len(self.at_us) else None

    def describe(self) -> str:
        """Write all of them."""
        return f"at {','.join(map(str, self.at_us))}"
