"""Links that are cut after so many bytes, cut while nobody looks, or that let one command through at a time."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress

import anyio

from tests.support.old_proxy import read_command
from tests.support.proxy import BadLink, _reset


class CutLink(BadLink):
    """Resets each connection once so many bytes of it have gone one way."""

    def __init__(self, target_port: int) -> None:
        super().__init__(target_port)
        self.forth_left: float = math.inf
        self.back_left: float = math.inf
        self.cuts = 0
        self._near: list[asyncio.StreamWriter] = []

    def heal(self) -> None:
        self.forth_left = self.back_left = math.inf

    def reset_all(self) -> None:
        """Reset what stands, though nothing is being sent."""
        for writer in self._near:
            if not writer.is_closing():
                _reset(writer)
        self._near.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._near.append(writer)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._pass_forth, reader, far_writer, writer)
                await self._pass_back(far_reader, writer)
                tasks.cancel_scope.cancel()
        finally:
            far_writer.close()
            writer.close()

    async def _pass_forth(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, near: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                kept = data if self.forth_left > len(data) else data[: int(self.forth_left)]
                self.forth_left -= len(kept)
                writer.write(kept)
                await writer.drain()
                if len(kept) < len(data):
                    self._cut(near)
                    break
        writer.close()

    async def _pass_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                kept = data if self.back_left > len(data) else data[: int(self.back_left)]
                self.back_left -= len(kept)
                writer.write(kept)
                await writer.drain()
                if len(kept) < len(data):
                    self._cut(writer)
                    return

    def _cut(self, near: asyncio.StreamWriter) -> None:
        self.cuts += 1
        _reset(near)


class StepLink(BadLink):
    """Lets as many commands through as it was told to; the others wait."""

    def __init__(self, target_port: int) -> None:
        super().__init__(target_port)
        self._permits = anyio.Semaphore(1_000_000)

    def hold(self) -> None:
        self._permits = anyio.Semaphore(0)

    def let(self, count: int) -> None:
        for _ in range(count):
            self._permits.release()

    async def _forth(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                raw, _ = await read_command(reader)
                await self._permits.acquire()
                writer.write(raw)
                await writer.drain()
