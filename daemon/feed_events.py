"""What happens at feeds and to their senders, as values; like ``daemon/events.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from daemon.public import Public

_NOTHING = Public("")


@dataclass(frozen=True, slots=True)
class FeedListening:
    """A feed takes connections."""

    feed: Public
    address: Public
    inherited: bool


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """A sender connected."""

    feed: Public
    connections: int


@dataclass(frozen=True, slots=True)
class PeerGone:
    """A connection ended.

    Attributes:
        window: the first bytes of one that never was MLLP, without any text.
        is_repeated: whether the same was told of the same peer within the minute.
    """

    feed: Public
    connections: int
    reason: Enum
    answered: int
    peer: Public = _NOTHING
    window: Public = _NOTHING
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class PeerRefused:
    """A connection was not accepted."""

    feed: Public
    reason: Enum
    peer: Public = _NOTHING
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class ConnectionCrashed:
    """A connection met a bug of ours and was closed."""

    feed: Public
    error: Public
    frames: Public


@dataclass(frozen=True, slots=True)
class Deviated:
    """A sender framed its messages otherwise than the standard says; they were understood all the same."""

    feed: Public
    kind: Enum
    count: int


@dataclass(frozen=True, slots=True)
class SenderStrays:
    """A sender strayed for the first time in this way since the daemon started."""

    feed: Public
    peer: Public
    kind: Enum
    advice: Public


@dataclass(frozen=True, slots=True)
class FeedReached:
    """A feed that connects out has its connection."""

    feed: Public
    address: Public


@dataclass(frozen=True, slots=True)
class FeedUnreached:
    """A feed that connects out has no connection; it is tried again after ``retry_s``, and later less often."""

    feed: Public
    address: Public
    reason: Public
    retry_s: float


@dataclass(frozen=True, slots=True)
class Answered:
    """Messages got their answers, all of one code.

    Attributes:
        code: empty when no answer was due.
        took_s: how long each waited for it.
    """

    feed: Public
    code: Public
    took_s: Sequence[float]


@dataclass(frozen=True, slots=True)
class Received:
    """Blocks were stored since this was told last.

    Attributes:
        kinds: messages by MSH-9.1, resends too; those no route of the feed names together.
        routes: messages by the route that wants them; one may have several.
        filtered, unrouted: messages a route says nothing is to be done with, and those no route wants.
    """

    feed: Public
    kinds: Mapping[Public, int]
    size_bytes: int
    routes: Mapping[Public, int]
    filtered: int
    unrouted: int


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A block was refused and kept."""

    feed: Public
    reason: Enum


@dataclass(frozen=True, slots=True)
class Resent:
    """A message arrived again and got its first answer again."""

    feed: Public


@dataclass(frozen=True, slots=True)
class FeedWithholding:
    """Feeds stop reading because nothing more can be stored."""

    reason: Public


@dataclass(frozen=True, slots=True)
class FeedResumed:
    """Feeds read again."""
