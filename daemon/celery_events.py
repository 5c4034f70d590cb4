"""What workers tell and looks at queues find, as values; like ``daemon/events.py``.

Only numbers are made of them. They hold names that others have chosen, and never arguments, results or texts of exceptions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class TaskTold(NamedTuple):
    """Somebody told of a task.

    Attributes:
        kind: Celery's word, such as ``task-started``.
        task: its name; empty if that is not known.
        worker: who told.
        host: the part of that name behind the ``@``.
        queue: where it was sent.
        exception: class of the exception, of a task that failed.
        runtime_s: how long it ran, of one that succeeded.
        waited_s: from publishing or the ETA until it began, of one that begins.
        prefetched_s: from its arrival at the worker until it began, of one that begins.
        has_eta: it was to wait.
    """

    kind: str
    task: str
    worker: str
    host: str
    queue: str
    exception: str = ""
    runtime_s: float | None = None
    waited_s: float | None = None
    prefetched_s: float | None = None
    has_eta: bool = False


class WorkerSeen(NamedTuple):
    """One worker as its events tell of it."""

    name: str
    host: str
    is_alive: bool
    active: int


@dataclass(frozen=True, slots=True)
class WorkersSeen:
    """Every worker heard of lately."""

    workers: tuple[WorkerSeen, ...]


class QueueSeen(NamedTuple):
    """One queue.

    Attributes:
        consumers: workers that take from it.
        processes: of these workers.
        oldest_s: age of the oldest message that tells it.
    """

    name: str
    waiting: int
    consumers: int
    processes: int
    oldest_s: float | None


@dataclass(frozen=True, slots=True)
class QueuesSeen:
    """The queues of the site."""

    queues: tuple[QueueSeen, ...]


@dataclass(frozen=True, slots=True)
class LoopSeen:
    """How late the event loop woke at most, within the last quarter of a minute."""

    lag_s: float
