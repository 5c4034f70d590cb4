"""Somebody who waits for results: what has come for them, and a way to wake them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shim.results.meta import TaskMeta


class Seat:
    """One caller, one or many results. There may be ten thousand of these: it holds little."""

    __slots__ = ("_arrived", "_is_over", "_only_last", "_open", "_wake", "channels", "has_left", "has_limit")

    def __init__(self, channels: Sequence[str], *, only_last: bool, has_limit: bool) -> None:
        """Wait for what comes on ``channels``, until each has brought its last word or time is up.

        Args:
            channels: all different.
            only_last: hand over final results only; else each change, the latest taking the place of one not yet fetched.
            has_limit: whether something will ``end`` it in time.
        """
        self.channels = channels
        self.has_limit = has_limit
        self.has_left = False
        self._open = len(channels)
        self._only_last = only_last
        self._arrived: list[TaskMeta] = []
        self._wake: asyncio.Future[None] | None = None
        self._is_over = not channels

    def take(self, meta: TaskMeta, *, is_last: bool) -> None:
        """Put a result there, if it is wanted; never waits."""
        if not is_last and self._only_last:
            return
        if not self._only_last:
            self._arrived.clear()
        self._arrived.append(meta)
        self._open -= is_last
        self._is_over = self._is_over or not self._open
        self._rouse()

    def arrival(self) -> asyncio.Future[None]:
        """Give a future that is done once results are there, or nothing more will come."""
        self._wake = asyncio.get_running_loop().create_future()
        if self._arrived or self._is_over:
            self._wake.set_result(None)
        return self._wake

    def fetch(self) -> list[TaskMeta]:
        """Take all results that are there; none after an arrival means that nothing more will come."""
        arrived, self._arrived = self._arrived, []
        return arrived

    def end(self) -> None:
        """Let nothing more come."""
        self._is_over = True
        self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
