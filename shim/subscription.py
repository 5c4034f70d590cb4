"""One pub/sub connection that is kept open, whatever happens to the server.

Redis forgets a subscription with its connection and repeats no message. So whoever listens is told whenever the connection
stands anew, and looks up what it may have missed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from shim.connector import Connector
from shim.errors import BrokerUnavailable

NAMES_PER_COMMAND = 1000
PING_EVERY_S = 10.0
"""After so much silence the server is asked whether it is there; after as much again the connection counts as dead."""
BACKOFF_FIRST_S, BACKOFF_LAST_S = 0.05, 2.0
MESSAGES_PER_TURN = 100
"""Messages handled before other tasks get a turn."""

Receive = Callable[[str, bytes], None]
"""Takes the channel and the payload of a message; never waits."""


class _Silent(Exception):
    """The server did not answer a ping."""


@dataclass(slots=True)
class _Join:
    left: int
    done: anyio.Event = field(default_factory=anyio.Event)


class Subscription:
    """Channels and patterns that are listened to. ``run`` must be running in a task group."""

    def __init__(
        self,
        connector: Connector,
        receive: Receive,
        *,
        patterns: Iterable[str] = (),
        opened: Callable[[], Awaitable[None]] | None = None,
        closed: Callable[[BrokerUnavailable | None], None] | None = None,
        ping_every_s: float = PING_EVERY_S,
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        Args:
            connector: opens the connection.
            receive: called for each message, in order.
            patterns: glob patterns to listen to from the start.
            opened: called each time all channels and patterns are subscribed on a new connection.
            closed: called when a connection broke (``None``) or could not be made (why).
            ping_every_s: silence after which the server is asked whether it is there.
        """
        self._connector = connector
        self._receive = receive
        self._patterns = tuple(dict.fromkeys(patterns))
        self._opened = opened
        self._closed = closed
        self._ping_every_s = ping_every_s
        self._wanted: set[str] = set()
        self._held: set[str] = set()
        self._joins: dict[str, list[_Join]] = {}
        self._to_join: list[str] = []
        self._to_leave: list[str] = []
        self._work = anyio.Event()
        self.is_open = anyio.Event()
        """Set while everything wanted is subscribed; a new one after each loss."""

    async def subscribe(self, channels: Iterable[str]) -> None:
        """Listen to ``channels``, and come back once the server has confirmed them all. Waits for a server that is away."""
        new = [name for name in dict.fromkeys(channels) if name not in self._held]
        if not new:
            return
        join = _Join(len(new))
        for name in new:
            self._joins.setdefault(name, []).append(join)
            if name not in self._wanted:
                self._wanted.add(name)
                self._to_join.append(name)
        self._work.set()
        await join.done.wait()

    def unsubscribe(self, channels: Iterable[str]) -> None:
        """Listen to ``channels`` no longer; the server is told soon."""
        for name in channels:
            if name in self._wanted:
                self._wanted.discard(name)
                self._held.discard(name)
                self._to_leave.append(name)
            self._confirm(name)  # whoever still waits for it waits for nothing
        self._work.set()

    async def run(self) -> None:
        """Keep the connection open and hand on what arrives, until cancelled."""
        pause_s = BACKOFF_FIRST_S
        while True:
            failure: BrokerUnavailable | None = None
            try:
                connection = await self._connector.open()
            except BrokerUnavailable as error:
                failure = error
            else:
                if await self._listen(connection):
                    pause_s = BACKOFF_FIRST_S
            if self._closed is not None:
                self._closed(failure)
            await anyio.sleep(pause_s)
            pause_s = min(pause_s * 2, BACKOFF_LAST_S)

    async def _listen(self, connection: AbstractConnection) -> bool:
        """Listen until the connection breaks; say whether everything wanted was subscribed on it."""
        self._held.clear()
        self._to_leave.clear()
        self._to_join = list(self._wanted)
        opening = self.is_open
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write, connection)
                if self._opened is not None:
                    tasks.start_soon(self._tell_opened, self._opened)
                await self._read(connection)
        except* (RedisError, OSError, _Silent):
            pass
        finally:
            if opening.is_set():
                self.is_open = anyio.Event()
            self._held.clear()
            with anyio.CancelScope(shield=True):
                await connection.disconnect(nowait=True)
        return opening.is_set()

    async def _tell_opened(self, opened: Callable[[], Awaitable[None]]) -> None:
        await self.is_open.wait()
        await opened()

    async def _write(self, connection: AbstractConnection) -> None:
        if self._patterns:
            await self._send(connection, "PSUBSCRIBE", self._patterns)
        elif not self._to_join:
            self.is_open.set()
        while True:
            self._work = anyio.Event()
            leaving, self._to_leave = self._to_leave, []
            joining, self._to_join = self._to_join, []
            await self._send(connection, "UNSUBSCRIBE", [name for name in leaving if name not in self._wanted])
            await self._send(connection, "SUBSCRIBE", [name for name in joining if name in self._wanted])
            if not (self._to_join or self._to_leave):
                await self._work.wait()

    async def _send(self, connection: AbstractConnection, command: str, names: Iterable[str]) -> None:
        given = list(names)
        for first in range(0, len(given), NAMES_PER_COMMAND):
            packed = connection.pack_command(command, *given[first : first + NAMES_PER_COMMAND])
            await connection.send_packed_command(packed, check_health=False)

    async def _read(self, connection: AbstractConnection) -> None:
        patterns_left = len(self._patterns)
        was_pinged = False
        taken = 0
        while True:
            reply: Any = await connection.read_response(timeout=self._ping_every_s)
            if reply is None:
                if was_pinged:
                    raise _Silent
                was_pinged = True
                if self.is_open.is_set():  # a server takes PING from a subscriber, and answers in kind
                    await connection.send_packed_command(connection.pack_command("PING"), check_health=False)
                continue
            was_pinged = False
            patterns_left -= reply[0] == b"psubscribe"
            self._take(reply)
            if not self.is_open.is_set() and not patterns_left and self._held >= self._wanted:
                self.is_open.set()
            taken += 1
            if taken % MESSAGES_PER_TURN == 0:
                await anyio.lowlevel.checkpoint()

    def _take(self, reply: Any) -> None:
        kind = reply[0]
        if kind == b"message":
            self._receive(reply[1].decode(errors="replace"), reply[2])
        elif kind == b"pmessage":
            self._receive(reply[2].decode(errors="replace"), reply[3])
        elif kind == b"subscribe":
            self._confirm(reply[1].decode(errors="replace"))

    def _confirm(self, name: str) -> None:
        if name in self._wanted:
            self._held.add(name)
        for join in self._joins.pop(name, ()):
            join.left -= 1
            if not join.left:
                join.done.set()
