"""What the shim knows of tasks, as the API's values. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from daemon.desks.tasks import Failure, Outcome, Seen, SentRecord
from shim.events.record import TaskRecord
from shim.results import TaskMeta


def outcome_of(meta: TaskMeta) -> Outcome:
    """Give a stored result as the API's value."""
    error, progress = meta.error, meta.progress
    has_arguments = meta.args is not None or meta.kwargs is not None
    return Outcome(
        meta.state,
        meta.result,
        meta.value,
        meta.traceback,
        meta.date_done,
        tuple(task_id for child in meta.children for task_id in child.task_ids)[:CHILDREN_LIMIT],
        meta.parent_id,
        meta.group_id,
        meta.name,
        meta.args,
        meta.kwargs,
        has_arguments,
        meta.worker,
        meta.retries,
        meta.queue,
        None if error is None else Failure(error.exc_type, error.exc_module, error.message, error.is_poisoned),
        None if progress is None else progress.fraction,
        None if progress is None else progress.text,
        progress is not None,
        meta.reason,
    )


CHILDREN_LIMIT = 200


def seen_of(record: TaskRecord, queue_of: Callable[[str], str | None]) -> Seen:
    """Give what events told of a task as the API's value; ``queue_of`` says where one goes whose sender did not tell."""
    task = record.view()
    return Seen(
        task.task_id,
        record.changed,
        task.name,
        task.state,
        task.is_finished,
        task.queue or task.routing_key or (queue_of(task.name) if task.name else None),
        task.worker,
        task.client,
        task.retries,
        task.state_at,
        task.sent_at,
        task.received_at,
        task.started_at,
        task.retried_at,
        task.succeeded_at or task.failed_at or task.revoked_at,
        task.eta_at,
        task.expires_at,
        task.runtime_s,
        task.root_id,
        task.parent_id,
        task.is_terminated,
        task.is_expired,
        task.args,
        task.kwargs,
        task.exception,
    )


def written_record(record: SentRecord) -> bytes:
    """Write what is kept of a task that was sent."""
    return orjson.dumps(
        {
            "who": record.who,
            "by": record.by,
            "task": record.task,
            "queues": record.queues,
            "at": record.at.timestamp(),
            "print": record.print,
            "sent": record.is_sent,
        }
    )


def read_record(stored: bytes | None) -> SentRecord | None:
    """Read what ``written_record`` wrote; ``None`` for anything else."""
    if stored is None:
        return None
    try:
        found: Any = orjson.loads(stored)
        if not isinstance(found, Mapping):
            return None
        return SentRecord(
            str(found["who"]),
            str(found["by"]),
            str(found["task"]),
            tuple(map(str, found["queues"])),
            datetime.fromtimestamp(float(found["at"]), UTC),
            str(found["print"]),
            found["sent"] is True,
        )
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
