"""Tasks of the event stream in Flower's terms: read, chosen, put in order. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any

from daemon.desks import FlowerTask, TaskWanted
from shim.events.record import TaskRecord
from shim.results import TaskMeta

TEXT_LIMIT = 1024
SORTED_LIMIT = 10_000
"""Tasks that are put into an order of the caller's."""

PART = 5_000

_NUMBERS = frozenset(("received", "started"))


def read_record(record: TaskRecord) -> FlowerTask:
    """Read what is kept of a task."""
    retries, _, described_s, _, args, kwargs, root_id, parent_id, eta, expires = record.described
    sent_s, client, _, exchange, routing_key = record.sent
    succeeded_s, runtime_s = record.succeeded
    return FlowerTask(
        uuid=record.task_id,
        name=record.name or None,
        state=record.state,
        worker=record.worker or None,
        args=args or None,
        kwargs=kwargs or None,
        exception=record.excepted[2] or None,
        retries=retries if described_s else None,
        eta=eta or None,
        expires=expires or None,
        runtime=None if runtime_s < 0 else runtime_s,
        timestamp=record.state_s() or None,
        sent=sent_s or None,
        received=record.received_s or None,
        started=record.started_s or None,
        succeeded=succeeded_s or None,
        failed=record.failed_s or None,
        retried=record.retried_s or None,
        revoked=record.revoked_s or None,
        rejected=record.rejected_s or None,
        client=client or None,
        exchange=exchange if sent_s else None,
        routing_key=routing_key or None,
        root_id=root_id or None,
        parent_id=parent_id or None,
        clock=record.clock,
    )


def chosen(records: Sequence[TaskRecord], wanted: TaskWanted) -> list[FlowerTask]:
    """Choose tasks as Flower does, and put them in its order; children are told of too.

    The last changed are gone through first, until there are enough. So of more than ``SORTED_LIMIT`` that are meant the last
    changed alone are put into an order of the caller's.
    """
    end = wanted.offset + wanted.limit
    enough = max(end, SORTED_LIMIT) if wanted.sort_by else end
    found = list(islice(_meant(_newest(records), wanted), enough))
    is_descending = wanted.is_descending or not wanted.sort_by
    found.sort(key=lambda task: _order(task, wanted.sort_by), reverse=is_descending)
    return with_children(found[wanted.offset : end], records)


def _newest(records: Sequence[TaskRecord]) -> Iterator[TaskRecord]:
    """Walk over tasks, the last changed first; sorted in parts, so that other threads are not held up."""
    changed = attrgetter("changed")
    parts = (records[first : first + PART] for first in range(0, len(records), PART))
    return heapq.merge(*(sorted(part, key=changed, reverse=True) for part in parts), key=changed, reverse=True)


def _meant(records: Iterable[TaskRecord], wanted: TaskWanted) -> Iterator[FlowerTask]:
    for record in records:
        if _is_meant(record, wanted):
            task = read_record(record)
            if wanted.matches is None or wanted.matches(task):
                yield task


def with_children(tasks: Iterable[FlowerTask], records: Iterable[TaskRecord]) -> list[FlowerTask]:
    """Say which tasks each has sent."""
    tasks = list(tasks)
    children: dict[str, list[str]] = {task.uuid: [] for task in tasks}
    for record in records:
        parent_id = record.described[7]
        if parent_id in children:
            children[parent_id].append(record.task_id)
    return [
        task._replace(children=tuple(sorted(children[task.uuid]))) if children[task.uuid] else task for task in tasks
    ]


def result_text(meta: TaskMeta) -> str | None:
    """Write a result as workers write it into their events: its representation, cut."""
    return None if meta.state != "SUCCESS" else repr(meta.value)[:TEXT_LIMIT]


def result_value(meta: TaskMeta) -> Any:
    """Give a result as Flower gives it: an exception by its representation, anything else as it is stored."""
    error = meta.error
    if error is None or (not error.exc_type and not error.message):
        return meta.result
    return f"{error.exc_type}({', '.join(map(repr, error.message))})" if error.exc_type else repr(meta.result)


def _is_meant(record: TaskRecord, wanted: TaskWanted) -> bool:
    if wanted.state and record.state.casefold() != wanted.state:
        return False
    if wanted.name and record.name.casefold() != wanted.name:
        return False
    if wanted.worker and record.worker.casefold() != wanted.worker:
        return False
    received_s = record.received_s
    if not received_s:
        return True
    after, before = wanted.received_from_s, wanted.received_to_s
    return (after is None or received_s >= after) and (before is None or received_s <= before)


def _order(task: FlowerTask, sort_by: str) -> tuple[Any, ...]:
    if not sort_by:
        return (task.timestamp or 0.0, task.uuid)
    value = getattr(task, sort_by)
    if value is None:
        return (False, 0.0 if sort_by in _NUMBERS else "", task.uuid)
    return (True, value if sort_by in _NUMBERS else str(value).casefold(), task.uuid)
