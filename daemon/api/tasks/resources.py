"""What can be asked of tasks that are there."""

from __future__ import annotations

from typing import Any

from daemon.api.http.answer import Answer
from daemon.api.http.asked import Asked, named
from daemon.api.http.caller import Capability, Role
from daemon.api.http.page import keys_of
from daemon.api.http.resource import Resource
from daemon.api.tasks import docwiz
from daemon.api.tasks.bodies import (
    Cancelled,
    Compat,
    RevealBody,
    RevokeBody,
    Revoked,
    TaskContents,
    TaskDetail,
    TaskListQuery,
    TaskPage,
    TaskResult,
    TaskStatus,
)
from daemon.api.tasks.looks import Looks, is_telling
from daemon.api.tasks.sight import Sight, fragment, shape_of
from daemon.api.tasks.views import contents_of, detail_of, page_of, remembered_until, status_of
from daemon.api.tasks.words import plain_result
from daemon.deeds import DeedKind
from daemon.desks import BadRequest, NotNow, NotPermitted, NotThere
from daemon.desks.tasks import Standing, TaskFilter

CANCELLED = "Task cancellation requested"
TAG = "tasks"
DOCWIZ = "With `?compat=docwiz` the answer is byte for byte that of DocWiz's backend, whose clients ask the same paths."


class ResultNotThere(NotThere):
    """The task has returned nothing that could be shown: it waits, runs, failed, or returned nothing."""

    code = "result-not-there"


def task_resources(looks: Looks) -> tuple[Resource, ...]:
    """List what can be asked of tasks."""
    return (*_reading_resources(_Reading(looks)), *_steering_resources(_Steering(looks)))


def _reading_resources(reading: _Reading) -> tuple[Resource, ...]:
    one: dict[str, Any] = {"tag": TAG, "problems": (404,)}
    compatible = {**one, "query": Compat, "description": DOCWIZ}
    return (
        Resource("GET", "/api/task-list", reading.listed, "List tasks", TAG, query=TaskListQuery, answers=TaskPage),
        Resource(
            "GET", "/api/tasks/{id}", reading.detail, "Describe a task", answers=TaskDetail, is_for_results=True, **one
        ),
        Resource(
            "GET",
            "/api/tasks/{id}/status",
            reading.status,
            "Say how a task stands",
            answers=TaskStatus,
            is_for_results=True,
            **compatible,
        ),
        Resource(
            "GET",
            "/api/tasks/{id}/result",
            reading.result,
            "Give what a task returned",
            answers=TaskResult,
            is_for_results=True,
            **compatible,
        ),
        Resource(
            "POST",
            "/api/tasks/{id}/reveal",
            reading.reveal,
            "Show what a task holds",
            needs=frozenset((Capability.PHI,)),
            body=RevealBody,
            answers=TaskContents,
            is_reading=True,
            tag=TAG,
            problems=(403, 404),
        ),
    )


def _steering_resources(steering: _Steering) -> tuple[Resource, ...]:
    return (
        Resource(
            "POST",
            "/api/tasks/{id}/cancel",
            steering.cancel,
            "Have a task not run, or end it",
            role=Role.OPERATOR,
            query=Compat,
            description=DOCWIZ,
            answers=Cancelled,
            is_for_results=True,
            tag=TAG,
            problems=(404, 501),
        ),
        Resource(
            "POST",
            "/api/tasks/{id}/revoke",
            steering.revoke,
            "Revoke a task",
            role=Role.OPERATOR,
            body=RevokeBody,
            answers=Revoked,
            is_for_results=True,
            tag=TAG,
            problems=(404, 409, 501),
        ),
    )


