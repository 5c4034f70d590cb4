"""What is answered of tasks, and what may be asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from daemon.api.http.asked import Body, Query
from daemon.api.http.page import Paged
from daemon.api.tasks.sight import Shape
from daemon.desks.tasks import Origin

WAIT_LIMIT_S = 60.0
TEXT_LIMIT, NAME_LIMIT = 1000, 255
Name = Annotated[str, Field(min_length=1, max_length=NAME_LIMIT)]
Seconds = Annotated[float, Field(ge=0, le=366 * 86_400, allow_inf_nan=False)]


class Compat(Query):
    """Asks for the shape of an answer. Not among the parameters of the document, whose schemas are those of our own answers."""

    compat: SkipJsonSchema[Literal["", "docwiz"]] = ""


class TaskListQuery(Paged):
    """Which tasks are listed."""

    state: Annotated[str, Field(max_length=NAME_LIMIT)] | None = None
    name: Annotated[str, Field(max_length=NAME_LIMIT, description="A name, or a glob.")] | None = None
    queue: Annotated[str, Field(max_length=NAME_LIMIT)] | None = None
    worker: Annotated[str, Field(max_length=NAME_LIMIT)] | None = None
    since: Annotated[datetime, Field(description="Told of since then.")] | None = None
    id: Annotated[str, Field(max_length=NAME_LIMIT, description="How the id begins.")] = ""
    origin: Annotated[
        str, Field(max_length=NAME_LIMIT, description="`api`, `entry`, `feed`, `other`, or `entry:NAME`, `feed:NAME`.")
    ] = ""


class SendQuery(Query):
    """How a task is sent."""

    wait: Annotated[float, Field(ge=0, le=WAIT_LIMIT_S, description="Seconds to wait for its result.")] = 0.0
    require_worker: Annotated[bool, Field(description="Refuse it unless a worker takes from its queue.")] = False


class SendBody(Body):
    """A task to be sent, in the words of Celery's ``apply_async``."""

    args: Annotated[list[Any], Field(default_factory=list)]
    kwargs: Annotated[dict[str, Any], Field(default_factory=dict)]
    queue: Name | None = None
    countdown: Seconds | None = None
    eta: datetime | None = None
    expires: Seconds | datetime | None = None
    priority: Annotated[int, Field(ge=0, le=255)] | None = None
    headers: Annotated[dict[str, Any], Field(default_factory=dict)]
    time_limit: Annotated[float, Field(gt=0, le=366 * 86_400, allow_inf_nan=False)] | None = None
    soft_time_limit: Annotated[float, Field(gt=0, le=366 * 86_400, allow_inf_nan=False)] | None = None
    ignore_result: bool | None = None


class ReasonBody(Body):
    """Why something is done."""

    reason: Annotated[str, Field(max_length=TEXT_LIMIT)] = ""


class RevealBody(Body):
    """Why contents are looked at."""

    reason: Annotated[str, Field(min_length=1, max_length=TEXT_LIMIT)]


