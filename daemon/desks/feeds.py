"""What the API and the commands need of the feeds: a protocol, and the values that pass through it.

Instants are microseconds since the epoch. Everything here may be shown: nothing of a message is in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from daemon.desks.by import By
from daemon.public import Public


class FeedState(Enum):
    """What a feed does, in one word."""

    LISTENING = "listening"
    """It is open; nobody has sent anything since the start."""
    RECEIVING = "receiving"
    QUIET = "quiet"
    """Nothing has come for longer than is usual, or allowed."""
    REFUSING = "refusing"
    """Many of the last messages were refused."""
    WITHHOLDING = "withholding"
    """Nothing can be stored, so nothing is read."""
    PAUSED = "paused"
    DOWN = "down"


class PausePolicy(Enum):
    """What senders see of a paused feed."""

    WITHHOLD = "withhold"
    """Connections stay, and are not read: senders wait."""
    CLOSE = "close"
    """Nothing listens: senders are refused by the system, and a balancer moves on."""
    REJECT = "reject"
    """Every message is answered with a rejection; many senders then skip it."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a feed takes nothing, since when, and until when (``None``: until someone resumes it)."""

    policy: PausePolicy
    who: Public
    since_us: int
    until_us: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class FeedRow:
    """A feed in one line.

    Attributes:
        last_us: when the last message was answered; ``None``: none since the daemon started.
        p50_s, p99_s: from a message's last byte until its answer was sent; ``None`` without messages.
        codes: answers by code since the daemon started; the empty one stands for messages that got none.
        waiting, oldest_s: what waits in the spool, and the age of the oldest of it.
        certificate_expires_us: of the feed's own certificate; ``None`` without TLS.
        usual_silence_s: how long nothing may come now before it counts as quiet; ``None``: no limit, or not learned yet.
        day: messages in each quarter of an hour of the last day, the present one last.
        deviations: how often its senders strayed from the standard.
    """

    name: Public
    state: FeedState
    listen: tuple[Public, ...]
    is_tls: bool
    connections: int
    last_us: int | None
    last_minute: int
    last_hour: int
    p50_s: float | None
    p99_s: float | None
    codes: Mapping[str, int]
    resent: int
    waiting: int
    oldest_s: float
    pause: Pause | None = None
    certificate_expires_us: int | None = None
    why: Public | None = None
    usual_silence_s: float | None = None
    day: Sequence[int] = ()
    deviations: int = 0


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A connection of a feed; ``number`` names it until the daemon ends.

    Attributes:
        state: ``reading``, ``withheld`` or ``finishing``.
        subject, label: of the sender's certificate, and what the site file calls it; empty without one.
        deviations: how it strays from the standard.
    """

    number: int
    peer: Public
    since_us: int
    last_us: int
    messages: int
    size_bytes: int
    state: Public
    subject: Public
    label: Public
    deviations: Sequence[Public]


@dataclass(frozen=True, slots=True)
class DeviationRow:
    """How senders of a feed stray from the standard, and what to tell their engineer.

    Attributes:
        peers: the first few addresses it came from.
        window: how the latest stream that was given up began, all text left out.
    """

    kind: Public
    count: int
    first_us: int
    last_us: int
    peers: Sequence[Public]
    advice: Public
    window: Public


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A route of a feed: how many messages it took, and the task or the entry they become (``None``: nothing is done)."""

    name: Public
    count: int
    becomes: Public | None


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """How many answers took at most so long, and longer than the class before."""

    up_to_s: float
    count: int


@dataclass(frozen=True, slots=True)
class TrafficSpan:
    """Messages over time: counts of steps of equal length, the present one last.

    Attributes:
        from_us: when the first step began.
        refused: those that were answered with an error or a rejection.
    """

    step_s: int
    from_us: int
    messages: Sequence[int]
    refused: Sequence[int]


@dataclass(frozen=True, slots=True)
class FeedDetail:
    """All that is known of a feed.

    Attributes:
        minutes: messages in each minute of the last hour, the present one last.
        kinds: messages by type; those no route names together.
        routes: messages by the route that wants them, in the order in which they are tried.
        filtered, unrouted: messages a route says nothing is to be done with, and those no route wants.
        quarantined, refused, gone: blocks refused, connections refused and connections ended, by reason.
    """

    row: FeedRow
    connections: Sequence[ConnectionRow]
    deviations: Sequence[DeviationRow]
    minutes: Sequence[int]
    quarantined: Mapping[str, int]
    refused: Mapping[str, int]
    gone: Mapping[str, int]
    enqueued: int
    parked: int
    repeated: int
    kinds: Mapping[str, int]
    routes: Sequence[RouteRow]
    filtered: int
    unrouted: int
    latencies: Sequence[LatencyRow] = ()


class FeedDesk(Protocol):
    """Feeds at run time."""

    def rows(self) -> list[FeedRow]:
        """Describe every feed in a line."""
        ...

    def detail(self, name: str) -> FeedDetail:
        """Describe one feed.

        Raises:
            NotThere: there is none of that name.
        """
        ...

    def traffic(self, name: str, *, by_quarters: bool) -> TrafficSpan:
        """Give the messages of the last day by the minute, or of two weeks by the quarter of an hour.

        Raises:
            NotThere: there is no such feed.
        """
        ...

    async def pause(self, name: str, pause: Pause, by: By) -> None:
        """Take nothing more of a feed's senders until it is resumed, or the pause ends.

        Raises:
            NotThere: there is no such feed.
            NotNow: it could not be written down.
            AuditFailed: the same; nothing was changed.
        """
        ...

    async def resume(self, name: str, by: By) -> None:
        """Take messages again; a disk that failed too often is tried again first.

        Raises:
            NotThere: there is no such feed.
            AuditFailed: it could not be written down; nothing was changed.
        """
        ...

    async def disconnect(self, name: str, number: int, by: By, note: Public) -> None:
        """Close one connection; what was stored is still answered.

        Raises:
            NotThere: there is no such feed or connection.
            AuditFailed: it could not be written down; nothing was changed.
        """
        ...
