"""Answers of some methods as typed rows. What a worker does not tell, or tells in another form, is ``None``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from shim.control.answers import Answers
from shim.value import Json

_Row = TypeVar("_Row")

QUERY_PARTS = 2
_DIGITS = re.compile(r"\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task that a worker holds.

    Attributes:
        task_id: its id.
        name: registered name.
        args, kwargs: what it was called with, or with ``safe`` its representation; not part of this representation.
        started_at: when it was begun, by the worker's clock.
        is_acknowledged: whether the broker has let go of it.
        queue: routing key it came by, which on Redis is its queue.
        priority: of its message.
        is_redelivered: whether it had been handed out before.
        pid: process that runs it.
    """

    task_id: str
    name: str
    args: Json = field(repr=False)
    kwargs: Json = field(repr=False)
    started_at: datetime | None
    is_acknowledged: bool | None
    queue: str | None
    priority: int | None
    is_redelivered: bool | None
    pid: int | None


@dataclass(frozen=True, slots=True)
class ScheduledRow:
    """A task that a worker holds until its ETA."""

    eta_at: datetime | None
    priority: int | None
    task: TaskRow


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A queue that a worker consumes from."""

    name: str
    exchange: str | None
    exchange_type: str | None
    routing_key: str | None


@dataclass(frozen=True, slots=True)
class WorkerStats:
    """What a worker counts.

    Attributes:
        pid: main process.
        uptime_s: since its start.
        clock: logical clock.
        totals: tasks taken so far, by name.
        pool: implementation, such as ``celery.concurrency.prefork:TaskPool``.
        concurrency: processes or threads at most.
        processes: their pids, of a pool that has some.
        prefetch_count: messages it holds at most; 0 is no limit.
        broker: transport, such as ``redis``.
    """

    pid: int | None
    uptime_s: int | None
    clock: int | None
    totals: Mapping[str, int]
    pool: str | None
    concurrency: int | None
    processes: tuple[int, ...]
    prefetch_count: int | None
    broker: str | None


def task_rows(answers: Answers) -> dict[str, tuple[TaskRow, ...]]:
    """Read the answers to ``active`` or ``reserved``, by node."""
    return _listed(answers, _task)


def scheduled_rows(answers: Answers) -> dict[str, tuple[ScheduledRow, ...]]:
    """Read the answers to ``scheduled``, by node."""
    return _listed(answers, _scheduled)


def queue_rows(answers: Answers) -> dict[str, tuple[QueueRow, ...]]:
    """Read the answers to ``active_queues``, by node."""
    return _listed(answers, _queue)


def registered_names(answers: Answers) -> dict[str, tuple[str, ...]]:
    """Read the answers to ``registered``, by node: names alone, without the attributes in brackets."""
    return _listed(answers, lambda row: row.split(" [", 1)[0] if isinstance(row, str) else None)


def found_tasks(answers: Answers) -> dict[str, dict[str, tuple[str, TaskRow]]]:
    """Read the answers to ``query_task``: by node and id, the state (``active``, ``reserved``, ``scheduled``, ``ready``)."""
    found: dict[str, dict[str, tuple[str, TaskRow]]] = {}
    for node, value in answers.by_node.items():
        tasks = found[node] = {}
        for task_id, row in _object(value).items():
            if isinstance(row, list) and len(row) == QUERY_PARTS and isinstance(row[0], str):
                task = _task(row[1])
                if task is not None:
                    tasks[task_id] = (row[0], task)
    return found


def worker_stats(answers: Answers) -> dict[str, WorkerStats]:
    """Read the answers to ``stats``, by node."""
    return {node: _stats(_object(value)) for node, value in answers.by_node.items()}


def _listed(answers: Answers, read: Callable[[Any], _Row | None]) -> dict[str, tuple[_Row, ...]]:
    return {
        node: tuple(row for item in value if (row := read(item)) is not None) if isinstance(value, list) else ()
        for node, value in answers.by_node.items()
    }


def _task(row: Any) -> TaskRow | None:
    fields = _object(row)
    task_id, name = _text(fields.get("id")), _text(fields.get("name"))
    if task_id is None or name is None:
        return None
    delivery = _object(fields.get("delivery_info"))
    return TaskRow(
        task_id=task_id,
        name=name,
        args=fields.get("args"),
        kwargs=fields.get("kwargs"),
        started_at=_epoch(fields.get("time_start")),
        is_acknowledged=_flag(fields.get("acknowledged")),
        queue=_text(delivery.get("routing_key")),
        priority=_number(delivery.get("priority")),
        is_redelivered=_flag(delivery.get("redelivered")),
        pid=_number(fields.get("worker_pid")),
    )


def _scheduled(row: Any) -> ScheduledRow | None:
    fields = _object(row)
    task = _task(fields.get("request"))
    if task is None:
        return None
    return ScheduledRow(_instant(fields.get("eta")), _number(fields.get("priority")), task)


def _queue(row: Any) -> QueueRow | None:
    fields = _object(row)
    name = _text(fields.get("name"))
    if name is None:
        return None
    exchange = _object(fields.get("exchange"))
    return QueueRow(name, _text(exchange.get("name")), _text(exchange.get("type")), _text(fields.get("routing_key")))


def _stats(fields: Mapping[str, Any]) -> WorkerStats:
    pool = _object(fields.get("pool"))
    processes = pool.get("processes")
    totals = _object(fields.get("total"))
    clock = fields.get("clock")
    return WorkerStats(
        pid=_number(fields.get("pid")),
        uptime_s=_number(fields.get("uptime")),
        clock=int(clock) if isinstance(clock, str) and _DIGITS.fullmatch(clock) else _number(clock),
        totals={name: count for name, count in totals.items() if _number(count) is not None},
        pool=_text(pool.get("implementation")),
        concurrency=_number(pool.get("max-concurrency")),
        processes=tuple(filter(_number, processes)) if isinstance(processes, list) else (),
        prefetch_count=_number(fields.get("prefetch_count")),
        broker=_text(_object(fields.get("broker")).get("transport")),
    )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(value: Any) -> int | None:
    return value if type(value) is int else None


def _epoch(value: Any) -> datetime | None:
    if type(value) not in (int, float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _instant(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None  # local to the worker, and nobody knows where it is
