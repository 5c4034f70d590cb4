"""The desk of the schedule as a service: there while the daemon runs, its connection closed with it."""

from __future__ import annotations

import anyio

from daemon.public import Public
from daemon.scheduler.desk.reading import ScheduleReading
from daemon.scheduler.desk.steering import FullStore, ScheduleChanging


class ScheduleService:
    """Holds what looks at the schedule and what changes it.

    Attributes:
        reading: looks.
        changing: changes.
    """

    name = Public("schedule-desk")

    def __init__(self, reading: ScheduleReading, changing: ScheduleChanging, store: FullStore | None) -> None:
        """Keep them; no I/O happens here."""
        self.reading = reading
        self.changing = changing
        self._store = store
        self._stop = anyio.Event()

    async def open(self) -> None:
        """Take nothing: the connection is made with the first question."""
        self._stop = anyio.Event()

    async def serve(self) -> None:
        """Be there until drained; then close the connection."""
        try:
            await self._stop.wait()
        finally:
            if self._store is not None:
                with anyio.CancelScope(shield=True):
                    await self._store.close()

    async def drain(self) -> None:
        """Close the connection."""
        self._stop.set()
