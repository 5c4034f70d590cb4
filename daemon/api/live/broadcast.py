"""Live events: looks at what is followed twice a second at most, and tells all who follow the same bytes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import anyio
import anyio.lowlevel

from daemon.api.http.answer import written
from daemon.api.http.asked import Asked
from daemon.api.http.caller import Role
from daemon.api.http.resource import Line, LineGone
from daemon.api.live.frames import ROWS_LIMIT, Telling
from daemon.api.live.reader import Reader
from daemon.api.live.saying import Said, read_said
from daemon.api.roles import acting
from daemon.clock import Clock
from daemon.desks import LiveSource
from daemon.errors import DaemonError
from daemon.public import Public

TICK_S = 0.5
SHARE = 20
"""A look that took long is made again only after so many times as long: no more than a twentieth goes into it."""

LOOK_LIMIT_S = 10.0
SAYINGS_LIMIT, SAYINGS_PER_S = 20, 10.0
WOKEN_AT_ONCE, WRITTEN_AT_ONCE = 2, 20
"""Readers woken, and rows written, until whatever else waits for the event loop gets its turn."""

_POLICY = 1008


class Broadcast:
    """Tells what changes.

    Attributes:
        readers: how many follow now.
    """

    name = Public("live-events")

    def __init__(self, site: Public, version: Public, clock: Clock, sources: Sequence[LiveSource]) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._sources = {source.topic.value: source for source in sources}
        self._hello = {"site": site, "version": version, "topics": sorted(self._sources)}
        self._epoch = secrets.token_hex(6)
        self._tellings = {role: Telling(self._epoch, role.word) for role in Role if role >= Role.VIEWER}
        self._readers: dict[Role, set[Reader]] = {role: set() for role in self._tellings}
        self._due_s: dict[tuple[Role, str], float] = {}
        self._turns = {(role, topic): anyio.Lock() for role in self._tellings for topic in self._sources}
        self._joined = anyio.Event()
        self._stop = anyio.Event()

    @property
    def readers(self) -> int:
        """Count those who follow."""
        return sum(len(readers) for readers in self._readers.values())

    # -- life ----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Begin anew after a drain."""
        self._stop = anyio.Event()

    async def serve(self) -> None:
        """Look at what is followed, until drained."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tick_always)
            await self._stop.wait()
            tasks.cancel_scope.cancel()

    async def drain(self) -> None:
        """Look no more; lines are closed by who opened them."""
        self._stop.set()

    async def _tick_always(self) -> None:
        while True:
            if not self.readers:
                self._joined = anyio.Event()
                await self._joined.wait()
            await self.tick()
            await anyio.sleep(TICK_S)

    async def tick(self) -> None:
        """Look once at all that is followed and due."""
        for role, readers in self._readers.items():
            has_news = False
            for topic in sorted({topic for reader in readers for topic in reader.topics}):
                if self._clock.monotonic_s() >= self._due_s.get((role, topic), 0.0):
                    has_news |= await self._look(role, topic)
            if has_news:
                await self._wake(role)

    async def _look(self, role: Role, topic: str) -> bool:
        """Look at a topic that is due; say whether there is something to tell.

        A source that fails tells nothing: the page says why it is old.
        """
        async with self._turns[role, topic]:
            source, began_s = self._sources[topic], self._clock.monotonic_s()
            if self._tellings[role].knows(topic) and began_s < self._due_s.get((role, topic), 0.0):
                return False
            try:
                with anyio.fail_after(LOOK_LIMIT_S):
                    rows = await source.rows(role)
            except (DaemonError, TimeoutError):
                return False
            finally:
                took_s = self._clock.monotonic_s() - began_s
                self._due_s[role, topic] = began_s + max(source.every_s, took_s * SHARE)
            return self._tellings[role].take(topic, await _texts(rows), is_window=source.is_window)

    async def _wake(self, role: Role) -> None:
        """Have all of a role look for what is new, a few in each turn of the event loop."""
        for number, reader in enumerate(list(self._readers[role]), 1):
            reader.wake()
            if number % WOKEN_AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()

    # -- readers -------------------------------------------------------------------------------------------------------

    async def talk(self, asked: Asked, line: Line, found: object) -> None:
        """Tell one reader what it follows, until it goes.

        Raises:
            LineGone: it went, or was too slow.
        """
        del found
        role = acting(asked.caller)
        reader = Reader(self._tellings[role], line)
        await line.send(written({"type": "hello", **self._hello, "cursor": str(self._tellings[role].cursor)}).rstrip())
        self._readers[role].add(reader)
        self._joined.set()
        has_gone: list[LineGone] = []
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send, reader, tasks.cancel_scope, has_gone)
                await self._listen(role, reader, line)
                tasks.cancel_scope.cancel()
        finally:
            self._readers[role].discard(reader)
        if has_gone:
            raise has_gone[0]

    async def _send(self, reader: Reader, scope: anyio.CancelScope, has_gone: list[LineGone]) -> None:
        try:
            await reader.run()
        except LineGone as gone:
            has_gone.append(gone)
            scope.cancel()

    async def _listen(self, role: Role, reader: Reader, line: Line) -> None:
        left, at_s = float(SAYINGS_LIMIT), self._clock.monotonic_s()
        while (text := await line.receive()) is not None:
            now_s = self._clock.monotonic_s()
            left, at_s = min(left + (now_s - at_s) * SAYINGS_PER_S, SAYINGS_LIMIT) - 1, now_s
            if left < 0:
                await line.close(_POLICY, "too much is said")
                return
            said = read_said(text, self._sources)
            if isinstance(said, str):
                reader.add(written({"type": "problem", "detail": said}).rstrip())
            else:
                await self._follow(role, reader, said)

    async def _follow(self, role: Role, reader: Reader, said: Said) -> None:
        reader.leave(said.unsubscribe)
        for topic in said.subscribe:
            if topic in reader.topics:
                continue
            was_known = self._tellings[role].knows(topic)
            if await self._look(role, topic):
                await self._wake(role)
            if self._tellings[role].knows(topic):
                reader.follow(topic, said.since if was_known else None)
            else:
                text = f"{topic} cannot be looked at now; subscribe again later"
                reader.add(written({"type": "problem", "topic": topic, "detail": text}).rstrip())


async def _texts(rows: Mapping[str, Any]) -> dict[str, bytes]:
    """Write the first thousand rows."""
    found: dict[str, bytes] = {}
    await anyio.lowlevel.checkpoint()
    for key, row in islice(rows.items(), ROWS_LIMIT):
        found[key] = written(row).rstrip()
        if len(found) % WRITTEN_AT_ONCE == 0:
            await anyio.lowlevel.checkpoint()
    return found
