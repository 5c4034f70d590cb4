"""What became of the tasks of messages: from the event stream, and for those it did not tell of, from results and workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import anyio

from daemon.clock import microseconds
from daemon.desks import TaskSeen
from daemon.dispatch.celery_line import CeleryLine
from daemon.dispatch.task_rows import standings
from daemon.errors import DaemonError
from daemon.public import Public, escaped
from shim.errors import ShimError
from shim.events.task import Task

ASK_LIMIT_S = 2.0
NOT_KNOWN = TaskSeen(Public("not-asked"))
"""Neither an event told of it, nor could anybody be asked."""


class MessageTasks:
    """Says where tasks stand."""

    def __init__(self, line: CeleryLine) -> None:
        """Keep the client."""
        self._line = line

    async def seen(self, task_ids: Sequence[str]) -> Mapping[str, TaskSeen]:
        """Say what is known of tasks, within a few seconds; never fails, for the broker may be away."""
        told = {task_id: task for task_id in task_ids if (task := self._line.state.task(task_id)) is not None}
        found = {task_id: _of_events(task) for task_id, task in told.items()}
        open_ids = [task_id for task_id in task_ids if task_id not in told or not told[task_id].is_finished]
        return {**dict.fromkeys(task_ids, NOT_KNOWN), **found, **await self._asked(open_ids, found)}

    async def _asked(self, task_ids: Sequence[str], told: Mapping[str, TaskSeen]) -> dict[str, TaskSeen]:
        if not task_ids:
            return {}
        try:
            with anyio.fail_after(2 * ASK_LIMIT_S):
                rows, _ = await standings(self._line.client, task_ids, timeout_s=ASK_LIMIT_S)
        except (ShimError, DaemonError, TimeoutError):
            return {}
        found: dict[str, TaskSeen] = {}
        for row in rows:
            if row.meta is not None or row.worker is not None:
                known = told.get(row.task_id, NOT_KNOWN)
                worker = known.worker if row.worker is None else Public(escaped(row.worker))
                found[row.task_id] = replace(known, state=Public(escaped(row.state)), worker=worker)
            elif row.task_id not in told:
                found[row.task_id] = TaskSeen(Public(row.state))
        return found


def _of_events(task: Task) -> TaskSeen:
    ended_at = task.succeeded_at or task.failed_at or task.revoked_at if task.is_finished else None
    return TaskSeen(
        Public(escaped(task.state)),
        None if task.worker is None else Public(escaped(task.worker)),
        _us(task.received_at),
        _us(task.started_at),
        _us(ended_at),
    )


def _us(at: datetime | None) -> int | None:
    return None if at is None else microseconds(at)
