"""What a feed's senders do otherwise than the standard says: counted, kept for whoever asks, and learned from.

Everything here is bounded, however many senders come and whatever they send.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from enum import Enum

from daemon.hl7listener.wire.deviation import ADVICE
from daemon.public import Public

PEERS_SHOWN = 16
PEERS_KNOWN = 1024
TELL_AGAIN_S = 60.0
_NOTHING = Public("")


@dataclass(frozen=True, slots=True)
class DeviationSeen:
    """One kind of deviation or breach, as a feed has met it since the daemon started.

    Attributes:
        peers: the addresses it came from, the first few.
        advice: what to tell the sender's engineer.
        window: the first bytes of the latest stream that was given up, with all text left out.
    """

    kind: Enum
    count: int
    first_at_us: int
    last_at_us: int
    peers: tuple[Public, ...]
    advice: Public
    window: Public = _NOTHING


@dataclass(frozen=True, slots=True)
class FeedReport:
    """How the senders of a feed stray, the most frequent first."""

    feed: Public
    deviations: tuple[DeviationSeen, ...]


class Deviations:
    """Counts the deviations of a feed."""

    def __init__(self) -> None:
        """Begin with none."""
        self._seen: dict[Enum, DeviationSeen] = {}

    def note(self, kind: Enum, count: int, peer: Public, at_us: int, window: Public = _NOTHING) -> bool:
        """Count a deviation; say whether this sender's engineer has not been told of it yet."""
        seen = self._seen.get(kind)
        if seen is None:
            advice = ADVICE.get(kind, _NOTHING)
            self._seen[kind] = DeviationSeen(kind, count, at_us, at_us, (peer,), advice, window)
            return True
        is_new = peer not in seen.peers and len(seen.peers) < PEERS_SHOWN
        self._seen[kind] = replace(
            seen,
            count=seen.count + count,
            last_at_us=at_us,
            peers=(*seen.peers, peer) if is_new else seen.peers,
            window=window or seen.window,
        )
        return is_new

    def of(self, peer: Public) -> tuple[Public, ...]:
        """Name the deviations of one sender."""
        return tuple(Public(seen.kind.value) for seen in self._seen.values() if peer in seen.peers)

    def report(self, feed: Public) -> FeedReport:
        """Give what was met."""
        return FeedReport(feed, tuple(sorted(self._seen.values(), key=lambda seen: -seen.count)))


class Habits:
    """Which senders leave out the CR after FS, so that it need not be waited for again."""

    def __init__(self) -> None:
        """Know nobody."""
        self._known: OrderedDict[str, bool] = OrderedDict()

    def leaves_out_cr(self, peer: str) -> bool:
        """Say whether a sender is known to send none."""
        return self._known.get(peer, False)

    def note(self, peer: str, *, leaves_out_cr: bool) -> None:
        """Learn of a sender; one whose CR came late after all is waited for from then on."""
        self._known[peer] = leaves_out_cr and self._known.get(peer, True)
        self._known.move_to_end(peer)
        if len(self._known) > PEERS_KNOWN:
            self._known.popitem(last=False)


class Recently:
    """Keeps one line of the log from being written over and over."""

    def __init__(self) -> None:
        """Begin with nothing told."""
        self._told: OrderedDict[tuple[Enum, str], float] = OrderedDict()

    def was_told(self, kind: Enum, peer: str, now_s: float) -> bool:
        """Say whether the same was told of the same sender a moment ago; if not, it is from now on."""
        key = (kind, peer)
        told_at_s = self._told.get(key)
        if told_at_s is not None and now_s - told_at_s < TELL_AGAIN_S:
            return True
        self._told[key] = now_s
        self._told.move_to_end(key)
        if len(self._told) > PEERS_KNOWN:
            self._told.popitem(last=False)
        return False
