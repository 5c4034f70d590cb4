"""Measures how late the event loop wakes: what keeps it busy delays everything else."""

from __future__ import annotations

from collections import deque

import anyio

from daemon.celery_events import LoopSeen
from daemon.clock import Clock
from daemon.ports import Emit
from daemon.public import Public

EVERY_S = 0.25
KEPT = 60
"""Lags of which the greatest is told: those of the last quarter of a minute."""


class LoopLag:
    """A service."""

    name = Public("loop-lag")

    def __init__(self, clock: Clock, tell: Emit) -> None:
        """Measure nothing yet."""
        self._clock = clock
        self._tell = tell
        self._lags: deque[float] = deque(maxlen=KEPT)
        self._stop = anyio.Event()

    async def open(self) -> None:
        """Begin anew."""
        self._stop = anyio.Event()

    async def serve(self) -> None:
        """Measure until drained."""
        while not self._stop.is_set():
            due_s = self._clock.monotonic_s() + EVERY_S
            with anyio.move_on_after(EVERY_S):
                await self._stop.wait()
            self._lags.append(max(self._clock.monotonic_s() - due_s, 0.0))
            self._tell(LoopSeen(max(self._lags)))

    async def drain(self) -> None:
        """Measure no more."""
        self._stop.set()
