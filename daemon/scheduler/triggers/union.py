"""Several triggers of one entry."""

from __future__ import annotations

from collections.abc import Iterable

from daemon.scheduler.triggers.trigger import Trigger


class Union(Trigger):
    """Whenever one of several triggers says so; an instant that more than one names is one occurrence."""

    def __init__(self, triggers: Iterable[Trigger]) -> None:
        """Keep each rule once, in an order that does not depend on how they were written."""
        self.triggers = tuple(rule for _, rule in sorted({one.describe(): one for one in triggers}.items()))

    def next_after(self, after_us: int) -> int | None:
        """Give the earliest of what the triggers give."""
        found = [at_us for one in self.triggers if (at_us := one.next_after(after_us)) is not None]
        return min(found, default=None)

    def describe(self) -> str:
        """Write all of them; of one alone, what that one writes."""
        if len(self.triggers) == 1:
            return self.triggers[0].describe()
        return f"any of ({' | '.join(one.describe() for one in self.triggers)})"

    def begun(self, at_us: int) -> Trigger:
        """Begin each of them."""
        return Union(one.begun(at_us) for one in self.triggers)
