"""Flower's paths, and who answers there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ConfigDict, Field

from daemon.api.flower.looking import Looking
from daemon.api.flower.sending import Sending
from daemon.api.flower.steering import Steering
from daemon.api.http.asked import Body, Query
from daemon.api.http.caller import Role
from daemon.api.http.resource import Resource
from daemon.desks import FlowerDesk
from daemon.ports import AuditTrail

_TAG = "flower"
_OBJECT = dict[str, Any]


class WorkersQuery(Query):
    """Which workers Flower lists, and what of them."""

    refresh: bool = False
    status: bool = False
    workername: str = ""


class TasksQuery(Query):
    """Which tasks Flower lists."""

    limit: int | None = None
    offset: int = 0
    sort_by: str = ""
    workername: str = ""
    taskname: str = ""
    state: str = ""
    received_start: str = ""
    received_end: str = ""
    search: str = ""


class TimeoutQuery(Query):
    """How long a result is waited for."""

    timeout: float | None = None


class CountQuery(Query):
    """How many processes."""

    n: int = 1


class RangeQuery(Query):
    """Between how many processes."""

    min: int
    max: int


class QueueQuery(Query):
    """Which queue."""

    queue: str


class LimitsQuery(Query):
    """How long a task may take, and on which worker."""

    workername: str
    soft: float | None = None
    hard: float | None = None


class RateQuery(Query):
    """How often a task is started, and on which worker."""

    workername: str
    ratelimit: str


class RevokeQuery(Query):
    """Whether a task that runs is ended, and how."""

    terminate: bool = False
    signal: str = "SIGTERM"


class CallBody(Body):
    """What a task is called with; further keys are options of ``apply_async``."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)

    args: list[Any] = Field(default_factory=list)
    kwargs: dict[str, Any] = Field(default_factory=dict)


def flower_resources(
    desk: FlowerDesk, audit: AuditTrail, *, show_tasks: Sequence[str] = (), zone: str | None = None
) -> tuple[Resource, ...]:
    """List Flower's paths; ``show_tasks`` name tasks whose contents anyone may see, ``zone`` is the application's."""
    looking, steering = Looking(desk, audit, show_tasks), Steering(desk, audit)
    sending = Sending(desk, audit, show_tasks, zone)
    return (*_looks(looking), *_commands(steering), *_calls(sending), *_tasks(steering))


def _looks(at: Looking) -> tuple[Resource, ...]:
    read: dict[str, Any] = {"tag": _TAG, "answers": _OBJECT, "is_raw": True}
    return (
        Resource("GET", "/api/workers", at.workers, "List the workers (Flower)", query=WorkersQuery,
                 problems=(404, 501), **read),
        Resource("GET", "/api/tasks", at.tasks, "List tasks (Flower)", query=TasksQuery, **read),
        Resource("GET", "/api/task/types", at.types, "Name the tasks that were seen (Flower)", **read),
        Resource("GET", "/api/task/info/{task_id:.+}", at.info, "Show a task (Flower)", problems=(404,), **read),
        Resource("GET", "/api/task/result/{task_id:.+}", at.result, "Give the result of a task (Flower)",
                 query=TimeoutQuery, **read),
        Resource("GET", "/api/queues/length", at.lengths, "Count what waits (Flower)", problems=(501,), **read),
        Resource("GET", "/healthcheck", at.health, "Say that the API answers (Flower)", _TAG, Role.NOBODY,
                 is_raw=True, media_type="text/html"),
    )  # fmt: skip


def _commands(at: Steering) -> tuple[Resource, ...]:
    told: dict[str, Any] = {"tag": _TAG, "answers": _OBJECT, "is_raw": True, "problems": (404, 501)}
    operator, admin = {**told, "role": Role.OPERATOR}, {**told, "role": Role.ADMIN}
    path = "/api/worker"
    return (
        Resource("POST", f"{path}/shutdown/{{worker:.+}}", at.shutdown, "End a worker (Flower)", **admin),
        Resource("POST", f"{path}/pool/restart/{{worker:.+}}", at.pool_restart,
                 "Replace the processes of a worker (Flower)", **admin),
        Resource("POST", f"{path}/pool/grow/{{worker:.+}}", at.pool_grow, "Add processes to a worker (Flower)",
                 query=CountQuery, **operator),
        Resource("POST", f"{path}/pool/shrink/{{worker:.+}}", at.pool_shrink, "Take processes from a worker (Flower)",
                 query=CountQuery, **operator),
        Resource("POST", f"{path}/pool/autoscale/{{worker:.+}}", at.autoscale,
                 "Say between how many processes a worker scales (Flower)", query=RangeQuery, **operator),
        Resource("POST", f"{path}/queue/add-consumer/{{worker:.+}}", at.add_consumer,
                 "Have a worker take from a queue too (Flower)", query=QueueQuery, **operator),
        Resource("POST", f"{path}/queue/cancel-consumer/{{worker:.+}}", at.cancel_consumer,
                 "Have a worker take nothing more from a queue (Flower)", query=QueueQuery, **operator),
    )  # fmt: skip


def _calls(at: Sending) -> tuple[Resource, ...]:
    sent: dict[str, Any] = {"tag": _TAG, "role": Role.OPERATOR, "answers": _OBJECT, "is_raw": True, "body": CallBody,
                            "problems": (404, 501)}  # fmt: skip
    return (
        Resource("POST", "/api/task/apply/{task:.+}", at.apply, "Send a task and wait for its end (Flower)", **sent),
        Resource("POST", "/api/task/async-apply/{task:.+}", at.async_apply, "Send a task (Flower)", **sent),
        Resource("POST", "/api/task/send-task/{task:.+}", at.send_task, "Send a task by its name (Flower)", **sent),
    )


def _tasks(at: Steering) -> tuple[Resource, ...]:
    told: dict[str, Any] = {"tag": _TAG, "role": Role.OPERATOR, "answers": _OBJECT, "is_raw": True,
                            "problems": (404, 501)}  # fmt: skip
    return (
        Resource("POST", "/api/task/abort/{task_id:.+}", at.abort, "Mark a task as aborted (Flower)", **told),
        Resource("POST", "/api/task/timeout/{task:.+}", at.time_limit, "Limit how long a task may take (Flower)",
                 query=LimitsQuery, **told),
        Resource("POST", "/api/task/rate-limit/{task:.+}", at.rate_limit, "Limit how often a task starts (Flower)",
                 query=RateQuery, **told),
        Resource("POST", "/api/task/revoke/{task_id:.+}", at.revoke, "Have a task not run (Flower)",
                 query=RevokeQuery, **told),
    )  # fmt: skip
