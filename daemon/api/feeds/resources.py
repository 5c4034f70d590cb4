"""What can be asked of feeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from daemon.api.http.asked import Asked, Body, named
from daemon.api.http.caller import Role
from daemon.api.http.resource import Resource
from daemon.desks import FeedDesk, FeedDetail, FeedRow, Pause, PausePolicy

NOTE_LIMIT = 1000


class PauseBody(Body):
    """How a feed is paused."""

    policy: PausePolicy = PausePolicy.WITHHOLD
    until_us: int | None = None
    note: Annotated[str, Field(max_length=NOTE_LIMIT)] = ""


class DisconnectBody(Body):
    """Which connection is closed."""

    number: int


@dataclass(frozen=True, slots=True)
class FeedRows:
    """All feeds, a line each."""

    feeds: Sequence[FeedRow]


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection that was closed."""

    closed: int


def feed_resources(feeds: FeedDesk, now_us: Callable[[], int]) -> tuple[Resource, ...]:
    """List what can be asked of feeds."""

    async def rows(asked: Asked) -> Any:
        del asked
        return FeedRows(feeds.rows())

    async def detail(asked: Asked) -> Any:
        return feeds.detail(asked.parts["name"])

    async def pause(asked: Asked) -> Any:
        wanted = asked.says(PauseBody)
        note = named(wanted.note)
        await feeds.pause(asked.parts["name"], Pause(wanted.policy, asked.caller.who, now_us(), wanted.until_us, note))
        return feeds.detail(asked.parts["name"]).row

    async def resume(asked: Asked) -> Any:
        await feeds.resume(asked.parts["name"], asked.caller.who)
        return feeds.detail(asked.parts["name"]).row

    async def disconnect(asked: Asked) -> Any:
        number = asked.says(DisconnectBody).number
        feeds.disconnect(asked.parts["name"], number, asked.caller.who)
        return Disconnected(number)

    steer: dict[str, Any] = {"tag": "feeds", "role": Role.OPERATOR}
    return (
        Resource("GET", "/api/feeds", rows, "List the feeds", "feeds", answers=FeedRows),
        Resource("GET", "/api/feeds/{name}", detail, "Show a feed", "feeds", answers=FeedDetail, problems=(404,)),
        Resource(
            "POST",
            "/api/feeds/{name}/pause",
            pause,
            "Take nothing of a feed's senders",
            body=PauseBody,
            answers=FeedRow,
            problems=(404, 409),
            **steer,
        ),
        Resource(
            "POST", "/api/feeds/{name}/resume", resume, "Take messages again", answers=FeedRow, problems=(404,), **steer
        ),
        Resource(
            "POST",
            "/api/feeds/{name}/disconnect",
            disconnect,
            "Close a connection",
            body=DisconnectBody,
            answers=Disconnected,
            problems=(404,),
            **steer,
        ),
    )
