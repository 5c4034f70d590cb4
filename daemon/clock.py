"""The clock the daemon reads. Tests hand in another."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND_US = 1_000_000


class Clock(Protocol):
    """Wall time for what is recorded and planned, monotonic time for durations; never compared with each other."""

    def now_us(self) -> int:
        """Give the wall time in microseconds since 1970-01-01 UTC."""
        ...

    def monotonic_s(self) -> float:
        """Give seconds that only ever grow."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_us(self) -> int:
        """Give the wall time in microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000  # noqa: TID251 - the one place

    def monotonic_s(self) -> float:
        """Give seconds that only ever grow."""
        return time.monotonic()


def instant(at_us: int) -> datetime:
    """Turn microseconds since the epoch into an aware UTC instant."""
    return EPOCH + timedelta(microseconds=at_us)


def microseconds(at: datetime) -> int:
    """Turn an aware instant into microseconds since the epoch."""
    return (at - EPOCH) // MICROSECOND
