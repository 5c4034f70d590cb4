"""Counts the traffic of feeds and writes it down every minute, so that pictures outlive the daemon."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread
import orjson

from daemon.clock import Clock
from daemon.feed_events import Answered
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.watch.traffic import FeedTraffic
from daemon.public import Public
from daemon.whole_file import write_whole

FILE = "traffic.json"
SIZE_LIMIT_BYTES = 256 * 1024 * 1024
WRITE_EVERY_S = 60.0


class Traffic:
    """The traffic of all feeds. What cannot be read is counted anew: it is worth a picture, no more."""

    name = Public("feed-traffic")

    def __init__(self, feeds: Sequence[Feed], folder: Path, clock: Clock) -> None:
        """Keep the place; nothing is read here."""
        self.feeds = {str(feed.name): FeedTraffic() for feed in feeds}
        self._path = folder / FILE
        self._clock = clock
        self._has_changed = False
        self._stop = anyio.Event()
        self._writing = anyio.Lock()

    def hear(self, event: object) -> None:
        """Count messages that were answered, or needed no answer."""
        if isinstance(event, Answered):
            traffic = self.feeds.get(event.feed)
            if traffic is not None:
                traffic.answered(self._clock.now_us(), event.code, len(event.took_s))
                self._has_changed = True

    async def open(self) -> None:
        """Read what was written before."""
        self._stop = anyio.Event()
        found = await anyio.to_thread.run_sync(self._read)
        now_us = self._clock.now_us()
        for name, traffic in self.feeds.items():
            with suppress(ValueError, TypeError, AttributeError):
                traffic.take(found.get(name, {}), now_us)

    async def serve(self) -> None:
        """Write now and then until drained."""
        while not self._stop.is_set():
            with anyio.move_on_after(WRITE_EVERY_S):
                await self._stop.wait()
            await self._write()

    async def drain(self) -> None:
        """Write the last of it."""
        self._stop.set()
        with anyio.CancelScope(shield=True):
            await self._write()

    async def _write(self) -> None:
        async with self._writing:  # else an older count may be the last that is written
            if not self._has_changed:
                return
            self._has_changed = False
            data = {name: traffic.as_data() for name, traffic in self.feeds.items()}
            with suppress(OSError):  # a full disk is told of elsewhere
                await anyio.to_thread.run_sync(lambda: write_whole(self._path, orjson.dumps(data)))

    def _read(self) -> dict[str, dict[str, list[int]]]:
        try:
            with self._path.open("rb") as file:
                found = orjson.loads(file.read(SIZE_LIMIT_BYTES))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
