"""What the overview needs of each side of the daemon: a card with its figures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from daemon.public import Public


@dataclass(frozen=True, slots=True)
class FeedsCard:
    """The feeds: how many there are, listen, and are paused; messages of the last hour; what waits in the spool for them."""

    total: int
    up: int
    paused: int
    last_hour: int
    waiting: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class SpoolCard:
    """The spool. ``lasts_s``: until the disk is full if it goes on like this; ``None``: it is not, or nobody knows."""

    is_accepting: bool
    is_full: bool
    free_bytes: int | None
    lasts_s: float | None


@dataclass(frozen=True, slots=True)
class BrokerCard:
    """The broker. ``since_at``: since when it is away; ``None`` if it is not."""

    is_up: bool
    address: Public
    since_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OccurrencesCard:
    """The occurrences of the day in the site's zone: done, done late, missed, failed."""

    done: int
    late: int
    missed: int
    failed: int


@dataclass(frozen=True, slots=True)
class QueuesCard:
    """The queues: messages that wait, the age of the oldest, and queues that nobody takes from."""

    total: int
    waiting: int
    oldest_s: float | None
    without_consumer: Sequence[str]


@dataclass(frozen=True, slots=True)
class WorkersCard:
    """The workers: how many are there and are not, tasks that run, and places for them."""

    online: int
    offline: int
    active: int
    slots: int


AskOccurrences: TypeAlias = Callable[[], Awaitable[OccurrencesCard | None]]
AskQueues: TypeAlias = Callable[[], Awaitable[QueuesCard | None]]
AskWorkers: TypeAlias = Callable[[], Awaitable[WorkersCard | None]]
