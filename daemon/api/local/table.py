"""The one table of what can be asked over the socket: method, path, and who answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeAlias

from daemon.api.local.asking import Asked
from daemon.desks import DeskRefused, FeedDesk, MessageDesk, Pause, PausePolicy, Replay

Handler: TypeAlias = Callable[[Asked], Awaitable[Any]]


class Resource(NamedTuple):
    """What is answered under a path."""

    method: str
    path: str
    handle: Handler


def table(feeds: FeedDesk, messages: MessageDesk, now_us: Callable[[], int]) -> tuple[Resource, ...]:
    """List everything that can be asked."""

    async def rows(asked: Asked) -> Any:
        del asked
        return {"feeds": feeds.rows()}

    async def detail(asked: Asked) -> Any:
        return feeds.detail(asked.parts["name"])

    async def pause(asked: Asked) -> Any:
        policy = asked.word("policy") or PausePolicy.WITHHOLD.value
        if policy not in [one.value for one in PausePolicy]:
            message = f'"policy": one of {", ".join(one.value for one in PausePolicy)} is needed'
            raise DeskRefused(message)
        wanted = Pause(PausePolicy(policy), asked.who, now_us(), asked.number("until_us"), asked.text("note"))
        await feeds.pause(asked.parts["name"], wanted)
        return feeds.detail(asked.parts["name"]).row

    async def resume(asked: Asked) -> Any:
        await feeds.resume(asked.parts["name"], asked.who)
        return feeds.detail(asked.parts["name"]).row

    async def disconnect(asked: Asked) -> Any:
        number = asked.number("number")
        if number is None:
            message = '"number": the number of a connection is needed'
            raise DeskRefused(message)
        feeds.disconnect(asked.parts["name"], number, asked.who)
        return {"closed": number}

    async def replay(asked: Asked) -> Any:
        wanted = Replay(asked.sequences(), asked.word("to_feed"), asked.flag("deidentify"), asked.text("reason"))
        return await messages.replay(wanted, asked.who)

    async def release(asked: Asked) -> Any:
        return await messages.release(asked.sequences(), asked.who)

    return (
        Resource("GET", "/feeds", rows),
        Resource("GET", "/feeds/{name}", detail),
        Resource("POST", "/feeds/{name}/pause", pause),
        Resource("POST", "/feeds/{name}/resume", resume),
        Resource("POST", "/feeds/{name}/disconnect", disconnect),
        Resource("POST", "/messages/replay", replay),
        Resource("POST", "/messages/release", release),
    )
