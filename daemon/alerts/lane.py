"""A bounded row of things to be done, one after the other, for one channel."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")


class Lane(Generic[T]):
    """What waits, and whether something is under way."""

    def __init__(self, limit: int) -> None:
        """Begin with nothing, and room for ``limit``."""
        self._limit = limit
        self._waiting: deque[T] = deque()
        self._entered = anyio.Event()
        self.is_idle = True
        """Whether nothing waits and nothing is under way."""

    def enter(self, one: T) -> bool:
        """Put one at the end; say whether there was room."""
        if len(self._waiting) >= self._limit:
            return False
        self._waiting.append(one)
        self.is_idle = False
        self._entered.set()
        return True

    async def carry(self, carry: Callable[[T], Awaitable[None]]) -> None:
        """Do them one after the other until cancelled."""
        while True:
            while self._waiting:
                await carry(self._waiting.popleft())
            self.is_idle = True
            self._entered = anyio.Event()
            await self._entered.wait()
