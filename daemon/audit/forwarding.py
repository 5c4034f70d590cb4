"""Sends records on to a log server. Nobody waits for it; what there is no room for is dropped and counted."""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import anyio

from daemon.audit.iti20 import octets_counted
from daemon.ports import Emit
from daemon.public import Public, reason
from daemon.settings.audit_section import SyslogPlace
from daemon.trust_events import AuditLost

QUEUE_LIMIT = 1000
SEND_LIMIT_S = 10.0
SHORTEST_RETRY_S, LONGEST_RETRY_S = 1.0, 30.0


class _Line(Protocol):
    async def send(self, item: bytes, /) -> None: ...


class Forwarding:
    """The way to a log server."""

    def __init__(self, place: SyslogPlace, authorities: Path | None, emit: Emit) -> None:
        """Connect to nothing yet."""
        self._place = place
        self._authorities = authorities
        self._emit = emit
        self._waiting: deque[bytes] = deque()
        self._entered = anyio.Event()
        self._dropped = 0
        self._is_down = False

    @property
    def is_idle(self) -> bool:
        """Say whether everything is sent."""
        return not self._waiting

    def enter(self, line: bytes) -> None:
        """Have a line sent; the oldest that waits makes room for it."""
        if len(self._waiting) >= QUEUE_LIMIT:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append(line)
        self._entered.set()

    async def run(self) -> None:
        """Send until cancelled; a connection that breaks is made again."""
        retry_s = SHORTEST_RETRY_S
        while True:
            await self._wait()
            try:
                async with self._connected() as line:
                    self._is_down, retry_s = False, SHORTEST_RETRY_S
                    await self._send_all(line)
            except (OSError, TimeoutError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
                if not self._is_down:
                    self._emit(AuditLost(self._taken(), Public(f"{self._place}: {reason(error)}")))
                self._is_down = True
                await anyio.sleep(retry_s)
                retry_s = min(retry_s * 2, LONGEST_RETRY_S)

    async def _wait(self) -> None:
        while not self._waiting:
            self._entered = anyio.Event()
            await self._entered.wait()

    async def _send_all(self, line: _Line) -> None:
        while True:
            await self._wait()
            if self._dropped:
                self._emit(AuditLost(self._taken(), Public(f"{self._place}: more waited than there is room for")))
            first = self._waiting[0]
            with anyio.fail_after(SEND_LIMIT_S):
                await line.send(first if self._place.scheme == "udp" else octets_counted(first))
            if self._waiting and self._waiting[0] is first:
                self._waiting.popleft()

    def _taken(self) -> int:
        dropped, self._dropped = self._dropped, 0
        return dropped

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[_Line]:
        address = self._place.address
        if self._place.scheme == "udp":
            async with await anyio.create_connected_udp_socket(address.host, address.port) as line:
                yield line
            return
        context = None
        if self._place.scheme == "tls":
            context = ssl.create_default_context(cafile=self._authorities)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
        with anyio.fail_after(SEND_LIMIT_S):
            if context is None:
                stream: _Stream = await anyio.connect_tcp(address.host, address.port)
            else:
                stream = await anyio.connect_tcp(address.host, address.port, ssl_context=context)
        async with stream:
            yield stream


_Stream = anyio.abc.ByteStream
