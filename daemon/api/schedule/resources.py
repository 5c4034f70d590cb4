"""What can be asked of the schedule, without changing it."""

from __future__ import annotations

from typing import Any

from daemon.api.http.answer import Answer
from daemon.api.http.asked import Asked
from daemon.api.http.caller import Capability, Role
from daemon.api.http.page import Page, cursor, keys_of
from daemon.api.http.resource import Resource
from daemon.api.schedule.models import (
    HistoryQuery,
    ListQuery,
    PreviewQuery,
    TimelineQuery,
    TrialBody,
    WhyQuery,
)
from daemon.api.schedule.views import EntryPage, Held, detail_for, entry_id, permitted, row_for
from daemon.clock import SECOND_US, Clock
from daemon.deeds import DeedKind
from daemon.desks import BadRequest, NotPermitted
from daemon.desks.schedule import (
    Arguments,
    EntryDetail,
    Fires,
    Reason,
    RunRow,
    SortBy,
    Timeline,
    Trial,
    Wanted,
)
from daemon.desks.scheduling import Change, ScheduleView
from daemon.ports import AuditTrail

HALF_DAY_US = 43_200 * SECOND_US
SPAN_LIMIT_US = 8 * 86_400 * SECOND_US


class Looking:
    """Answers questions about the schedule."""

    def __init__(self, view: ScheduleView, audit: AuditTrail, clock: Clock) -> None:
        """Keep the collaborators."""
        self._view = view
        self._audit = audit
        self._clock = clock

    async def listing(self, asked: Asked) -> Any:
        """List entries."""
        query = asked.asks(ListQuery)
        after = _key(query)
        found = await self._view.listing(Wanted(query.choice(), query.sort, query.descending, query.limit, after))
        return EntryPage(
            [row_for(row, asked.caller) for row in found.items],
            None if found.after is None else cursor(*found.after),
            found.total,
            found.counts,
            found.held,
            found.can_change,
            found.as_of_at,
            found.is_complete,
            permitted(("add", "hold", "release", "bulk") if found.can_change else (), asked.caller),
        )

    async def detail(self, asked: Asked) -> Any:
        """Show an entry."""
        found, tag = await self._view.detail(entry_id(asked.parts["id"]))
        return Answer(detail_for(found, asked.caller), etag=tag)

    async def arguments(self, asked: Asked) -> Any:
        """Show what its tasks are given; recorded first."""
        row = await self._view.row(entry_id(asked.parts["id"]))
        if not asked.caller.may_see(""):  # an entry is of no feed
            message = "your token shows the contents of some feeds alone"
            raise NotPermitted(message)
        await self._audit.record(asked.deed(DeedKind.TASK_REVEALED, f"entry {row.id}"))
        return Answer(await self._view.arguments(row.id), headers={"Cache-Control": "no-store"})

    async def preview(self, asked: Asked) -> Any:
        """List coming occurrences."""
        query = asked.asks(PreviewQuery)
        return await self._view.fires(entry_id(asked.parts["id"]), query.count, query.until)

    async def trial(self, asked: Asked) -> Any:
        """Say what a change would make of an entry."""
        body = asked.says(TrialBody)
        return await self._view.trial(body.id, Change(body.set, body.clear))

    async def history(self, asked: Asked) -> Any:
        """List what became of occurrences."""
        query = asked.asks(HistoryQuery)
        keys = keys_of(query.after, 2)
        before = None if keys is None else _place(keys)
        entry = entry_id(asked.parts["id"])
        found = await self._view.history(entry, query.limit + 1, before, query.state, with_asked=query.asked)
        page = found[: query.limit]
        following = None
        if len(found) > query.limit:
            at_us, _, key = page[-1][1].partition(":")
            following = cursor(int(at_us), key)
        return Page([row for row, _ in page], following)

    async def why(self, asked: Asked) -> Any:
        """Say why an occurrence ran, or did not."""
        return await self._view.why(entry_id(asked.parts["id"]), asked.asks(WhyQuery).at)

    async def timeline(self, asked: Asked) -> Any:
        """Draw entries on one axis."""
        query, now_us = asked.asks(TimelineQuery), self._clock.now_us()
        from_us = now_us - HALF_DAY_US if query.from_us is None else query.from_us
        to_us = from_us + 2 * HALF_DAY_US if query.to_us is None else query.to_us
        if not 0 < to_us - from_us <= SPAN_LIMIT_US:
            message = "a stretch of time of up to eight days is needed"
            raise BadRequest(message, field="to")
        return await self._view.timeline(from_us, to_us, query.limit)

    async def held(self, asked: Asked) -> Any:
        """Say whether all schedules are held."""
        del asked
        return Held(await self._view.held())


def schedule_resources(view: ScheduleView, audit: AuditTrail, clock: Clock) -> tuple[Resource, ...]:
    """List what can be asked of the schedule."""
    looking = Looking(view, audit, clock)
    return (*_of_all(looking), *_of_one(looking))


def _of_all(looking: Looking) -> tuple[Resource, ...]:
    tag: dict[str, Any] = {"tag": "schedule", "problems": (404,)}
    return (
        Resource(
            "GET", "/api/schedule", looking.listing, "List entries", "schedule", query=ListQuery, answers=EntryPage
        ),
        Resource(
            "GET", "/api/schedule/hold", looking.held, "Say whether all schedules are held", "schedule", answers=Held
        ),
        Resource(
            "GET",
            "/api/schedule/timeline",
            looking.timeline,
            "Draw past and coming occurrences on one axis",
            "schedule",
            query=TimelineQuery,
            answers=Timeline,
        ),
        Resource(
            "POST",
            "/api/schedule/preview",
            looking.trial,
            "Say what a change would make of an entry",
            body=TrialBody,
            answers=Trial,
            is_reading=True,
            **tag,
        ),
    )


def _of_one(looking: Looking) -> tuple[Resource, ...]:
    one = "/api/schedule/{id}"
    tag: dict[str, Any] = {"tag": "schedule", "problems": (404,)}
    return (
        Resource("GET", one, looking.detail, "Show an entry", answers=EntryDetail, **tag),
        Resource(
            "GET",
            f"{one}/arguments",
            looking.arguments,
            "Show what its tasks are given; recorded",
            role=Role.VIEWER,
            needs=frozenset((Capability.PHI,)),
            answers=Arguments,
            **tag,
        ),
        Resource(
            "GET",
            f"{one}/preview",
            looking.preview,
            "List coming occurrences",
            query=PreviewQuery,
            answers=Fires,
            **tag,
        ),
        Resource(
            "GET",
            f"{one}/history",
            looking.history,
            "List what became of occurrences",
            query=HistoryQuery,
            answers=Page[RunRow],
            **tag,
        ),
        Resource(
            "GET",
            f"{one}/why",
            looking.why,
            "Say why an occurrence ran, or did not",
            query=WhyQuery,
            answers=Reason,
            **tag,
        ),
    )


def _key(query: ListQuery) -> tuple[str | int, str] | None:
    keys = keys_of(query.after, 2)
    if keys is None:
        return None
    first, last = keys
    if isinstance(first, str) != (query.sort is SortBy.NAME) or not isinstance(last, str):
        message = '"after" belongs to a list in another order'
        raise BadRequest(message, hint="leave it out for the first page", field="after")
    return first, last


def _place(keys: list[Any]) -> tuple[int, str]:
    at_us, key = keys
    if not isinstance(at_us, int) or not isinstance(key, str) or abs(at_us) > 2**62:
        message = '"after" is no word that a page gave'
        raise BadRequest(message, field="after")
    return at_us, key
