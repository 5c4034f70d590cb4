"""What a worker stored of a task, whatever it stored (``celery/backends/base.py``, ``_get_result_meta``). Reading never raises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shim.results.payload import JSON_RESULTS, ResultFormat, Unreadable, decode_payload
from shim.results.progress import Progress
from shim.results.reference import ResultRef, parse_refs
from shim.results.task_error import TaskError, exception_as_stored, parse_error
from shim.results.typed import typed_value

READY_STATES = frozenset(("SUCCESS", "FAILURE", "REVOKED"))
"""Nothing more is to come, as far as the worker knows."""

EXCEPTION_STATES = frozenset(("FAILURE", "RETRY", "REVOKED"))
"""The result is an exception."""

CELERY_STATES = READY_STATES | EXCEPTION_STATES | {"PENDING", "RECEIVED", "STARTED", "REJECTED", "IGNORED"}
"""Words of Celery's own (``celery/states.py``). Any other state was made up by the task."""

UNREADABLE = "UNREADABLE"
"""State given to a stored value that is no mapping with a status, or cannot be decoded."""

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class TaskMeta:
    """The stored outcome of a task. What may hold the task's own data is not part of the representation.

    Attributes:
        state: Celery's word, a custom one, or ``UNREADABLE``.
        result: return value, progress or exception of the task, as stored. A value JSON has no form for is a marked object here;
            ``value`` gives the Python object.
        traceback: of a failed task, as text.
        date_done: when the state became final, aware UTC (Celery 5.3 writes it without a zone and means UTC).
        children: what the task sent: links, the next of a chain, subtasks. Null and ``[]`` are both empty here.
        parent_id, group_id: what the task was part of. The parent of a retried attempt is the task itself.
        name, args, kwargs, worker, retries, queue, stamps: only with ``result_extended``; ``queue`` is the routing key.
        reason: why it is ``UNREADABLE``, else empty.
    """

    task_id: str
    state: str
    result: Any = field(repr=False)
    traceback: str | None = field(default=None, repr=False)
    date_done: datetime | None = None
    children: tuple[ResultRef, ...] = ()
    parent_id: str | None = None
    group_id: str | None = None
    name: str | None = None
    args: Any = field(default=None, repr=False)
    kwargs: Any = field(default=None, repr=False)
    worker: str | None = None
    retries: int | None = None
    queue: str | None = None
    stamps: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, repr=False)
    reason: str = ""

    @property
    def is_ready(self) -> bool:
        """Say whether the state is final."""
        return self.state in READY_STATES

    @property
    def is_successful(self) -> bool:
        """Say whether the task returned."""
        return self.state == "SUCCESS"

    @property
    def is_unreadable(self) -> bool:
        """Say whether something is stored that cannot be read; ``reason`` tells why."""
        return self.state == UNREADABLE

    @property
    def is_poisoned(self) -> bool:
        """Say whether the task stored something in place of its exception, on which Celery's own reader raises."""
        error = self.error
        return error is not None and error.is_poisoned

    @property
    def value(self) -> Any:
        """The result with dates, decimals, UUIDs and bytes as Python objects, as Celery's own client gives it."""
        return typed_value(self.result)

    @property
    def error(self) -> TaskError | None:
        """The exception of a failed, retried or revoked task; ``None`` in any other state."""
        return parse_error(self.result) if self.state in EXCEPTION_STATES else None

    @property
    def progress(self) -> Progress | None:
        """What a task said of itself in a state of its own; ``None`` in Celery's states."""
        if self.state in CELERY_STATES or self.state == UNREADABLE:
            return None
        return Progress(self.result)


def parse_meta(task_id: str, stored: bytes, form: ResultFormat = JSON_RESULTS) -> TaskMeta:
    """Read what a worker stored under ``celery-task-meta-<id>``; never raises."""
    found = decode_payload(stored, form)
    if isinstance(found, Unreadable):
        return _unreadable(task_id, found.reason)
    return meta_from_mapping(task_id, found)


def meta_from_mapping(task_id: str, mapping: object) -> TaskMeta:
    """Read a decoded meta; never raises.

    Exceptions and instants may be Python objects already, as Celery's readers of other back-ends give them. An instant
    without a zone is UTC.
    """
    if not isinstance(mapping, Mapping):
        return _unreadable(task_id, "not a mapping")
    state = mapping.get("status")
    if not isinstance(state, str):
        return _unreadable(task_id, "no status")
    result = mapping.get("result")
    retries = mapping.get("retries")
    return TaskMeta(
        task_id,
        state,
        exception_as_stored(result) if isinstance(result, BaseException) else result,
        traceback=_text(mapping.get("traceback")),
        date_done=_instant(mapping.get("date_done")),
        children=parse_refs(mapping.get("children")),
        parent_id=_text(mapping.get("parent_id")),
        group_id=_text(mapping.get("group_id")),
        name=_text(mapping.get("name")),
        args=mapping.get("args"),
        kwargs=mapping.get("kwargs"),
        worker=_text(mapping.get("worker")),
        retries=retries if isinstance(retries, int) and not isinstance(retries, bool) else None,
        queue=_text(mapping.get("queue")),
        stamps=_stamps(mapping),
    )


def _unreadable(task_id: str, reason: str) -> TaskMeta:
    return TaskMeta(task_id, UNREADABLE, None, reason=reason)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _instant(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(found, datetime):
            return None
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _stamps(mapping: Mapping[Any, Any]) -> Mapping[str, Any]:
    names = mapping.get("stamped_headers")
    if not isinstance(names, (list, tuple, set)):
        return _NOTHING
    return {name: mapping[name] for name in names if isinstance(name, str) and name in mapping}
