"""How many messages came, over a day by the minute and over two weeks by the quarter of an hour. Pure.

Rings of fixed size: nothing here grows, and what is too old is forgotten where it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from daemon.clock import SECOND_US

MINUTE_US, QUARTER_US = 60 * SECOND_US, 900 * SECOND_US
HOUR_MINUTES, DAY_MINUTES, FORTNIGHT_QUARTERS = 60, 1440, 1344
QUARTERS_OF_A_DAY = 96
_NEGATIVE = ("E", "R")


class Ring:
    """Counts of so many steps of time, the latest ones."""

    def __init__(self, step_us: int, places: int) -> None:
        """Begin with none."""
        self.step_us = step_us
        self._counts = [0] * places
        self._newest = 0

    def add(self, now_us: int, count: int) -> None:
        """Count some that came at ``now_us``. After a clock that was set back they count where they fall."""
        place = now_us // self.step_us
        if place > self._newest:
            self._turn(place)
        if place > self._newest - len(self._counts):
            self._counts[place % len(self._counts)] += count

    def last(self, now_us: int, places: int | None = None) -> list[int]:
        """Give the counts up to the present step, which is the last; all there are, or so many."""
        size = len(self._counts)
        newest = now_us // self.step_us
        wanted = size if places is None else min(places, size)
        return [
            self._counts[place % size] if self._newest - size < place <= self._newest else 0
            for place in range(newest - wanted + 1, newest + 1)
        ]

    def _turn(self, place: int) -> None:
        size = len(self._counts)
        for passed in range(max(self._newest + 1, place - size + 1), place + 1):
            self._counts[passed % size] = 0
        self._newest = place

    def as_data(self) -> list[int]:
        """Write it for JSON: the newest step, and the counts up to it."""
        return [self._newest, *self.last(self._newest * self.step_us)]

    def take(self, data: Sequence[Any], now_us: int) -> None:
        """Take what ``as_data`` wrote, unless it is of the future or of another size.

        Raises:
            ValueError, TypeError: it is nothing of the kind.
        """
        newest, *counts = (int(one) for one in data)
        size = len(self._counts)
        if len(counts) != size or not 0 <= newest <= now_us // self.step_us or min(counts) < 0:
            return
        self._newest = newest
        for place, count in zip(range(newest - size + 1, newest + 1), counts, strict=True):
            self._counts[place % size] = count


class FeedTraffic:
    """The traffic of one feed: messages, and those of them that were refused."""

    def __init__(self) -> None:
        """Begin with none."""
        self.minutes, self.refused_minutes = Ring(MINUTE_US, DAY_MINUTES), Ring(MINUTE_US, DAY_MINUTES)
        self.quarters, self.refused_quarters = (
            Ring(QUARTER_US, FORTNIGHT_QUARTERS),
            Ring(QUARTER_US, FORTNIGHT_QUARTERS),
        )

    def last_hour(self, now_us: int) -> list[int]:
        """Give the messages of the last hour by the minute, the oldest first, the present one last."""
        return self.minutes.last(now_us, HOUR_MINUTES)

    @property
    def _rings(self) -> Mapping[str, Ring]:
        return {
            "minutes": self.minutes,
            "refused_minutes": self.refused_minutes,
            "quarters": self.quarters,
            "refused_quarters": self.refused_quarters,
        }

    def answered(self, now_us: int, code: str, count: int) -> None:
        """Count messages that got an answer of one code."""
        self.minutes.add(now_us, count)
        self.quarters.add(now_us, count)
        if code[1:] in _NEGATIVE:
            self.refused_minutes.add(now_us, count)
            self.refused_quarters.add(now_us, count)

    def as_data(self) -> dict[str, list[int]]:
        """Write it for JSON."""
        return {name: ring.as_data() for name, ring in self._rings.items()}

    def take(self, data: Mapping[str, Any], now_us: int) -> None:
        """Take what ``as_data`` wrote.

        Raises:
            ValueError, TypeError: it is nothing of the kind.
        """
        for name, ring in self._rings.items():
            ring.take(data.get(name, ()) or (0,), now_us)


class Span(NamedTuple):
    """A stretch of traffic.

    Attributes:
        from_us: when the first step began.
        messages, refused: one count for each step, the present one last.
    """

    step_us: int
    from_us: int
    messages: list[int]
    refused: list[int]


def span_of(traffic: FeedTraffic, now_us: int, *, by_quarters: bool) -> Span:
    """Read the day by the minute, or two weeks by the quarter of an hour."""
    messages, refused = (
        (traffic.quarters, traffic.refused_quarters) if by_quarters else (traffic.minutes, traffic.refused_minutes)
    )
    counts = messages.last(now_us)
    first = now_us // messages.step_us - len(counts) + 1
    return Span(messages.step_us, first * messages.step_us, counts, refused.last(now_us))
