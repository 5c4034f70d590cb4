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
    """A message cannot be handed on."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Finish what is queued and end."""


Job: TypeAlias = Store | Settle | Park | Stop


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much the spool keeps."""

    retention_us: int
    size_bytes: int
    free_floor_bytes: int


@dataclass(slots=True)
class Group:
    """What one commit did, told to the event loop."""

    answers: list[tuple[Done, Stored | NotStored]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    took_s: float = 0.0


class Reports(NamedTuple):
    """Whom the writer tells: of each group, of room on the disk gained or lost, and of how much was pruned."""

    group: Callable[[Group], object]
    has_room: Callable[[bool], object]
    pruned: Callable[[int], object]
