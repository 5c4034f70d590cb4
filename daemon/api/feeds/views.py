"""Feeds as the API shows them: instants instead of numbers, and what who asks may do. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from daemon.api.http.caller import Role
from daemon.clock import instant
from daemon.desks import ConnectionRow, DeviationRow, FeedDetail, FeedRow, LatencyRow, Pause, RouteRow, TrafficSpan


@dataclass(frozen=True, slots=True)
class PauseView:
    """Why a feed takes nothing, since when, and until when (``None``: until someone resumes it)."""

    policy: str
    who: str
    since_at: datetime
    until_at: datetime | None
    note: str


@dataclass(frozen=True, slots=True)
class FeedView:
    """A feed in one line; see ``daemon.desks.FeedRow``."""

    name: str
    state: str
    why: str | None
    listen: Sequence[str]
    is_tls: bool
    connections: int
    last_at: datetime | None
    usual_silence_s: float | None
    last_minute: int
    last_hour: int
    day: Sequence[int]
    p50_s: float | None
    p99_s: float | None
    codes: Mapping[str, int]
    resent: int
    waiting: int
    oldest_s: float
    deviations: int
    certificate_expires_at: datetime | None
    pause: PauseView | None
    allowed_actions: Sequence[str]


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Feeds, in the order of the site file."""

    items: Sequence[FeedView]
    next: str | None
    total: int


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """A connection of a feed; ``number`` names it until the daemon ends."""

    number: int
    peer: str
    since_at: datetime
    last_at: datetime | None
    messages: int
    size_bytes: int
    state: str
    subject: str
    label: str
    deviations: Sequence[str]
    allowed_actions: Sequence[str]


@dataclass(frozen=True, slots=True)
class DeviationView:
    """How senders stray from the standard, and what to tell their engineer. ``window`` is without any text."""

    kind: str
    count: int
    first_at: datetime
    last_at: datetime
    peers: Sequence[str]
    advice: str
    window: str


@dataclass(frozen=True, slots=True)
class FeedDetailView:
    """All that is known of a feed; see ``daemon.desks.FeedDetail``."""

    feed: FeedView
    connections: Sequence[ConnectionView]
    deviations: Sequence[DeviationView]
    minutes: Sequence[int]
    latencies: Sequence[LatencyRow]
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


@dataclass(frozen=True, slots=True)
class TrafficView:
    """Messages over time: counts of steps of equal length, the present one last."""

    feed: str
    step_s: int
    from_at: datetime
    messages: Sequence[int]
    refused: Sequence[int]


def feed_view(row: FeedRow, role: Role) -> FeedView:
    """Show a feed to somebody of a role."""
    return FeedView(
        name=row.name,
        state=row.state.value,
        why=row.why,
        listen=row.listen,
        is_tls=row.is_tls,
        connections=row.connections,
        last_at=_instant(row.last_us),
        usual_silence_s=row.usual_silence_s,
        last_minute=row.last_minute,
        last_hour=row.last_hour,
        day=row.day,
        p50_s=row.p50_s,
        p99_s=row.p99_s,
        codes=row.codes,
        resent=row.resent,
        waiting=row.waiting,
        oldest_s=row.oldest_s,
        deviations=row.deviations,
        certificate_expires_at=_instant(row.certificate_expires_us),
        pause=_pause_view(row.pause),
        allowed_actions=_feed_actions(row, role),
    )


def detail_view(found: FeedDetail, role: Role) -> FeedDetailView:
    """Show all that is known of a feed to somebody of a role."""
    return FeedDetailView(
        feed=feed_view(found.row, role),
        connections=[_connection_view(one, role) for one in found.connections],
        deviations=[_deviation_view(one) for one in found.deviations],
        minutes=found.minutes,
        latencies=found.latencies,
        quarantined=found.quarantined,
        refused=found.refused,
        gone=found.gone,
        enqueued=found.enqueued,
        parked=found.parked,
        repeated=found.repeated,
        kinds=found.kinds,
        routes=found.routes,
        filtered=found.filtered,
        unrouted=found.unrouted,
    )


def traffic_view(feed: str, span: TrafficSpan) -> TrafficView:
    """Show traffic."""
    return TrafficView(feed, span.step_s, instant(span.from_us), span.messages, span.refused)


def _feed_actions(row: FeedRow, role: Role) -> list[str]:
    if role < Role.OPERATOR:
        return []
    steer = ["resume"] if row.pause is not None else ["pause", "drain"]
    return [*steer, "disconnect"] if row.connections else steer


def _pause_view(pause: Pause | None) -> PauseView | None:
    if pause is None:
        return None
    return PauseView(pause.policy.value, pause.who, instant(pause.since_us), _instant(pause.until_us), pause.note)


def _connection_view(one: ConnectionRow, role: Role) -> ConnectionView:
    return ConnectionView(
        one.number,
        one.peer,
        instant(one.since_us),
        _instant(one.last_us),
        one.messages,
        one.size_bytes,
        one.state,
        one.subject,
        one.label,
        one.deviations,
        ["disconnect"] if role >= Role.OPERATOR else [],
    )


def _deviation_view(one: DeviationRow) -> DeviationView:
    return DeviationView(
        one.kind, one.count, instant(one.first_us), instant(one.last_us), one.peers, one.advice, one.window
    )


def _instant(at_us: int | None) -> datetime | None:
    return instant(at_us) if at_us else None
