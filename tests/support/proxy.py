"""A bad link: a TCP proxy that loses what it is told to lose."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

_CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)


class BadLink:
    """Passes bytes on, until told otherwise.

    * ``lose_replies(n)``: the next n pieces the server sends are swallowed, and then the connection is reset;
    * ``freeze()`` and ``thaw()``: what the client sends is held back; on thawing it still arrives;
    * ``refuse()`` and ``accept()``: new connections are reset at once.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._tasks: TaskGroup | None = None
        self._open = anyio.Event()
        self._open.set()
        self._refusing = False
        self._lose = 0
        self.lost = anyio.Event()
        self.held = anyio.Event()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._tasks is not None
        self._server.close()
        self._open.set()
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.01)  # transports close in the loop's next turns

    def lose_replies(self, count: int = 1) -> None:
        self._lose = count
        self.lost = anyio.Event()

    def freeze(self) -> None:
        self._open = anyio.Event()
        self.held = anyio.Event()

    def thaw(self) -> None:
        self._open.set()

    def refuse(self) -> None:
        self._refusing = True

    def accept(self) -> None:
        self._refusing = False

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._tasks is not None
        self._tasks.start_soon(self._serve, reader, writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            _reset(writer)
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        try:
            # What is held back when the client gives up still reaches the server: that is what a network does.
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._forth, reader, far_writer)
                await self._back(far_reader, writer)
                tasks.cancel_scope.cancel()
        finally:
            far_writer.close()
            writer.close()

    async def _forth(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if not self._open.is_set():
                    self.held.set()
                    with anyio.CancelScope(shield=True):
                        await self._open.wait()
                        writer.write(data)
                        await writer.drain()
                    continue
                writer.write(data)
                await writer.drain()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self._lose > 0:
                    self._lose -= 1
                    if not self._lose:
                        self.lost.set()
                        _reset(writer)
                        return
                    continue
                writer.write(data)
                await writer.drain()
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
