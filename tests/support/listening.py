"""The listener on real sockets over a real spool, in this process; and a sender that does with its connection what it likes."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import anyio

from daemon.feed_events import PeerGone
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.wire.connection import Connection
from daemon.hl7listener.wire.framer import Block, Framer
from daemon.hl7listener.wire.server import Listener
from daemon.ports import FaultPoint, no_fault
from tests.support.acks import Ack, read_ack
from tests.support.clock import SetClock
from tests.support.feeds import feed
from tests.support.spooling import LIMIT_S, Rig, spooling

E = TypeVar("E")

Sockets = Mapping[str, Sequence[socket.socket]]

CONTROL_PREFIX = "TEST"


class Caller:
    """One connection to a feed; it reads only when asked to."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self._framer = Framer(64 * 1024 * 1024)
        self._blocks: list[bytes] = []

    async def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        await asyncio.get_running_loop().sock_sendall(self._raw, data)

    def end(self) -> None:
        """Shut the sending side."""
        self._raw.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Break the connection without a farewell."""
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._raw.close()

    async def replies(self, count: int = 1) -> list[bytes]:
        """Wait for so many answers and give their data; raises if the connection ends before."""
        with anyio.fail_after(LIMIT_S):
            while len(self._blocks) < count:
                self._blocks += await self._read()
        first, self._blocks = self._blocks[:count], self._blocks[count:]
        return first

    async def acks(self, count: int = 1) -> list[Ack]:
        """Wait for so many acknowledgements."""
        return [read_ack(reply) for reply in await self.replies(count)]

    async def codes(self, count: int = 1) -> list[bytes]:
        """Wait for so many acknowledgements and give what they say."""
        return [ack.msa[1] for ack in await self.acks(count)]

    async def rest(self) -> list[bytes]:
        """Give the answers that come until the listener closes; a reset counts as an end."""
        with anyio.fail_after(LIMIT_S):
            with suppress(ConnectionError):
                while True:
                    self._blocks += await self._read()
        return self._blocks

    async def receive(self) -> bytes:
        """Give the bytes that come next, as they are; nothing once the listener has closed."""
        return await asyncio.get_running_loop().sock_recv(self._raw, 65_536)

    async def _read(self) -> list[bytes]:
        data = await self.receive()
        if not data:
            message = f"closed; {len(self._blocks)} answers are at hand"
            raise ConnectionError(message)
        return [event.data for event in self._framer.feed(data) if isinstance(event, Block)]


class Station:
    """A listener that runs.

    Attributes:
        clock: its time; stands until it is moved.
        events: what listener and spool emitted.
        storage: the spool.
    """

    def __init__(self, listener: Listener, storage: Rig, clock: SetClock) -> None:
        self.listener = listener
        self.storage = storage
        self.clock = clock
        self.events = storage.events

    @property
    def port(self) -> int:
        """Where the first feed listens."""
        return next(iter(self.listener.addresses.values()))[0].port

    @property
    def connections(self) -> list[Connection]:
        return [connection for host in self.listener.hosts.values() for connection in host.connections]

    @property
    def held_bytes(self) -> int:
        return self.listener.held_bytes

    def told(self, kind: type[E]) -> list[E]:
        """Give the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def endings(self) -> list[Enum]:
        """Why connections ended, in that order."""
        return [event.reason for event in self.told(PeerGone)]

    @asynccontextmanager
    async def calling(self, receive_bytes: int | None = None) -> AsyncIterator[Caller]:
        """Connect; with ``receive_bytes``, with so small a buffer for answers."""
        with socket.socket() as raw:
            if receive_bytes is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            raw.connect(("127.0.0.1", self.port))
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.setblocking(False)  # noqa: FBT003 - the standard library's own signature
            yield Caller(raw)


@asynccontextmanager
async def listening(
    folder: Path,
    of: Feed | None = None,
    *,
    at: FaultPoint = no_fault,
    inherited: Sockets | None = None,
    clock: SetClock | None = None,
    **spool: Any,
) -> AsyncIterator[Station]:
    """Open a spool and a listener with one feed, run both, and drain both at the end."""
    time = clock or SetClock()
    async with spooling(folder, clock=time, at=at, **spool) as storage:
        listener = Listener(
            [of or feed()],
            storage.spool,
            time,
            storage.events.append,
            control_prefix=CONTROL_PREFIX,
            inherited=inherited,
            at=at,
        )
        await listener.open()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve)
            try:
                yield Station(listener, storage, time)
            finally:
                with anyio.CancelScope(shield=True):
                    await listener.drain()


@contextmanager
def send_buffer(size_bytes: int) -> Iterator[Sockets]:
    """Make a listening socket, as if inherited, whose connections take so few bytes before the peer reads."""
    with socket.create_server(("127.0.0.1", 0)) as listening_at:
        listening_at.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size_bytes)
        yield {"feed-adt": [listening_at]}
