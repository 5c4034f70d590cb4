"""How much history is kept. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from daemon.clock import SECOND_US
from daemon.scheduler.run import Run

DAY_US = 86_400 * SECOND_US
SLACK = 10
"""An entry may have a tenth more than its share before it is pruned."""


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept at most: rows of one entry, of what age, and rows in all."""

    per_entry: int = 1000
    age_us: int = 30 * DAY_US
    rows: int = 1_000_000


class Growth:
    """Which entries have grown by so much that they should be pruned."""

    def __init__(self, retention: Retention) -> None:
        """Begin with nothing known."""
        self._step = max(retention.per_entry // SLACK, 1)
        self._grown: Counter[str] = Counter()

    def note(self, runs: Iterable[Run]) -> None:
        """Count what was added."""
        self._grown.update(run.entry for run in runs)

    def due(self) -> list[str]:
        """Give the entries that should be pruned, and count them from nothing."""
        found = [entry for entry, count in self._grown.items() if count >= self._step]
        for entry in found:
            del self._grown[entry]
        return found
