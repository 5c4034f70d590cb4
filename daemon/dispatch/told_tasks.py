"""Events of tasks as what numbers are made of. Pure.

Of an exception only the name of its class is kept: its text may quote what the task was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from daemon.celery_events import TaskTold
from shim.events import Event, EventState
from shim.events.record import TaskRecord

UNKNOWN = "None"
"""Stands for the name of a task of which only later events are known, as in celery-exporter."""

UNKNOWN_EXCEPTION = "UnknownException"
_CLASS_LIMIT = 100


def told_of(events: Sequence[Event], state: EventState, queue_of: Callable[[str], str]) -> Iterator[TaskTold]:
    """Read events that ``state`` has taken in.

    Args:
        events: of any kind; those of tasks are read.
        state: knows what a task's earlier events told.
        queue_of: says where a task of a name goes, if its own event of sending did not.
    """
    for event in events:
        record = state.record(event.task_id) if event.task_id else None
        if record is not None:
            yield _told(event, record, queue_of)


def host_of(worker: str) -> str:
    """Give the host of a worker's name (``celery@host``)."""
    return worker.partition("@")[2] or worker


def exception_class(text: object) -> str:
    """Give the class of an exception from its representation (``ValueError('…')``), and nothing else of it."""
    if not isinstance(text, str):
        return UNKNOWN_EXCEPTION
    name, bracket, _ = text[: _CLASS_LIMIT + 1].partition("(")
    return name if bracket and name.isidentifier() and name.isascii() else UNKNOWN_EXCEPTION


def _told(event: Event, record: TaskRecord, queue_of: Callable[[str], str]) -> TaskTold:
    kind, worker, at_s, _, fields = event
    name = record.name or UNKNOWN
    queue = record.sent[2] or queue_of(name)
    runtime_s = waited_s = prefetched_s = None
    exception = ""
    eta = record.described[8]
    if kind == "task-succeeded":
        runtime = fields.get("runtime")
        if isinstance(runtime, (int, float)) and not isinstance(runtime, bool) and runtime >= 0:
            runtime_s = float(runtime)
    elif kind == "task-started":
        ready_s = max(record.sent[0], _instant_s(eta), record.retried_s)
        if record.sent[0]:
            waited_s = max(at_s - ready_s, 0.0)
        if record.received_s:
            prefetched_s = max(at_s - record.received_s, 0.0)
    elif kind == "task-failed":
        exception = exception_class(fields.get("exception"))
    return TaskTold(
        kind, name, worker, host_of(worker), queue, exception, runtime_s, waited_s, prefetched_s, has_eta=bool(eta)
    )


def _instant_s(text: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return at.timestamp() if at.tzinfo is not None else 0.0