class _Reading:
    """What changes nothing."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks

    async def listed(self, asked: Asked) -> TaskPage:
        query = asked.asks(TaskListQuery)
        keys = keys_of(query.after, 1)
        if keys is not None and not isinstance(keys[0], int):
            message = '"after" is no word that a page gave'
            raise BadRequest(message, field="after")
        if query.since is not None and query.since.tzinfo is None:
            message = "since: an instant with its zone is needed"
            raise BadRequest(message, hint="2026-11-22T14:00:00Z", field="since")
        wanted = TaskFilter(query.state, query.name, query.queue, query.worker, query.since, query.id, query.origin)
        found = await self._looks.desk.listing(wanted, before=keys[0] if keys else None, limit=query.limit)
        return page_of(found, asked.caller)

    async def detail(self, asked: Asked) -> TaskDetail:
        standing = await self._looks.standing(asked)
        if standing.origin is None or not standing.origin.key:
            seen, outcome = standing.seen, standing.outcome
            near = (seen.state_at if seen is not None else None) or (outcome.done_at if outcome is not None else None)
            exact = await self._looks.desk.origin(standing.task_id, near)
            if exact is not None:
                standing = Standing(standing.task_id, standing.outcome, standing.seen, standing.sent, exact)
        is_own = self._looks.owns(asked, standing)
        return detail_of(standing, asked.caller, self._looks.desk.remembered_s, is_own=is_own)

    async def status(self, asked: Asked) -> Any:
        if asked.asks(Compat).compat:
            standing = await self._compatible(asked)
            shows = await self._seen(asked, standing, "status")
            return _docwiz(docwiz.status(standing.task_id, standing.outcome, shows=shows))
        standing = await self._looks.standing(asked)
        shows = await self._seen(asked, standing, "status")
        return status_of(standing, shows=shows, remembered_s=self._looks.desk.remembered_s)

    async def result(self, asked: Asked) -> Any:
        if asked.asks(Compat).compat:
            standing = await self._compatible(asked)
            shows = await self._seen(asked, standing, "result")
            found = docwiz.result(standing.task_id, standing.outcome, shows=shows)
            return _docwiz(docwiz.NOT_THERE, 404) if found is None else _docwiz(found)
        standing = await self._looks.standing(asked)
        outcome = standing.outcome
        if outcome is None or outcome.state != "SUCCESS":
            message = f"the task is {standing.state}: there is no result"
            until = remembered_until(standing, self._looks.desk.remembered_s)
            raise ResultNotThere(message, hint=f"the id is remembered until {until.isoformat()}" if until else "")
        value = plain_result(outcome.result)
        shows = await self._seen(asked, standing, "result")
        if shows:
            return TaskResult(standing.task_id, fragment(value), is_masked=False, shape=None)
        return TaskResult(standing.task_id, None, is_masked=value is not None, shape=shape_of(value))

    async def reveal(self, asked: Asked) -> Answer:
        standing = await self._looks.standing(asked)
        if not self._looks.sees(asked, standing).shows:
            message = "the capability phi of this token does not cover the task"
            raise NotPermitted(message)
        await self._looks.audit.record(self._looks.deed(asked, standing.task_id, asked.says(RevealBody).reason))
        return Answer(contents_of(standing), headers={"Cache-Control": "no-store"})

    async def _compatible(self, asked: Asked) -> Standing:
        """Look up a task; one that nobody knows, or that is not the caller's, waits for ever."""
        standing = await self._looks.anything(asked)
        is_hidden = not asked.caller.may(Role.VIEWER) and not self._looks.owns(asked, standing)
        return Standing(standing.task_id) if is_hidden else standing

    async def _seen(self, asked: Asked, standing: Standing, way: str) -> bool:
        sight = self._looks.sees(asked, standing)
        if sight is Sight.RECORDED and is_telling(standing.outcome):
            await self._looks.note(asked, standing.task_id, standing.state, way)
        return sight.shows


class _Steering:
    """What tells workers something."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks

    async def cancel(self, asked: Asked) -> Any:
        is_compat = bool(asked.asks(Compat).compat)
        standing = await (self._looks.anything(asked) if is_compat else self._looks.standing(asked))
        if not asked.caller.may(Role.OPERATOR) and not self._looks.owns(asked, standing):
            raise self._looks.unknown()
        await self._told(asked, standing, terminate=True, signal="SIGTERM", reason="cancel")
        if is_compat:
            return _docwiz(docwiz.cancelled(standing.task_id))
        return Cancelled(standing.task_id, "cancelled", CANCELLED)

    async def revoke(self, asked: Asked) -> Revoked:
        wanted = asked.says(RevokeBody)
        standing = await self._looks.standing(asked)
        if not asked.caller.may(Role.OPERATOR) and not self._looks.owns(asked, standing):
            raise self._looks.unknown()
        if standing.is_ready:
            message = f"the task is over: {standing.state}"
            raise NotNow(message)
        await self._told(asked, standing, terminate=wanted.terminate, signal=wanted.signal, reason=wanted.reason)
        message = "workers were told to end it" if wanted.terminate else "workers were told not to run it"
        return Revoked(standing.task_id, wanted.terminate, message)

    async def _told(self, asked: Asked, standing: Standing, *, terminate: bool, signal: str, reason: str) -> None:
        deed = asked.deed(
            DeedKind.TASK_REVOKED,
            standing.task_id,
            note=named(reason),
            before=named(standing.state),
            after=named(f"REVOKED {signal}" if terminate else "REVOKED"),
        )
        await self._looks.audit.record(deed)
        await self._looks.desk.revoke(standing.task_id, terminate=terminate, signal=signal)


def _docwiz(body: Any, status: int = 200) -> Answer:
    return Answer(docwiz.written(body), status)
