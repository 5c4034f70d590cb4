"""What can be asked of the way to the broker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daemon.api.http.asked import Asked
from daemon.api.http.page import Paged, cursor, keys_of
from daemon.api.http.resource import Resource
from daemon.desks import BadRequest
from daemon.desks.dispatch import BrokerNow, HandoverDesk, Incident, MessagesHanded
from daemon.desks.schedule import Choice, HeldAll, RunRow, SortBy, Wanted
from daemon.desks.scheduling import ScheduleView

WAITING = 100


class DispatchQuery(Paged):
    """Which page."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry of which an occurrence is due and waits for a place, a rate or the end of a hold."""

    id: str
    name: str
    since_at: datetime | None


@dataclass(frozen=True, slots=True)
class DispatchPage:
    """What was handed over, the latest first.

    Attributes:
        items: occurrences, those that were passed over included.
        messages: of feeds, lately.
        incidents: what happened to the broker since the daemon started.
        waiting: entries of which an occurrence waits.
        held: whether all schedules are held.
    """

    items: Sequence[RunRow]
    next: str | None
    broker: BrokerNow
    messages: Sequence[MessagesHanded]
    incidents: Sequence[Incident]
    waiting: Sequence[Waiting]
    held: HeldAll | None


def dispatch_resources(desk: HandoverDesk, view: ScheduleView) -> tuple[Resource, ...]:
    """List what can be asked of the way to the broker."""

    async def handed(asked: Asked) -> Any:
        query = asked.asks(DispatchQuery)
        keys = keys_of(query.after, 1)
        before = None if keys is None else keys[0]
        if before is not None and (not isinstance(before, int) or abs(before) > 2**62):
            message = '"after" is no word that a page gave'
            raise BadRequest(message, field="after")
        found = await view.handed_over(query.limit + 1, before)
        page = found[: query.limit]
        wanted = Wanted(Choice(states=frozenset(("waiting",))), SortBy.NAME, limit=WAITING)
        entries = await view.listing(wanted)
        return DispatchPage(
            [row for row, _ in page],
            cursor(page[-1][1]) if len(found) > query.limit else None,
            desk.broker(),
            desk.messages(),
            desk.incidents(),
            [Waiting(one.id, one.name, one.waits_since_at) for one in entries.items],
            entries.held,
        )

    return (
        Resource(
            "GET",
            "/api/dispatch",
            handed,
            "List what was handed over, and say how the broker is",
            "dispatch",
            query=DispatchQuery,
            answers=DispatchPage,
        ),
    )
