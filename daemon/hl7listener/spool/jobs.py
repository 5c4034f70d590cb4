"""What the writer is asked to do and what it tells back. Values only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from daemon.hl7listener.spool.rows import Arrival, Done, NotStored, Row, Stored
from daemon.public import Public


class Store(NamedTuple):
    """Put an arrival on disk."""

    arrival: Arrival
    done: Done


@dataclass(frozen=True, slots=True)
class Settle:
    """Everything of a feed up to ``seq`` has been handed on."""

    feed: Public
    seq: int


@dataclass(frozen=True, slots=True)
class Park:
    """A message cannot be handed on. ``done`` is told whether that is on disk."""

    seq: int
    reason: str
    done: Callable[[bool], None] | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """A parked message is no longer to be handed on: a copy of it was, or it is not wanted."""

    seq: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The final answer of a message whose answer was still to come. ``done`` is told whether it is on disk."""

    seq: int
    ack: bytes = field(repr=False)
    done: Callable[[bool], None]


@dataclass(frozen=True, slots=True)
class Stop:
    """Finish what is queued and end."""


Job: TypeAlias = Store | Settle | Park | Release | Answered | Stop


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much the spool keeps.

    Attributes:
        free_floor_bytes: with less room on the disk nothing is stored.
        free_warn_bytes: with less room it is said.
        quarantine_us: how long what was refused is kept, if longer than the rest.
    """

    retention_us: int
    size_bytes: int
    free_floor_bytes: int
    free_warn_bytes: int = 0
    quarantine_us: int = 0


@dataclass(slots=True)
class Group:
    """What one commit did, told to the event loop."""

    answers: list[tuple[Done, Stored | NotStored]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    told: list[tuple[Callable[[bool], None], bool]] = field(default_factory=list)
    took_s: float = 0.0


class Reports(NamedTuple):
    """Whom the writer tells: of each group, of room on the disk (bytes, and whether it is enough), and of how much was pruned."""

    group: Callable[[Group], object]
    room: Callable[[int, bool], object]
    pruned: Callable[[int], object]
