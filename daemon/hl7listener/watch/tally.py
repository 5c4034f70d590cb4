"""What a feed has done since the daemon started: counts, times and latencies, from the events it emits.

Nothing here grows with the number of messages: codes, kinds and reasons are our own words, minutes are a ring of an hour.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any

from daemon import events, feed_events
from daemon.clock import SECOND_US
from daemon.desks import LatencyRow

MINUTE_US, HOUR_US = 60 * SECOND_US, 3600 * SECOND_US
MINUTES = 60
_NEGATIVE = ("E", "R")
BOUNDS_S = tuple(0.0001 * 1.25**step for step in range(64))
"""Upper bounds of the latency classes: from a tenth of a millisecond to two minutes, a quarter apart."""


class Latencies:
    """How long answers took: counts by class, of which quantiles are read."""

    def __init__(self) -> None:
        """Begin with none."""
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self.count = 0

    def add(self, took_s: float) -> None:
        """Count one."""
        self._counts[bisect_left(BOUNDS_S, took_s)] += 1
        self.count += 1

    def quantile_s(self, share: float) -> float | None:
        """Give a bound that ``share`` of all (0 to 1) took at most, a quarter too large at worst; ``None`` without any."""
        if not self.count:
            return None
        wanted, seen = share * self.count, 0
        for place, count in enumerate(self._counts):
            seen += count
            if seen >= wanted and count:
                return BOUNDS_S[min(place, len(BOUNDS_S) - 1)]
        return BOUNDS_S[-1]

    def classes(self) -> list[LatencyRow]:
        """Give how many took so long, but for classes in which there are none."""
        bounds_s = (*BOUNDS_S, BOUNDS_S[-1])
        return [LatencyRow(round(bounds_s[place], 9), count) for place, count in enumerate(self._counts) if count]


class Minutes:
    """How many came in each minute of the last hour."""

    def __init__(self) -> None:
        """Begin with none."""
        self._counts = [0] * MINUTES
        self._newest = 0

    def add(self, now_us: int, count: int = 1) -> None:
        """Count some that came at ``now_us``."""
        minute = now_us // MINUTE_US
        if minute != self._newest:
            self._turn(minute)
        self._counts[minute % MINUTES] += count

    def recent(self, now_us: int, minutes: int) -> int:
        """Count what came in the last so many minutes, the present one among them."""
        return sum(self.last(now_us)[-minutes:])

    def last(self, now_us: int) -> list[int]:
        """Give the counts of the last hour, the oldest minute first, the present one last."""
        minute = now_us // MINUTE_US
        self._turn(minute)
        return [self._counts[(minute + 1 + place) % MINUTES] for place in range(MINUTES)]

    def _turn(self, minute: int) -> None:
        for passed in range(max(self._newest + 1, minute - MINUTES + 1), minute + 1):
            self._counts[passed % MINUTES] = 0
        self._newest = max(self._newest, minute)


class FeedTally:
    """The counts of one feed.

    Attributes:
        slow_from_s: an answer that takes longer is slow.
        kinds, routes: messages by type, and by the route that wants them.
        codes: answers by code; the empty one stands for messages that got none.
        last_us: when the last message was answered; 0: none yet.
        waiting, oldest_s: what waits in the spool to be handed on.
    """

    def __init__(self, slow_from_s: float) -> None:
        """Begin with nothing."""
        self.codes: dict[str, int] = {}
        self.quarantined: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        self.gone: dict[str, int] = {}
        self.kinds: dict[str, int] = {}
        self.routes: dict[str, int] = {}
        self.filtered = self.unrouted = 0
        self.resent = self.enqueued = self.parked = self.repeated = 0
        self.latencies = Latencies()
        self.minutes, self.refused_minutes, self.slow_minutes = Minutes(), Minutes(), Minutes()
        self.slow_from_s = slow_from_s
        self.last_us = 0
        self.waiting, self.oldest_s = 0, 0.0

    @property
    def messages(self) -> int:
        """Count everything that was answered, or needed no answer."""
        return self.latencies.count

    @property
    def negative(self) -> int:
        """Count the answers that were no acceptance."""
        return sum(count for code, count in self.codes.items() if code[1:] in _NEGATIVE)


class Tallies:
    """The counts of all feeds."""

    def __init__(self, slow_from_s: Mapping[str, float], now_us: Callable[[], int]) -> None:
        """Begin with nothing for each feed; an answer is slow from so long on."""
        self.feeds: Mapping[str, FeedTally] = {name: FeedTally(slow_s) for name, slow_s in slow_from_s.items()}
        self.since_us = now_us()
        self.heard: Callable[[str, int, int], object] | None = None
        """Told of a message after a second of silence and of the first of an hour: the feed, when the one before came
        (0: none), and when this one did."""
        self._now_us = now_us
        self._hearers: dict[type, Callable[[FeedTally, Any], object]] = {
            feed_events.Answered: self._answered,
            feed_events.Quarantined: _quarantined,
            feed_events.Resent: _resent,
            feed_events.Received: _received,
            feed_events.PeerRefused: _refused,
            feed_events.PeerGone: _gone,
            events.MessagesEnqueued: _enqueued,
            events.MessageParked: _parked,
            events.MessagesRepeated: _repeated,
            events.Backlog: _backlog,
        }

    def hear(self, event: object) -> None:
        """Take an event into account if it is about a feed."""
        hear = self._hearers.get(type(event))
        if hear is not None:
            tally = self.feeds.get(event.feed)  # type: ignore[attr-defined]  # all that are listed have a feed
            if tally is not None:
                hear(tally, event)

    def _answered(self, tally: FeedTally, event: feed_events.Answered) -> None:
        now_us, count = self._now_us(), len(event.took_s)
        tally.codes[event.code] = tally.codes.get(event.code, 0) + count
        for took_s in event.took_s:
            tally.latencies.add(took_s)
            if took_s > tally.slow_from_s:
                tally.slow_minutes.add(now_us)
        tally.minutes.add(now_us, count)
        if event.code[1:] in _NEGATIVE:
            tally.refused_minutes.add(now_us, count)
        last_us = tally.last_us
        if self.heard is not None and (now_us - last_us >= SECOND_US or now_us // HOUR_US != last_us // HOUR_US):
            self.heard(event.feed, last_us, now_us)
        tally.last_us = now_us


def _quarantined(tally: FeedTally, event: feed_events.Quarantined) -> None:
    _count(tally.quarantined, event.reason.value)


def _resent(tally: FeedTally, event: feed_events.Resent) -> None:
    del event
    tally.resent += 1


def _received(tally: FeedTally, event: feed_events.Received) -> None:
    for counts, more in ((tally.kinds, event.kinds), (tally.routes, event.routes)):
        for word, count in more.items():
            counts[word] = counts.get(word, 0) + count
    tally.filtered += event.filtered
    tally.unrouted += event.unrouted


def _refused(tally: FeedTally, event: feed_events.PeerRefused) -> None:
    _count(tally.refused, event.reason.value)


def _gone(tally: FeedTally, event: feed_events.PeerGone) -> None:
    _count(tally.gone, event.reason.value)


def _enqueued(tally: FeedTally, event: events.MessagesEnqueued) -> None:
    tally.enqueued += event.count


def _parked(tally: FeedTally, event: events.MessageParked) -> None:
    del event
    tally.parked += 1


def _repeated(tally: FeedTally, event: events.MessagesRepeated) -> None:
    tally.repeated += event.pushed


def _backlog(tally: FeedTally, event: events.Backlog) -> None:
    tally.waiting, tally.oldest_s = event.waiting, event.oldest_s


def _count(counts: dict[str, int], word: str) -> None:
    counts[word] = counts.get(word, 0) + 1
