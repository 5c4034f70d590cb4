"""Hands on what has come over many connections, in its order, so that nothing more urgent waits for more than a little of it.

The writer of the spool needs the interpreter for moments only, but from an event loop that is never idle it gets it late.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from daemon.right_of_way import RightOfWay

AT_ONCE = 1
"""What has come over so many connections is handed on until the event loop's other work gets its turn: however many ask at the
same moment, an occurrence or an acknowledgement waits for a few of them only."""

PATIENCE_S = 0.01
"""So long all of them wait while a message is on its way to the disk."""

THEN = 4
"""So many are handed on after that, one in each turn, however many messages come: some hundred a second at least."""


class Waiting(Protocol):
    """A connection over which something has come."""

    def hand_on(self) -> None:
        """Hand on all that has come."""
        ...


class Turns:
    """Whose turn it is."""

    def __init__(self, way: RightOfWay) -> None:
        """Begin with nobody; whoever takes ``way`` goes first."""
        self._way = way
        self._waiting: deque[Waiting] = deque()
        self._is_turning = False
        self._allowed = 0
        self._timer: asyncio.TimerHandle | None = None

    def has_come(self, connection: Waiting) -> None:
        """Hand on what has come over a connection: now, or after others in a later turn of the event loop."""
        self._waiting.append(connection)
        if not self._is_turning:
            self._is_turning = True
            self._turn()

    def _turn(self) -> None:
        if not self._waiting:
            self._is_turning = False
        elif self._way.is_taken and not self._allowed:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._lose_patience)
            self._way.when_given(self._resume)
        else:
            self._allowed = max(self._allowed - 1, 0)
            for _ in range(min(len(self._waiting), AT_ONCE)):
                self._waiting.popleft().hand_on()
            asyncio.get_running_loop().call_soon(self._turn)

    def _resume(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._turn()

    def _lose_patience(self) -> None:
        self._way.forget(self._resume)
        self._allowed = THEN
        self._turn()
