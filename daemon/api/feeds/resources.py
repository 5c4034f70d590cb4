"""What can be asked of feeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

from pydantic import Field

from daemon.api.feeds.views import FeedDetailView, FeedPage, FeedView, TrafficView, detail_view, feed_view, traffic_view
from daemon.api.http.asked import Asked, Body, Query, named
from daemon.api.http.caller import Role
from daemon.api.http.moment import MomentUs
from daemon.api.http.page import Paged, cursor, keys_of
from daemon.api.http.resource import Resource
from daemon.api.roles import acting
from daemon.desks import DeskRefused, FeedDesk, Pause, PausePolicy

NOTE_LIMIT = 1000
NUMBER_LIMIT = 2**53
Note = Annotated[str, Field(max_length=NOTE_LIMIT, description="Why; shown wherever the feed is, and on the record.")]


class PauseBody(Body):
    """How a feed is paused."""

    policy: PausePolicy = PausePolicy.WITHHOLD
    until_at: MomentUs | None = None
    note: Note = ""


class NoteBody(Body):
    """Why it is done."""

    note: Note = ""


class DisconnectBody(Body):
    """Which connection is closed."""

    number: Annotated[int, Field(ge=0, le=NUMBER_LIMIT)]
    note: Note = ""


class Step(Enum):
    """How long each step of traffic is."""

    MINUTE = "1m"
    QUARTER = "15m"


class TrafficQuery(Query):
    """Which traffic is wanted."""

    step: Annotated[Step, Field(description="1m: the last day; 15m: two weeks.")] = Step.MINUTE


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection that was closed."""

    closed: int


class FeedHandlers:
    """Answers what is asked of feeds."""

    def __init__(self, feeds: FeedDesk, now_us: Callable[[], int]) -> None:
        """Keep the desk."""
        self._feeds = feeds
        self._now_us = now_us

    async def rows(self, asked: Asked) -> Any:
        """List them in the order of the site file."""
        paged = asked.asks(Paged)
        [after] = keys_of(paged.after, 1) or [0]
        rows = self._feeds.rows()
        start = after if isinstance(after, int) and after >= 0 else 0
        end = start + paged.limit
        items = [feed_view(row, acting(asked.caller)) for row in rows[start:end]]
        return FeedPage(items, cursor(end) if end < len(rows) else None, len(rows))

    async def detail(self, asked: Asked) -> Any:
        """Show one."""
        return detail_view(self._feeds.detail(asked.parts["name"]), acting(asked.caller))

    async def traffic(self, asked: Asked) -> Any:
        """Show what came over time."""
        name, step = asked.parts["name"], asked.asks(TrafficQuery).step
        return traffic_view(name, self._feeds.traffic(name, by_quarters=step is Step.QUARTER))

    async def pause(self, asked: Asked) -> Any:
        """Pause one."""
        wanted = asked.says(PauseBody)
        until_us = wanted.until_at
        if until_us is not None and until_us <= self._now_us():
            message = "until_at is over"
            raise DeskRefused(message, field="until_at")
        return await self._paused(asked, wanted.policy, until_us, wanted.note)

    async def drain(self, asked: Asked) -> Any:
        """Take one out of service."""
        return await self._paused(asked, PausePolicy.CLOSE, None, asked.says(NoteBody).note or "drained")

    async def _paused(self, asked: Asked, policy: PausePolicy, until_us: int | None, note: str) -> FeedView:
        name = asked.parts["name"]
        pause = Pause(policy, asked.caller.who, self._now_us(), until_us, named(note))
        await self._feeds.pause(name, pause, asked.by)
        return self._row(asked)

    async def resume(self, asked: Asked) -> Any:
        """Take messages again."""
        await self._feeds.resume(asked.parts["name"], asked.by)
        return self._row(asked)

    async def disconnect(self, asked: Asked) -> Any:
        """Close a connection."""
        wanted = asked.says(DisconnectBody)
        await self._feeds.disconnect(asked.parts["name"], wanted.number, asked.by, named(wanted.note))
        return Disconnected(wanted.number)

    def _row(self, asked: Asked) -> FeedView:
        return feed_view(self._feeds.detail(asked.parts["name"]).row, acting(asked.caller))


def feed_resources(feeds: FeedDesk, now_us: Callable[[], int]) -> tuple[Resource, ...]:
    """List what can be asked of feeds."""
    at = FeedHandlers(feeds, now_us)
    steer: dict[str, Any] = {"tag": "feeds", "role": Role.OPERATOR, "answers": FeedView, "problems": (404, 409)}
    one = "/api/feeds/{name}"
    return (
        Resource("GET", "/api/feeds", at.rows, "List the feeds", "feeds", query=Paged, answers=FeedPage),
        Resource("GET", one, at.detail, "Show a feed", "feeds", answers=FeedDetailView, problems=(404,)),
        Resource(
            "GET",
            f"{one}/traffic",
            at.traffic,
            "Show the messages of a feed over time",
            "feeds",
            query=TrafficQuery,
            answers=TrafficView,
            problems=(404,),
        ),
        Resource("POST", f"{one}/pause", at.pause, "Take nothing of a feed's senders", body=PauseBody, **steer),
        Resource(
            "POST", f"{one}/drain", at.drain, "Answer what has arrived, and listen no more", body=NoteBody, **steer
        ),
        Resource("POST", f"{one}/resume", at.resume, "Take messages again", body=NoteBody, **steer),
        Resource(
            "POST",
            f"{one}/disconnect",
            at.disconnect,
            "Close a connection",
            body=DisconnectBody,
            **{**steer, "answers": Disconnected},
        ),
    )