class RevokeBody(ReasonBody):
    """How a task is revoked."""

    terminate: bool = False
    signal: Literal["SIGTERM", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGKILL"] = "SIGTERM"


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task in a line of the list.

    Attributes:
        queue: as its sender told, else where its name goes.
        wait_s: from when it was sent, or received, until it was started.
    """

    task_id: str
    name: str | None
    state: str
    is_finished: bool
    queue: str | None
    worker: str | None
    client: str | None
    changed_at: datetime | None
    sent_at: datetime | None
    received_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    eta_at: datetime | None
    expires_at: datetime | None
    wait_s: float | None
    runtime_s: float | None
    retries: int
    root_id: str | None
    parent_id: str | None
    origin: Origin | None
    is_terminated: bool
    is_expired: bool
    allowed_actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GapRow:
    """A time in which events may have been missed."""

    began_at: datetime
    ended_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class TaskPage:
    """A page of tasks, the last changed first.

    Attributes:
        is_complete: false if the search ended before the list did; ask on with ``next``.
        kept_since: from when on nothing was missed or forgotten; ``None`` while no events are heard.
        forgotten: tasks that were dropped for want of room.
        by_state, failed_by_name: how many there are in the whole list.
    """

    items: Sequence[TaskRow]
    next: str | None
    total: int | None
    is_complete: bool
    kept_since: datetime | None
    is_listening: bool
    gaps: Sequence[GapRow]
    forgotten: int
    by_state: Mapping[str, int]
    failed_by_name: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ProgressBody:
    """How far a task says it is."""

    fraction: float
    percent: int


@dataclass(frozen=True, slots=True)
class TaskDetail:
    """All that may be said of a task without showing what it holds.

    Attributes:
        sent_by: who sent it through this API.
        reason: why what is stored cannot be read.
        remembered_until: when its result is forgotten.
    """

    task_id: str
    name: str | None
    state: str
    status: str
    ready: bool
    successful: bool | None
    is_finished: bool
    progress: ProgressBody | None
    queue: str | None
    worker: str | None
    client: str | None
    retries: int
    sent_at: datetime | None
    received_at: datetime | None
    started_at: datetime | None
    retried_at: datetime | None
    ended_at: datetime | None
    eta_at: datetime | None
    expires_at: datetime | None
    done_at: datetime | None
    wait_s: float | None
    runtime_s: float | None
    root_id: str | None
    parent_id: str | None
    group_id: str | None
    children: tuple[str, ...]
    origin: Origin | None
    sent_by: str | None
    error_type: str | None
    is_poisoned: bool
    is_unreadable: bool
    reason: str | None
    args: Shape | None
    kwargs: Shape | None
    result: Shape | None
    traceback_lines: int
    is_terminated: bool
    is_expired: bool
    remembered_until: datetime | None
    allowed_actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TaskContents:
    """What a task holds.

    Attributes:
        is_args_text: the arguments are text the sender made of them, cut at 1,024 characters.
    """

    task_id: str
    name: str | None
    args: Any = field(repr=False)
    kwargs: Any = field(repr=False)
    is_args_text: bool
    result: Any = field(repr=False)
    exception: str | None = field(repr=False)
    traceback: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """How a task stands, as DocWiz's clients read it.

    Attributes:
        progress: of 100.
        meta: what a task says in a state of its own; ``result``, ``error``: of one that is over.
        is_masked: there is something that is not shown.
        is_poisoned: the task stored something in place of its exception.
    """

    task_id: str
    state: str
    ready: bool
    successful: bool | None
    status: str
    progress: int
    meta: Any = field(repr=False)
    result: Any = field(repr=False)
    error: str | None = field(repr=False)
    is_masked: bool
    error_type: str | None
    is_poisoned: bool
    remembered_until: datetime | None


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a task returned; with ``is_masked`` only what kind of thing it is."""

    task_id: str
    result: Any = field(repr=False)
    is_masked: bool
    shape: Shape | None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """That workers were told not to run a task."""

    task_id: str
    status: str
    message: str


@dataclass(frozen=True, slots=True)
class Revoked:
    """That workers were told not to run a task, or to end it."""

    task_id: str
    is_terminated: bool
    message: str


@dataclass(frozen=True, slots=True)
class TaskSent:
    """What became of a task that was sent.

    Attributes:
        status: ``processing``; after a wait ``completed`` or ``failed``.
    """

    task_id: str
    name: str
    status: str
    message: str
    status_url: str
    result_url: str
    websocket_url: str
    queues: tuple[str, ...]
    state: str | None = None
    result: Any = field(default=None, repr=False)
    error: str | None = field(default=None, repr=False)
    is_masked: bool = False


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """A parameter of a task."""

    name: str
    is_required: bool


@dataclass(frozen=True, slots=True)
class NamedTaskRow:
    """A task by its name."""

    name: str
    queues: tuple[str, ...]
    parameters: tuple[ParameterRow, ...] | None


@dataclass(frozen=True, slots=True)
class TaskNamesBody:
    """The tasks that are known; with ``is_closed`` no other can be sent."""

    items: Sequence[NamedTaskRow]
    is_closed: bool
