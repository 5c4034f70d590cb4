"""Takes connections, and bounds them: how many there are, from one address and in all, and how long one may be without a request.

The HTTP library has no limit on how long a request's head may take, and none on connections.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
from aiohttp import web
from anyio.abc import TaskGroup

from daemon.api.access.bounds import net_of
from daemon.api.turns import Turns
from daemon.clock import Clock
from daemon.right_of_way import RightOfWay
from daemon.sockets import BACKLOG

HANDSHAKE_LIMIT_S = 10.0
WAITING_LIMIT_BYTES = 64 * 1024
PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one listener.

    Attributes:
        connections: that ask for something, or may; open WebSockets have a bound of their own.
        each: of one address; machines that are trusted, and this one, are exempt.
        head_s: how long a new connection may take for the head of its first request.
        idle_s: how long one may stay that has been answered.
        write_s: how long an answer may take to be read.
    """

    connections: int = 1000
    each: int = 64
    head_s: float = 10.0
    idle_s: float = 20.0
    write_s: float = 60.0


class Connection(asyncio.Protocol):
    """One connection: hands everything on to the HTTP library, and knows since when nothing has been asked.

    Attributes:
        inner: the library's side of it; ``None`` if it was not let in.
        counted_as: the address it is counted under; ``None`` if it is not.
    """

    def __init__(self, gate: Gate, server: Callable[[], Any], counted_as: str | None = None) -> None:
        """Stand before what ``server`` makes; it makes ``None`` once the listener is closed."""
        self._gate = gate
        self._server = server
        self.inner: Any = None
        self.counted_as = counted_as
        self.transport: Any = None
        self.waiting: list[bytes] = []
        self.in_hand = 0
        self.was_answered = False
        self.since_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if there is room."""
        self.transport = transport
        if self.counted_as is None:
            self.counted_as = self._gate.admit(_address_of(transport.get_extra_info("peername")))
        self.inner = self._server() if self.counted_as is not None else None
        if self.inner is None:
            self.transport.abort()
            return
        self._gate.begun(self)
        self.inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self.inner is not None:
            self.hand_on()
            self.inner.connection_lost(exc)
        self._gate.ended(self)

    def data_received(self, data: bytes) -> None:
        """Hand on, when it is this connection's turn."""
        if self.inner is None:
            return
        self.waiting.append(data)
        if len(self.waiting) == 1:
            self._gate.turns.has_come(self)
        elif sum(map(len, self.waiting)) >= WAITING_LIMIT_BYTES:
            self.hand_on()

    def hand_on(self) -> None:
        """Hand on what waits."""
        if self.waiting:
            data, self.waiting = b"".join(self.waiting), []
            self.inner.data_received(data)

    def eof_received(self) -> Any:
        """Hand on."""
        self.hand_on()
        return self.inner.eof_received() if self.inner is not None else None

    def pause_writing(self) -> None:
        """Hand on."""
        if self.inner is not None:
            self.inner.pause_writing()

    def resume_writing(self) -> None:
        """Hand on."""
        if self.inner is not None:
            self.inner.resume_writing()

    def is_over(self, now_s: float, limits: Limits) -> bool:
        """Say whether it has been without a request for too long, or takes too long to read."""
        if self.in_hand:
            return False
        for_s = now_s - self.since_s
        if self.was_answered and self.transport.get_write_buffer_size():
            return for_s >= limits.write_s
        return for_s >= (limits.idle_s if self.was_answered else limits.head_s)


