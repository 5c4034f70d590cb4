"""When each entry is to be looked at next. Entries are known by their place in the schedule."""

from __future__ import annotations

import heapq

_IN_HAND = -1


class Agenda:
    """A heap of instants; planning an entry anew makes what was planned before void."""

    def __init__(self, count: int) -> None:
        """Begin with nothing planned for ``count`` entries."""
        self._heap: list[tuple[int, int]] = []
        self._wakes: list[int | None] = [None] * count

    def plan(self, place: int, wake_us: int | None) -> None:
        """Have an entry looked at from ``wake_us`` on; ``None``: not at all."""
        self._wakes[place] = wake_us
        if wake_us is not None:
            heapq.heappush(self._heap, (wake_us, place))

    def is_planned(self, place: int) -> bool:
        """Say whether an entry will be looked at, or is being looked at."""
        return self._wakes[place] is not None

    def first_us(self) -> int | None:
        """Give the earliest instant planned; ``None`` if there is none."""
        while self._heap and self._wakes[self._heap[0][1]] != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now_us: int) -> int | None:
        """Take the entry that has been due for longest into one's hands, until it is planned again; ``None`` if none is due."""
        first_us = self.first_us()
        if first_us is None or first_us > now_us:
            return None
        _, place = heapq.heappop(self._heap)
        self._wakes[place] = _IN_HAND
        return place

    def clear(self) -> None:
        """Drop all plans."""
        self._heap.clear()
        self._wakes = [None] * len(self._wakes)
