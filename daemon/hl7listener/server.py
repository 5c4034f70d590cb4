"""The listener: every feed's sockets, connections, and their common limits."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable, Mapping, Sequence
from enum import Enum

import anyio

from daemon.clock import Clock
from daemon.events import FeedListening, PeerConnected, PeerGone, PeerRefused
from daemon.hl7listener.connection import Connection, Goodbye
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.spool import Arrival, NotStored, Spool, Stored
from daemon.ports import Emit, FaultPoint, no_fault
from daemon.public import Public
from daemon.settings.values import Address
from daemon.sockets import BACKLOG, address_of, listen

SWEEP_EVERY_S = 1.0
FINISH_LIMIT_S = 10.0
HELD_LIMIT_BYTES = 256 * 1024 * 1024
"""Bytes of all connections together that may be in memory: open blocks, and blocks that wait for the disk."""


class Held:
    """Counts what all connections hold in memory."""

    def __init__(self, limit_bytes: int) -> None:
        """Start with nothing held."""
        self._limit = limit_bytes
        self.now_bytes = 0

    def add(self, delta_bytes: int) -> bool:
        """Count more or less; say whether it is within the limit."""
        self.now_bytes += delta_bytes
        return self.now_bytes <= self._limit


class FeedHost:
    """One feed's side of its connections."""

    def __init__(
        self,
        feed: Feed,
        spool: Spool,
        held: Held,
        clock: Clock,
        emit: Emit,
        at: FaultPoint,
        new_control_id: Callable[[], str],
    ) -> None:
        """Keep the collaborators."""
        self.feed = feed
        self.clock = clock
        self.emit = emit
        self.at = at
        self.new_control_id = new_control_id
        self.connections: set[Connection] = set()
        self.accepting = True
        self._spool = spool
        self._held = held
        self._changed = anyio.Event()

    def store(self, arrival: Arrival, done: Callable[[Stored | NotStored], None]) -> None:
        """Pass an arrival to the spool."""
        self._spool.store(arrival, done)

    def may_read(self) -> bool:
        """Say whether anything may be read at all."""
        return self._spool.is_accepting

    def hold(self, delta_bytes: int) -> bool:
        """Account for bytes held in memory; say whether there is still room."""
        return self._held.add(delta_bytes)

    def joined(self, connection: Connection) -> bool:
        """Admit a connection; say whether there is a place for it."""
        if not self.accepting or len(self.connections) >= self.feed.framing.limits.connections:
            self.emit(PeerRefused(self.feed.name, Goodbye.LIMIT if self.accepting else Goodbye.DRAIN))
            return False
        self.connections.add(connection)
        self.emit(PeerConnected(self.feed.name, len(self.connections)))
        return True

    def left(self, connection: Connection, reason: Enum) -> None:
        """Forget a connection."""
        self.connections.discard(connection)
        self.emit(PeerGone(self.feed.name, len(self.connections), reason, connection.answered))
        self._changed.set()

    async def wait_empty(self) -> None:
        """Wait until no connection is left."""
        while self.connections:
            self._changed = anyio.Event()
            await self._changed.wait()


class Listener:
    """Listens for all feeds of a site."""

    name = Public("listener")

    def __init__(
        self,
        feeds: Sequence[Feed],
        spool: Spool,
        clock: Clock,
        emit: Emit,
        *,
        control_prefix: str,
        inherited: Mapping[str, Sequence[socket.socket]] | None = None,
        at: FaultPoint = no_fault,
    ) -> None:
        """Prepare the feeds; nothing is bound here.

        Args:
            feeds: what to listen for.
            spool: where messages go.
            clock: the time.
            emit: takes events.
            control_prefix: what the control ids of our acknowledgements begin with, at most 10 characters; different
                for each start.
            inherited: listening sockets from systemd, by name: ``feed-NAME``.
            at: named points for tests.
        """
        held = Held(HELD_LIMIT_BYTES)
        numbers = itertools.count(1)

        def new_control_id() -> str:
            return f"{control_prefix}{next(numbers) % 10**10:X}"

        self._hosts = [FeedHost(feed, spool, held, clock, emit, at, new_control_id) for feed in feeds]
        self._clock = clock
        self._emit = emit
        self._at = at
        self._inherited = {name: list(sockets) for name, sockets in (inherited or {}).items()}
        self._servers: list[asyncio.Server] = []
        self._stop = anyio.Event()
        self.addresses: dict[Public, list[Address]] = {}
        spool.on_accepting(self._adjust)

    async def open(self) -> None:
        """Bind or take over every feed's sockets and begin to listen.

        Raises:
            ListenFailed: an address cannot be listened on.
        """
        self._stop = anyio.Event()
        bound = [(host, self._sockets(host.feed)) for host in self._hosts]
        self._at("start.bound")
        loop = asyncio.get_running_loop()
        for host, (sockets, is_inherited) in bound:
            host.accepting = True
            self.addresses[host.feed.name] = [address_of(listening) for listening in sockets]
            for listening in sockets:
                # The backlog again: listening a second time with the default would shrink an inherited one.
                server = await loop.create_server(self._factory(host), sock=listening, backlog=BACKLOG)
                self._servers.append(server)
            for address in self.addresses[host.feed.name]:
                self._emit(FeedListening(host.feed.name, Public(address), is_inherited))

    async def serve(self) -> None:
        """Watch the connections' times until drained."""
        while not self._stop.is_set():
            now_s = self._clock.monotonic_s()
            for host in self._hosts:
                for connection in tuple(host.connections):
                    connection.sweep(now_s)
            with anyio.move_on_after(SWEEP_EVERY_S):
                await self._stop.wait()

    async def drain(self) -> None:
        """Take no more connections, answer what has arrived, close. What is late is closed without an answer."""
        self._stop.set()
        for server in self._servers:
            server.close()
        self._servers.clear()
        for host in self._hosts:
            host.accepting = False
            for connection in tuple(host.connections):
                connection.finish(Goodbye.DRAIN)
        with anyio.move_on_after(FINISH_LIMIT_S):
            for host in self._hosts:
                await host.wait_empty()
        for host in self._hosts:
            for connection in tuple(host.connections):
                connection.close(Goodbye.DRAIN)

    def _sockets(self, feed: Feed) -> tuple[list[socket.socket], bool]:
        given = self._inherited.get(f"feed-{feed.name}")
        if given:
            # Duplicates: the originals stay for a second opening.
            return [listening.dup() for listening in given], True
        return [listen(address, f"feed {feed.name}") for address in feed.peers.listen], False

    def _factory(self, host: FeedHost) -> Callable[[], Connection]:
        def connect() -> Connection:
            return Connection(host)

        return connect

    def _adjust(self, accepting: bool) -> None:  # noqa: FBT001 - a callback with one meaning
        del accepting
        for host in self._hosts:
            for connection in tuple(host.connections):
                connection.adjust()
