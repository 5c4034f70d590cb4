"""A proxy of the old kind, that knows RESP2 and no command about protocols."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.support.proxy import BadLink

UNKNOWN = frozenset((b"HELLO", b"CLIENT SETINFO", b"CLIENT TRACKING", b"CLIENT MAINT_NOTIFICATIONS"))


class OldProxy(BadLink):
    """Hands on command by command; what it does not know ends the connection, so that nobody gets by with it."""

    def __init__(self, target_port: int) -> None:
        super().__init__(target_port)
        self.seen: list[bytes] = []

    async def _forth(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                raw, words = await read_command(reader)
                name = b" ".join(words[:2]) if words[0].upper() == b"CLIENT" else words[0]
                self.seen.append(name.upper())
                if self.seen[-1] in UNKNOWN:
                    writer.close()
                    return
                writer.write(raw)
                await writer.drain()


async def read_command(reader: asyncio.StreamReader) -> tuple[bytes, list[bytes]]:
    """Read a command: its bytes as they came, and its words."""
    raw = head = await reader.readuntil(b"\r\n")
    words = []
    for _ in range(int(head[1:])):
        size = await reader.readuntil(b"\r\n")
        word = await reader.readexactly(int(size[1:]) + 2)
        raw += size + word
        words.append(word[:-2])
    return raw, words
