"""What happens to entries of the schedule and their occurrences; the other events are in ``events.py``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from daemon.public import Public


@dataclass(frozen=True, slots=True)
class OccurrenceEnqueued:
    """An occurrence is in its queue."""

    entry: Public
    occurrence_us: int
    lateness_s: float
    is_misfire: bool


@dataclass(frozen=True, slots=True)
class OccurrenceTaken:
    """Another daemon of the site was first."""

    entry: Public
    occurrence_us: int


@dataclass(frozen=True, slots=True)
class OccurrencesSkipped:
    """Occurrences that are not run, and why."""

    entry: Public
    first_us: int
    last_us: int
    count: int
    reason: Enum


@dataclass(frozen=True, slots=True)
class OccurrenceInvalid:
    """No worker could take the task of an entry."""

    entry: Public
    occurrence_us: int
    reason: Public


@dataclass(frozen=True, slots=True)
class OccurrenceBlocked:
    """An occurrence waits because a key of its queue holds something else."""

    entry: Public
    occurrence_us: int
    key: Public


@dataclass(frozen=True, slots=True)
class OccurrenceWaiting:
    """An occurrence is due and waits: for a place (``overlap``, ``entry``, ``queue``), a ``rate``, or the end of a ``hold``."""

    entry: Public
    occurrence_us: int
    what: Public


@dataclass(frozen=True, slots=True)
class OccurrenceRepeated:
    """The broker forgot that an occurrence was pushed; it was pushed again under the same id, or found to have run."""

    entry: Public
    occurrence_us: int
    had_run: bool


@dataclass(frozen=True, slots=True)
class EntryPlanned:
    """When an entry is next due; ``None`` if never again."""

    entry: Public
    next_us: int | None


@dataclass(frozen=True, slots=True)
class EntrySuperseded:
    """Another daemon runs this entry with another timing; it does not fire here."""

    entry: Public


@dataclass(frozen=True, slots=True)
class ScheduleForgotten:
    """The broker no longer remembers what it knew of entries: it was emptied, or lost its memory and kept its name."""

    entry: Public


@dataclass(frozen=True, slots=True)
class ZonesChanged:
    """The rules of time zones in use are others than before; entries were planned anew."""

    zones: tuple[Public, ...]


@dataclass(frozen=True, slots=True)
class EntryAhead:
    """The broker remembered an occurrence of its own future, as its clock had been ahead; the entry goes on from now."""

    entry: Public
    occurrence_us: int
