"""How much may be under way without confirmation."""

from __future__ import annotations

import anyio


class Window:
    """Room for so many messages and bytes; whoever finds none waits, in the order of coming."""

    def __init__(self, messages: int, size_bytes: int) -> None:
        """Start empty. A single message larger than ``size_bytes`` gets in when nothing else is under way."""
        self._messages = messages
        self._size_bytes = size_bytes
        self._turn = anyio.Lock()
        self._changed = anyio.Event()
        self.taken = 0
        self.taken_bytes = 0

    async def take(self, size_bytes: int) -> None:
        """Wait for room and take it."""
        async with self._turn:
            while self.taken and (self.taken >= self._messages or self.taken_bytes + size_bytes > self._size_bytes):
                self._changed = anyio.Event()
                await self._changed.wait()
            self.taken += 1
            self.taken_bytes += size_bytes

    def give(self, size_bytes: int) -> None:
        """Give room back."""
        self.taken -= 1
        self.taken_bytes -= size_bytes
        self._changed.set()
