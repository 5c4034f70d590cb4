"""Tasks as a list shows them: what workers hold, and what became of those that are over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from daemon.dispatch.telling import ask_together
from shim.client import Client
from shim.control import EVERYONE, Audience, TaskRow, found_tasks, methods, scheduled_rows, task_rows
from shim.results import TaskMeta

UNKNOWN = "UNKNOWN"
"""State of an id that neither a worker holds nor a result is stored of: it waits in a queue, was never sent, or is forgotten."""


@dataclass(frozen=True, slots=True)
class HeldTask:
    """A task that a worker holds: ``active``, ``reserved`` or ``scheduled``."""

    state: str
    name: str
    task_id: str
    queue: str | None
    worker: str
    started_at: datetime | None = None
    eta_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TaskStanding:
    """What is known of one task.

    Attributes:
        state: of its stored result; else ``active``, ``reserved``, ``scheduled`` where a worker holds it, or ``UNKNOWN``.
        worker: that holds it.
        meta: as stored; ``None`` if nothing is.
    """

    task_id: str
    state: str
    worker: str | None
    meta: TaskMeta | None = field(default=None, repr=False)

    def as_json(self, *, results: bool) -> dict[str, Any]:
        """Write it for programs, ``results`` with what the task returned or raised."""
        found: dict[str, Any] = {"task_id": self.task_id, "state": self.state, "worker": self.worker}
        meta = self.meta
        if meta is None:
            return found
        error = meta.error
        found |= {
            "ready": meta.is_ready,
            "done_at": meta.date_done,
            "children": [child.id for child in meta.children],
            "error": None if error is None else error.exc_type,
            "poisoned": meta.is_poisoned,
            "unreadable": meta.reason or None,
        }
        return {**found, "result": meta.result, "traceback": meta.traceback} if results else found


async def list_held(client: Client, audience: Audience = EVERYONE, *, timeout_s: float) -> tuple[list[HeldTask], bool]:
    """List what workers run, hold and keep until its ETA, and say whether all of them have answered.

    Raises:
        ShimError: the broker does not answer.
    """
    commands = {"active": methods.active(safe=True), "reserved": methods.reserved(), "scheduled": methods.scheduled()}
    answers = await ask_together(client, commands, audience, timeout_s=timeout_s)
    found = [
        _held(state, worker, row)
        for state in ("active", "reserved")
        for worker, rows in task_rows(answers[state]).items()
        for row in rows
    ]
    found += [
        _held("scheduled", worker, row.task, row.eta_at)
        for worker, rows in scheduled_rows(answers["scheduled"]).items()
        for row in rows
    ]
    return found, all(one.is_complete for one in answers.values())


async def standings(client: Client, task_ids: Sequence[str], *, timeout_s: float) -> tuple[list[TaskStanding], bool]:
    """Say what is known of tasks, their results, else which worker holds them, and whether all workers asked have answered.

    Raises:
        ShimError: broker or result back-end do not answer.
    """
    metas = await client.fetch(task_ids) if client.results is not None else {}
    open_ids = [one for one in task_ids if one not in metas or not metas[one].is_ready]
    held, is_complete = await _holders(client, open_ids, timeout_s)
    return [_standing(task_id, metas.get(task_id), held) for task_id in task_ids], is_complete


async def _holders(
    client: Client, task_ids: Sequence[str], timeout_s: float
) -> tuple[dict[str, tuple[str, str]], bool]:
    """Find the state and the worker of those ids that are held, and say whether all workers have answered."""
    if not task_ids or not client.has_control:
        return {}, True
    answers = await client.control.call(methods.query_task(*task_ids), timeout_s=timeout_s)
    found = {
        task_id: (state, worker)
        for worker, rows in found_tasks(answers).items()
        for task_id, (state, _) in rows.items()
    }
    return found, answers.is_complete


def _standing(task_id: str, meta: TaskMeta | None, held: Mapping[str, tuple[str, str]]) -> TaskStanding:
    state, worker = held.get(task_id, (UNKNOWN, None))
    return TaskStanding(task_id, state if meta is None else meta.state, worker, meta)


def _held(state: str, worker: str, row: TaskRow, eta_at: datetime | None = None) -> HeldTask:
    return HeldTask(state, row.name, row.task_id, row.queue, worker, row.started_at, eta_at)
