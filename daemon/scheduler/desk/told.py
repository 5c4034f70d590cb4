"""What the history tells of an entry, in short. Values."""

from __future__ import annotations

from typing import NamedTuple

from daemon.scheduler.run import Run


class Tally(NamedTuple):
    """What the last runs of an entry come to: outcomes, the oldest first; how late and how often failed in the last day."""

    recent: tuple[str, ...] = ()
    late_p95_us: int | None = None
    failures: int = 0


class Stretch(NamedTuple):
    """What an entry has in a stretch of time: runs, or if these are too many, (cell, outcome, count)."""

    runs: tuple[Run, ...] = ()
    cells: tuple[tuple[int, str, int], ...] = ()
