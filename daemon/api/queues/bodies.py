"""What can be asked of queues, and said to them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from daemon.api.http.asked import Body, Query
from daemon.api.http.page import Paged

NAME_LIMIT = 255
REASON_LIMIT = 1000
PEEK_LIMIT = 200
WORKERS_LIMIT = 200
Name = Annotated[str, Field(min_length=1, max_length=NAME_LIMIT)]
Token = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
Reason = Annotated[str, Field(min_length=1, max_length=REASON_LIMIT)]
AnyReason = Annotated[str, Field(max_length=REASON_LIMIT)]
Typed = Annotated[str, Field(max_length=NAME_LIMIT, description="The queue's name once more.")]


class QueuesQuery(Paged):
    """Which queues."""

    state: Literal["ok", "no consumer", "growing", "stuck", "held", "blocked"] | None = None
    text: str = ""


class PeekQuery(Query):
    """How many messages."""

    limit: Annotated[int, Field(ge=1, le=PEEK_LIMIT)] = 20


class RevealBody(Body):
    """Which message is opened, and why."""

    task_id: Name
    reason: Reason


class PurgeBody(Body):
    """Why a queue is emptied."""

    confirm: Typed = ""
    reason: Reason
    dry_run: bool = False


class RestoreBody(Body):
    """Which purge is undone."""

    token: Token
    reason: AnyReason = ""


class DestroyQuery(Query):
    """Which purge is thrown away for good."""

    token: Token
    confirm: Typed = ""
    reason: Reason


class MoveBody(Body):
    """Where messages go; no ``count`` means all."""

    to: Name
    count: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    confirm: Typed = ""
    reason: Reason
    dry_run: bool = False


class HoldBody(Body):
    """Why consumers stop."""

    reason: Reason
    dry_run: bool = False


class ResumeBody(Body):
    """Which workers go on; those that were held unless named."""

    workers: Annotated[tuple[Name, ...], Field(max_length=WORKERS_LIMIT)] | None = None
    reason: AnyReason = ""
    dry_run: bool = False
