"""What can be asked of stored messages."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from daemon.api.http.asked import Asked, Body, named
from daemon.api.http.caller import Role
from daemon.api.http.resource import Resource
from daemon.desks import MessageDesk, Replay, Replayed

SEQUENCES_LIMIT = 1000
TEXT_LIMIT = 1000
Sequences = Annotated[list[int], Field(min_length=1, max_length=SEQUENCES_LIMIT)]


class ReplayBody(Body):
    """Which messages are handed on once more, and how."""

    sequences: Sequences
    to_feed: Annotated[str, Field(max_length=64)] | None = None
    deidentify: bool = False
    reason: Annotated[str, Field(max_length=TEXT_LIMIT)] = ""


class ReleaseBody(Body):
    """Which parked messages are handed on."""

    sequences: Sequences


def message_resources(messages: MessageDesk) -> tuple[Resource, ...]:
    """List what can be asked of messages."""

    async def replay(asked: Asked) -> Any:
        wanted = asked.says(ReplayBody)
        order = Replay(wanted.sequences, wanted.to_feed or None, wanted.deidentify, named(wanted.reason))
        return await messages.replay(order, asked.caller.who)

    async def release(asked: Asked) -> Any:
        return await messages.release(asked.says(ReleaseBody).sequences, asked.caller.who)

    steer: dict[str, Any] = {"tag": "messages", "role": Role.OPERATOR, "answers": Replayed, "is_creation": True}
    return (
        Resource(
            "POST",
            "/api/messages/replay",
            replay,
            "Hand messages on once more",
            body=ReplayBody,
            problems=(404, 409),
            **steer,
        ),
        Resource(
            "POST",
            "/api/messages/release",
            release,
            "Hand parked messages on",
            body=ReleaseBody,
            problems=(409,),
            **steer,
        ),
    )
