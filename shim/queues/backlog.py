"""How much waits in a queue, and for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Backlog:
    """What lies in one queue.

    Attributes:
        waiting: messages in the lists of all priority steps.
        by_step: the same for each step, the one served first in front.
        unacked: messages that workers hold and have not acknowledged: reserved, running late-acknowledged, or held until
            their ETA. ``None`` where they were not counted.
        consumers: names of the workers that take from the queue; ``None`` where nobody was asked.
        oldest_sent_at: when the oldest message that tells it was sent; ``None`` if none of those next in line does.
        blocked_keys: keys of the queue that hold something other than a list.
    """

    queue: str
    waiting: int
    by_step: tuple[int, ...]
    unacked: int | None = None
    consumers: tuple[str, ...] | None = None
    oldest_sent_at: datetime | None = None
    blocked_keys: tuple[str, ...] = ()

    @property
    def is_unserved(self) -> bool:
        """Say whether nobody takes from it, as far as that was asked."""
        return self.consumers == ()

    def oldest_age(self, at: datetime) -> timedelta | None:
        """Say how long the oldest message has waited by ``at``; clocks that differ never make it negative."""
        return None if self.oldest_sent_at is None else max(at - self.oldest_sent_at, timedelta())


@dataclass(frozen=True, slots=True)
class Backlogs:
    """The backlogs of several queues at one instant.

    Attributes:
        by_queue: in the order asked.
        unacked_total: messages that workers hold, of all queues of the database, these or others.
        is_unacked_complete: whether all of them were looked at to tell the queues apart.
    """

    by_queue: Mapping[str, Backlog]
    unacked_total: int
    is_unacked_complete: bool


def count_unacked(routing_keys: Sequence[str], queues: Sequence[str]) -> dict[str, int]:
    """Count for each queue how many unacknowledged messages go back to it."""
    counts = dict.fromkeys(queues, 0)
    for name in routing_keys:
        if name in counts:
            counts[name] += 1
    return counts


def consumers_by_queue(active_queues: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Turn the workers' answers to ``active_queues`` round: queue name to the workers that take from it."""
    found: dict[str, list[str]] = {}
    for worker, queues in active_queues.items():
        for queue in queues if isinstance(queues, list) else ():
            name = queue.get("name") if isinstance(queue, dict) else None
            if isinstance(name, str):
                found.setdefault(name, []).append(worker)
    return {name: tuple(sorted(workers)) for name, workers in found.items()}
