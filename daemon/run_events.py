"""What happens to runs and to their history, as values; like ``daemon/events.py``."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.public import Public


@dataclass(frozen=True, slots=True)
class HistoryOpened:
    """The history is open."""

    rows: int


@dataclass(frozen=True, slots=True)
class HistoryLost:
    """The history cannot be written; it is tried again after ``retry_s``. The schedule goes on."""

    code: Public
    reason: Public
    retry_s: float


@dataclass(frozen=True, slots=True)
class HistoryDamaged:
    """The history's file was no database any more; it was put aside, and a new one begins with what the broker still has."""

    aside: Public


@dataclass(frozen=True, slots=True)
class HistoryGap:
    """The broker dropped records before this daemon had copied them."""

    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class HistoryPruned:
    """Rows past their retention were removed."""

    count: int


@dataclass(frozen=True, slots=True)
class RunRepeated:
    """An occurrence was enqueued for a second time, under the same task id: the broker had forgotten the first."""

    entry: Public
    occurrence_us: int
    first_us: int
    again_us: int


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The outcome of a run was told; ``ran_s`` is -1 if it is not known when it began."""

    entry: Public
    occurrence_us: int
    state: Public
    ran_s: float


@dataclass(frozen=True, slots=True)
class RunLost:
    """A run is taken for over though nobody told its outcome."""

    entry: Public
    occurrence_us: int
    why: Public


@dataclass(frozen=True, slots=True)
class RunsUnseen:
    """Results or workers cannot be asked about runs; said once until they can."""

    code: Public
    reason: Public


@dataclass(frozen=True, slots=True)
class RunsSeen:
    """Results and workers answer again."""
