"""How full queues were in the last six hours, minute by minute, and what that says of them. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from daemon.desks import Minutes, QueueState, Strip

MINUTES_KEPT = 360
STRIP_MINUTES = 5
RATE_MINUTES = 5
GROWING_MINUTES = 15
STUCK_MINUTES = 5
QUEUES_LIMIT = 2000
MINUTE_S = 60

Totals = Mapping[str, Mapping[str, int]]
"""Tasks each worker has begun since its start, by name."""


@dataclass(slots=True)
class _Ring:
    waiting: deque[int] = field(default_factory=lambda: deque(maxlen=MINUTES_KEPT))
    taken: deque[int | None] = field(default_factory=lambda: deque(maxlen=MINUTES_KEPT))
    minute: int = -1


class QueueHistory:
    """What was counted each minute. Minutes that were missed repeat what was before them."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._rings: dict[str, _Ring] = {}

    def note(self, minute: int, waiting: Mapping[str, int], taken: Mapping[str, int | None]) -> None:
        """Note what waited at the end of a minute, and how many tasks were begun in it (``None``: nobody knows)."""
        for name, count in waiting.items():
            ring = self._rings.get(name)
            if ring is None:
                if len(self._rings) >= QUEUES_LIMIT:
                    continue
                ring = self._rings[name] = _Ring()
            elif minute <= ring.minute:
                continue
            if ring.waiting:
                for _ in range(min(minute - ring.minute - 1, MINUTES_KEPT)):
                    ring.waiting.append(ring.waiting[-1])
                    ring.taken.append(None)
            ring.waiting.append(count)
            ring.taken.append(taken.get(name))
            ring.minute = minute
        for name in [name for name, ring in self._rings.items() if minute - ring.minute >= MINUTES_KEPT]:
            del self._rings[name]

    def rates(self, name: str) -> tuple[float | None, float | None]:
        """Give what came in and what was begun per minute, over the last five; ``None`` where nobody knows."""
        ring = self._rings.get(name)
        if ring is None or len(ring.waiting) <= 1:
            return None, None
        count = min(RATE_MINUTES, len(ring.waiting) - 1)
        waiting, taken = list(ring.waiting)[-count - 1 :], list(ring.taken)[-count:]
        known = [one for one in taken if one is not None]
        if len(known) < count:
            return None, None
        out = sum(known) / count
        return max((waiting[-1] - waiting[0]) / count + out, 0.0), out

    def is_growing(self, name: str) -> bool:
        """Say whether more came in than went out for a quarter of an hour: it never got shorter, and is longer now."""
        ring = self._rings.get(name)
        if ring is None or len(ring.waiting) <= GROWING_MINUTES:
            return False
        last = list(ring.waiting)[-GROWING_MINUTES - 1 :]
        return last[-1] > last[0] and all(after >= before for before, after in pairwise(last))

    def is_stuck(self, name: str) -> bool:
        """Say whether something waited for five minutes and nothing was begun, as far as anybody knows."""
        ring = self._rings.get(name)
        if ring is None or len(ring.waiting) <= STUCK_MINUTES:
            return False
        last, taken = list(ring.waiting)[-STUCK_MINUTES - 1 :], list(ring.taken)[-STUCK_MINUTES:]
        has_moved = any(after < before for before, after in pairwise(last)) or any(taken)
        return min(last) > 0 and not has_moved

    def strip(self, name: str, at: datetime) -> Strip:
        """Give the greatest length of every five minutes."""
        waiting = list(self._waiting(name))
        first = len(waiting) % STRIP_MINUTES
        parts = [
            waiting[:first],
            *(waiting[at : at + STRIP_MINUTES] for at in range(first, len(waiting), STRIP_MINUTES)),
        ]
        return Strip(STRIP_MINUTES * MINUTE_S, at, tuple(max(part) for part in parts if part))

    def minutes(self, name: str, at: datetime) -> Minutes:
        """Give every minute."""
        ring = self._rings.get(name)
        taken = tuple(ring.taken) if ring is not None else ()
        return Minutes(MINUTE_S, at, tuple(self._waiting(name)), taken)

    def _waiting(self, name: str) -> deque[int]:
        ring = self._rings.get(name)
        return ring.waiting if ring is not None else deque()


def judged(
    history: QueueHistory, name: str, *, is_blocked: bool, is_held: bool, consumers: int | None, is_sure: bool
) -> QueueState:
    """Say how a queue stands; ``is_sure``: everyone who might take from it has answered."""
    if is_blocked:
        return QueueState.BLOCKED
    if is_held:
        return QueueState.HELD
    if consumers == 0 and is_sure:
        return QueueState.NO_CONSUMER
    if history.is_stuck(name):
        return QueueState.STUCK
    return QueueState.GROWING if history.is_growing(name) else QueueState.OK


def begun(before: Totals, after: Totals) -> dict[str, dict[str, int]]:
    """Say how many tasks each worker has begun between two counts; one that was started anew counts from nothing."""
    found: dict[str, dict[str, int]] = {}
    for worker, totals in after.items():
        known = before.get(worker, {})
        is_new = any(totals.get(task, 0) < count for task, count in known.items())
        found[worker] = {task: count if is_new else count - known.get(task, 0) for task, count in totals.items()}
    return found


def taken_from(
    counts: Totals,
    queues: Mapping[str, tuple[str, ...]],
    names: tuple[str, ...],
    queue_of: Callable[[str], str | None],
) -> dict[str, int | None]:
    """Say how many tasks were taken from each of ``names``.

    A worker of one queue took all from that; one of several took each task from the queue the site would send it to. Where
    that is none of its queues, nobody knows which of them it was.

    Args:
        counts: tasks begun, by worker and name.
        queues: those each worker takes from.
        names: the queues to be told of.
        queue_of: where the site would send a task.
    """
    found: dict[str, int | None] = dict.fromkeys(names, 0)
    for worker, tasks in counts.items():
        own = queues.get(worker, ())
        for task, count in tasks.items():
            if not count:
                continue
            queue = own[0] if len(own) == 1 else queue_of(task)
            for name in (queue,) if queue in own else own:
                before = found.get(name)
                if name in found and before is not None:
                    found[name] = before + count if queue in own else None
    return found