class Gate:
    """The connections of one listener."""

    def __init__(self, clock: Clock, limits: Limits, is_exempt: Callable[[str], bool], way: RightOfWay) -> None:
        """Begin with none; what they ask waits a moment for whoever takes ``way``."""
        self.turns = Turns(way)
        self._clock = clock
        self._limits = limits
        self._is_exempt = is_exempt
        self._connections: dict[Any, Connection] = {}
        self._counts: Counter[str] = Counter()
        self._servers: list[asyncio.Server] = []
        self._refused = 0

    # -- taking connections --------------------------------------------------------------------------------------------

    async def listen(self, listening: socket.socket, server: Callable[[], Any]) -> None:
        """Take what connects to a socket from now on, in clear."""
        make = partial(Connection, self, server)
        self._servers.append(await asyncio.get_running_loop().create_server(make, sock=listening, backlog=BACKLOG))

    async def take(self, listening: socket.socket, server: Callable[[], Any], tls: ssl.SSLContext) -> None:
        """Take what connects to a socket, under TLS, until cancelled. It counts before it has shaken hands."""
        loop = asyncio.get_running_loop()
        async with anyio.create_task_group() as tasks:
            with listening:
                while True:
                    try:
                        taken, peer = await loop.sock_accept(listening)
                    except ConnectionError:
                        continue
                    except OSError:  # nothing is left to take it with; what waits, waits
                        await anyio.sleep(PAUSE_S)
                        continue
                    self._greet(taken, peer, server, tls, tasks)

    def close(self) -> None:
        """Take nothing more."""
        servers, self._servers = self._servers, []
        for one in servers:
            one.close()

    def _greet(
        self, taken: socket.socket, peer: Any, server: Callable[[], Any], tls: ssl.SSLContext, tasks: TaskGroup
    ) -> None:
        counted_as = self.admit(_address_of(peer))
        if counted_as is None:
            taken.close()
            return
        tasks.start_soon(self._shake_hands, taken, Connection(self, server, counted_as), tls)

    async def _shake_hands(self, taken: socket.socket, connection: Connection, tls: ssl.SSLContext) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, taken, ssl=tls, ssl_handshake_timeout=HANDSHAKE_LIMIT_S
            )
        except OSError:  # it went, or spoke no TLS, or took too long (ssl.SSLError and TimeoutError are OSErrors)
            pass
        finally:
            if connection.transport is None:
                self.uncount(connection)
                taken.close()

    # -- bounds --------------------------------------------------------------------------------------------------------

    def admit(self, address: str) -> str | None:
        """Count a connection in, and give what it is counted under; ``None`` if there is no room.

        Where all places are taken, the connection that has been without a request the longest makes room.
        """
        key = net_of(address)
        if self._counts[key] >= self._limits.each and not self._is_exempt(address):
            self._refused += 1
            return None
        if self._counts.total() >= self._limits.connections:
            idle = [one for one in self._connections.values() if not one.in_hand]
            if not idle:
                self._refused += 1
                return None
            min(idle, key=lambda one: one.since_s).transport.abort()
        self._counts[key] += 1
        return key

    def taken_refused(self) -> int:
        """Give how many were not let in since this was asked last."""
        refused, self._refused = self._refused, 0
        return refused

    def begun(self, connection: Connection) -> None:
        """Know a connection."""
        connection.since_s = self._clock.monotonic_s()
        self._connections[connection.inner] = connection

    def ended(self, connection: Connection) -> None:
        """Count a connection out."""
        self._connections.pop(connection.inner, None)
        self.uncount(connection)

    def close_idle(self) -> None:
        """Close connections that have been without a request for too long."""
        now_s = self._clock.monotonic_s()
        for one in list(self._connections.values()):
            if one.is_over(now_s, self._limits):
                one.transport.abort()

    def uncount(self, connection: Connection) -> None:
        """Leave a connection out of the bounds."""
        key, connection.counted_as = connection.counted_as, None
        if key is not None:
            self._counts[key] -= 1
            if self._counts[key] <= 0:
                del self._counts[key]

    def __len__(self) -> int:
        """Count the connections that are no WebSockets."""
        return self._counts.total()

    # -- requests ------------------------------------------------------------------------------------------------------

    def watching(self) -> Any:
        """Make a middleware that knows of each request while it is in hand."""

        @web.middleware
        async def watch(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            connection = self._connections.get(request.protocol)
            if connection is None:
                return await handler(request)
            connection.in_hand += 1
            try:
                return await handler(request)
            finally:
                connection.in_hand -= 1
                connection.was_answered = True
                connection.since_s = self._clock.monotonic_s()

        return watch

    def became_line(self, request: web.Request) -> None:
        """Leave a connection out of the bounds that has become a WebSocket."""
        connection = self._connections.get(request.protocol)
        if connection is not None:
            self.uncount(connection)


def _address_of(peer: Any) -> str:
    return str(peer[0]) if isinstance(peer, (tuple, list)) and peer else ""
