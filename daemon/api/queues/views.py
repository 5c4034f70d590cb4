"""Queues as they are shown: which of them, and what the caller may do. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from daemon.api.http.caller import Caller, Role
from daemon.api.http.page import cursor, keys_of
from daemon.api.queues.bodies import QueuesQuery
from daemon.api.roles import feeds_seen
from daemon.desks import ParkedPurge, QueueLine, QueueLines, WaitingMessage


@dataclass(frozen=True, slots=True)
class QueuePage:
    """A page of queues.

    Attributes:
        is_complete: whether all workers have said which queues they take from.
        unacked_total: messages workers hold, of all queues of the database.
    """

    items: Sequence[QueueLine]
    next: str | None
    total: int
    asked_at: datetime
    is_complete: bool
    unacked_total: int | None


@dataclass(frozen=True, slots=True)
class Peeked:
    """The next messages of a queue, in the order workers take them."""

    queue: str
    items: Sequence[WaitingMessage]


@dataclass(frozen=True, slots=True)
class ParkedPurges:
    """Purges of a queue that can be undone, the latest first."""

    queue: str
    items: Sequence[ParkedPurge]


def allowed_actions(row: QueueLine, caller: Caller) -> tuple[str, ...]:
    """Say what the caller may do to a queue as it stands."""
    is_operator, is_admin = caller.may(Role.OPERATOR), caller.may(Role.ADMIN)
    actions = {
        "peek": True,
        "reveal": feeds_seen(caller) is None and row.waiting > 0,
        "hold": is_operator and bool(row.consumers),
        "resume": is_operator and not row.consumers,
        "purge": is_admin and row.waiting > 0,
        "restore": is_operator and row.parked > 0,
        "destroy": is_admin and row.parked > 0,
        "move": is_admin and row.waiting > 0,
    }
    return tuple(action for action, is_allowed in actions.items() if is_allowed)


def shown(row: QueueLine, caller: Caller) -> QueueLine:
    """Say what the caller may do."""
    return replace(row, allowed_actions=allowed_actions(row, caller))


def queue_page(lines: QueueLines, query: QueuesQuery, caller: Caller) -> QueuePage:
    """Choose a page.

    Raises:
        BadRequest: a cursor that is none of ours.
    """
    after = keys_of(query.after, 1)
    text = query.text.casefold()
    rows = sorted(
        (
            row
            for row in lines.rows
            if (query.state is None or row.state.value == query.state) and text in row.name.casefold()
        ),
        key=lambda row: row.name,
    )
    rest = [row for row in rows if after is None or row.name > str(after[0])]
    items = [shown(row, caller) for row in rest[: query.limit]]
    following = cursor(items[-1].name) if len(rest) > len(items) else None
    return QueuePage(items, following, len(rows), lines.asked_at, lines.is_complete, lines.unacked_total)
