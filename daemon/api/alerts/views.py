"""Alerts as the API shows them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from daemon.api.http.caller import Role
from daemon.clock import instant
from daemon.desks import AlertKind, AlertRow, AlertState, ChannelRow, Severity


@dataclass(frozen=True, slots=True)
class MarkView:
    """Who has seen it."""

    who: str
    at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class SilenceView:
    """Who wants nobody told of it, until when, and why."""

    who: str
    at: datetime
    until_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class AlertView:
    """Something that is, or was, wrong; see ``daemon.desks.AlertRow``."""

    id: str
    code: str
    severity: Severity
    state: AlertState
    kind: AlertKind
    what: str
    where: str
    detail: str
    step: str
    link: str
    runbook: str | None
    since_at: datetime
    last_at: datetime
    count: int
    notified: Sequence[str]
    acknowledged: MarkView | None
    silence: SilenceView | None
    closed_at: datetime | None
    allowed_actions: Sequence[str]


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Alerts: the open ones, the gravest first, then the closed ones, the latest first."""

    items: Sequence[AlertView]
    next: str | None
    total: int


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A way to people, when it last worked, when it last did not, and why."""

    name: str
    where: str
    last_ok_at: datetime | None
    last_failed_at: datetime | None
    reason: str | None
    allowed_actions: Sequence[str]


def alert_view(row: AlertRow, role: Role) -> AlertView:
    """Show an alert."""
    mark, silence = row.acknowledged, row.silence
    return AlertView(
        id=row.id,
        code=row.code,
        severity=row.severity,
        state=row.state,
        kind=row.kind,
        what=row.what,
        where=row.where,
        detail=row.detail,
        step=row.step,
        link=row.link,
        runbook=row.runbook,
        since_at=instant(row.since_us),
        last_at=instant(row.last_us),
        count=row.count,
        notified=row.notified,
        acknowledged=None if mark is None else MarkView(mark.who, instant(mark.at_us), mark.note),
        silence=None
        if silence is None
        else SilenceView(silence.who, instant(silence.at_us), instant(silence.until_us), silence.reason),
        closed_at=None if row.closed_us is None else instant(row.closed_us),
        allowed_actions=_actions(row, role),
    )


def channel_view(row: ChannelRow, role: Role) -> ChannelView:
    """Show a way to people."""
    return ChannelView(
        row.name,
        row.where,
        None if row.ok_us is None else instant(row.ok_us),
        None if row.failed_us is None else instant(row.failed_us),
        row.reason,
        ["test"] if role >= Role.OPERATOR else [],
    )


def _actions(row: AlertRow, role: Role) -> list[str]:
    if role < Role.OPERATOR or row.closed_us is not None:
        return []
    steer = ["unsilence"] if row.silence is not None else ["silence"]
    return ["acknowledge", *steer] if row.acknowledged is None else steer
