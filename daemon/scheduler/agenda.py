"""When each entry is to be looked at next. Entries are known by their ids."""

from __future__ import annotations

import heapq

_IN_HAND = -1


class Agenda:
    """A heap of instants; planning an entry anew makes what was planned before void."""

    def __init__(self) -> None:
        """Begin with nothing planned."""
        self._heap: list[tuple[int, str]] = []
        self._wakes: dict[str, int] = {}

    def plan(self, entry: str, wake_us: int | None) -> None:
        """Have an entry looked at from ``wake_us`` on; ``None``: not at all."""
        if wake_us is None:
            self._wakes.pop(entry, None)
        elif self._wakes.get(entry) != wake_us:
            self._wakes[entry] = wake_us
            heapq.heappush(self._heap, (wake_us, entry))
            if len(self._heap) > 2 * len(self._wakes) + 64:
                self._rebuild()

    def is_planned(self, entry: str) -> bool:
        """Say whether an entry will be looked at, or is being looked at."""
        return entry in self._wakes

    def first_us(self) -> int | None:
        """Give the earliest instant planned; ``None`` if there is none."""
        while self._heap and self._wakes.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now_us: int) -> str | None:
        """Take the entry that has been due for longest into one's hands, until it is planned again; ``None`` if none is due."""
        first_us = self.first_us()
        if first_us is None or first_us > now_us:
            return None
        _, entry = heapq.heappop(self._heap)
        self._wakes[entry] = _IN_HAND
        return entry

    def clear(self) -> None:
        """Drop all plans."""
        self._heap.clear()
        self._wakes.clear()

    def _rebuild(self) -> None:
        """Leave out what is void, so that entries planned anew again and again take no more room than they are."""
        self._heap = [(wake_us, entry) for entry, wake_us in self._wakes.items() if wake_us != _IN_HAND]
        heapq.heapify(self._heap)
