"""What a stored result or an event says of how far a task is, and nothing else of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from daemon.clock import microseconds
from daemon.scheduler.ports import Progress, Sighting
from shim.events import Task
from shim.results import TaskMeta

NAME_LIMIT = 100
"""Characters of the name of an exception's class, and of a worker."""

_ENDS = {"SUCCESS": Progress.SUCCEEDED, "FAILURE": Progress.FAILED, "REVOKED": Progress.REVOKED}
_BEFORE_START = ("PENDING", "RECEIVED", "SENT", "REJECTED", "UNREADABLE")


def sighting_of_meta(meta: TaskMeta) -> Sighting | None:
    """Read a stored result; ``None`` if it tells nothing of how far the task is."""
    if meta.state in _BEFORE_START:
        return None
    progress = _ENDS.get(meta.state, Progress.STARTED)  # states of its own are given by a task that runs
    if progress is Progress.STARTED:
        return Sighting(meta.task_id, progress, worker=_worker(meta))
    error = meta.error
    name = "" if error is None or error.is_poisoned else _class_name(error.exc_type)
    return Sighting(meta.task_id, progress, _us(meta.date_done), worker=_worker(meta), reason=name)


def sighting_of_task(task: Task) -> Sighting | None:
    """Read what events tell of a task; ``None`` if no worker has begun with it."""
    if not task.is_finished:
        if task.started_at is None:
            return None
        started_us = _us(task.started_at)
        return Sighting(task.task_id, Progress.STARTED, started_us, started_us, _cut(task.worker))
    progress = _ENDS.get(task.state)
    if progress is None:
        return None
    return Sighting(task.task_id, progress, _us(task.state_at), _us(task.started_at), _cut(task.worker))


def _worker(meta: TaskMeta) -> str:
    """Name the worker: told with every extended result, and by Celery itself in the result of a task that has started."""
    if meta.worker is not None:
        return _cut(meta.worker)
    if meta.state == "STARTED" and isinstance(meta.result, Mapping):
        found = meta.result.get("hostname")
        return _cut(found) if isinstance(found, str) else ""
    return ""


def _class_name(name: str) -> str:
    """Give the name of a class; anything else that stands there is not shown."""
    parts = name.split(".")
    is_name = all(part.isidentifier() or part == "<locals>" for part in parts)
    return name if is_name and len(name) <= NAME_LIMIT else ""


def _cut(text: str | None) -> str:
    return (text or "")[:NAME_LIMIT]


def _us(at: datetime | None) -> int | None:
    return None if at is None else microseconds(at)
