"""When to look at which run again: soon while it is young, seldom when it is old. Pure."""

from __future__ import annotations

import heapq

FIRST_S, LAST_S = 0.5, 60.0
SHARE = 0.25
"""A run is looked at again after this part of its age."""


def pause_s(age_s: float, first_s: float = FIRST_S) -> float:
    """Say how long to wait before a run of this age is looked at again."""
    return min(max(age_s * SHARE, first_s), LAST_S)


class Looks:
    """The next look at each of many runs."""

    def __init__(self) -> None:
        """Begin with none."""
        self._heap: list[tuple[float, str]] = []
        self._at_s: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._at_s)

    def plan(self, task_id: str, at_s: float) -> None:
        """Look at a run at this time, and not when it was planned before."""
        self._at_s[task_id] = at_s
        heapq.heappush(self._heap, (at_s, task_id))
        if len(self._heap) > 2 * len(self._at_s) + 100:
            self._heap = [(at, one) for one, at in self._at_s.items()]
            heapq.heapify(self._heap)

    def drop(self, task_id: str) -> None:
        """Do not look at a run any more."""
        self._at_s.pop(task_id, None)

    def is_planned(self, task_id: str) -> bool:
        """Say whether a look at a run is planned."""
        return task_id in self._at_s

    def first_s(self) -> float | None:
        """Say when the next look is due."""
        while self._heap and self._at_s.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now_s: float, most: int) -> list[str]:
        """Take up to ``most`` looks that are due; each must be planned anew or dropped."""
        found: list[str] = []
        while len(found) < most and (first_s := self.first_s()) is not None and first_s <= now_s:
            _, task_id = heapq.heappop(self._heap)
            del self._at_s[task_id]
            found.append(task_id)
        return found
