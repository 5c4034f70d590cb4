"""Time under a test's control: a clock that is set by hand, and an event loop that never waits."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

T = TypeVar("T")
START_US = 1_790_000_000_000_000
"""2026-09-21T14:13:20Z, a Monday."""


class SetClock:
    """A clock that stands until it is moved."""

    def __init__(self, now_us: int = START_US) -> None:
        self.wall_us = now_us
        self.mono_s = 1000.0

    def now_us(self) -> int:
        return self.wall_us

    def monotonic_s(self) -> float:
        return self.mono_s

    def advance(self, seconds: float) -> None:
        self.wall_us += round(seconds * 1_000_000)
        self.mono_s += seconds


class Deadlock(AssertionError):
    """Nothing can ever happen any more."""


class _NoWaiting(selectors.SelectSelector):
    """Adds the time-out to a number instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                message = "no task can go on and no timer is set"
                raise Deadlock(message)
            self.passed_s += max(timeout, 0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a number: a day of timers takes no longer than their callbacks."""

    def __init__(self) -> None:
        self._no_waiting = _NoWaiting()
        super().__init__(self._no_waiting)

    def time(self) -> float:
        return self._no_waiting.passed_s


class VirtualClock:
    """The clock of a virtual loop; the wall clock can be moved against it."""

    def __init__(self, start_us: int = START_US) -> None:
        self.start_us = start_us

    def now_us(self) -> int:
        return self.start_us + round(asyncio.get_running_loop().time() * 1_000_000)

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()


def run_virtual(main: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine on a virtual loop."""
    options: dict[str, Any] = {"loop_factory": VirtualLoop}
    return anyio.run(main, backend_options=options)
