"""One reader of live events: what it follows, and how far it is. What it has not read yet is not kept for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import anyio

from daemon.api.http.resource import Line
from daemon.api.live.frames import Cursor, Telling

OWN_LIMIT = 64


class Reader:
    """A reader.

    Attributes:
        topics: what it follows.
    """

    def __init__(self, telling: Telling, line: Line) -> None:
        """Begin at the end of what was told."""
        self._telling = telling
        self._line = line
        self._own: deque[bytes] = deque(maxlen=OWN_LIMIT)
        self._seq = telling.seq
        self._followed: set[str] = set()
        self._wanted: dict[str, Cursor | None] = {}
        self._lost: set[str] = set()
        self._woken = anyio.Event()

    @property
    def topics(self) -> frozenset[str]:
        """What it follows, or is about to."""
        return frozenset((*self._followed, *self._wanted))

    def wake(self) -> None:
        """Have it look for what is new."""
        self._woken.set()

    def add(self, text: bytes) -> None:
        """Tell it something that is for it alone."""
        self._own.append(text)
        self.wake()

    def follow(self, topic: str, since: Cursor | None) -> None:
        """Begin to follow a topic that was looked at; from a cursor if it can go on from there."""
        self._wanted[topic] = since
        self.wake()

    def leave(self, topics: Iterable[str]) -> None:
        """Follow topics no longer."""
        for topic in topics:
            self._followed.discard(topic)
            self._wanted.pop(topic, None)

    async def run(self) -> None:
        """Send what is new until cancelled, in the order of its numbers: the last cursor a reader has stands for all before.

        Raises:
            LineGone: the reader went, or was too slow.
        """
        while True:
            self._woken = anyio.Event()
            while self._own:
                await self._line.send(self._own.popleft())
            await self._go_on()
            if self._wanted:
                await self._begin()
            await self._woken.wait()

    async def _go_on(self) -> None:
        """Send all there is; what was forgotten meanwhile is begun anew."""
        while self._seq < self._telling.seq:
            until, later = self._telling.seq, self._telling.after(self._seq, self._followed)
            if later is None:
                self._lost |= self._followed
                self._wanted |= dict.fromkeys(self._followed)
                self._followed.clear()
                self._seq = until
                return
            for frame in later:
                if frame.topic in self._followed:  # it may have been left meanwhile
                    await self._line.send(frame.text)
            self._seq = until

    async def _begin(self) -> None:
        """Send what stands before what comes: all is written at one moment, at which nothing else is left to be sent."""
        wanted, self._wanted = self._wanted, {}
        telling, texts = self._telling, list[bytes]()
        resumed = {
            topic: since for topic, since in wanted.items() if since is not None and telling.resumes(topic, since)
        }
        if resumed:
            first = min(since.seq for since in resumed.values())
            texts += [frame.text for frame in telling.after(first, resumed) or ()]
        for topic, since in wanted.items():
            if topic not in resumed:
                texts += [telling.gap(topic)] if since is not None or topic in self._lost else []
                texts.append(telling.snapshot(topic))
        self._followed.update(wanted)
        self._lost.clear()
        for text in texts:
            await self._line.send(text)
