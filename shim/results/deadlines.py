"""Time limits of many callers over one timer of the loop: a timer for each would weigh more than all the rest of a wait."""

from __future__ import annotations

import asyncio
from heapq import heapify, heappop, heappush
from itertools import count

from shim.results.seat import Seat

_REST_LIMIT = 100
"""Entries of those who have left that may lie about, besides as many as of those who wait."""


class Deadlines:
    """Ends seats when their time is up."""

    def __init__(self) -> None:
        """Begin without any; no I/O happens here."""
        self._due: list[tuple[float, int, Seat]] = []
        self._numbers = count()
        self._left = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, seat: Seat, timeout_s: float) -> None:
        """End ``seat`` after ``timeout_s``."""
        loop = asyncio.get_running_loop()
        heappush(self._due, (loop.time() + timeout_s, next(self._numbers), seat))
        if self._due[0][2] is seat:
            self._set()

    def leave(self) -> None:
        """Take note that a seat with a time limit has been left."""
        self._left += 1
        if self._left > _REST_LIMIT + len(self._due) // 2:
            self._due = [entry for entry in self._due if not entry[2].has_left]
            heapify(self._due)
            self._left = 0
            self._set()

    def clear(self) -> None:
        """Let all limits be forgotten."""
        self._due.clear()
        self._left = 0
        self._set()

    def _set(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(self._due[0][0], self._fire) if self._due else None

    def _fire(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._due and self._due[0][0] <= now:
            _, _, seat = heappop(self._due)
            self._left -= seat.has_left
            seat.has_limit = False
            seat.end()
        self._set()
