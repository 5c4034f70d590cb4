"""Where the rows of tasks, queues, workers and the schedule come from, for those who follow them.

A row says what somebody of the role may do who has no capability besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daemon.api.http.caller import Caller, Means, Role
from daemon.api.queues import views as queue_views
from daemon.api.schedule.views import row_for
from daemon.api.tasks.views import row_of
from daemon.api.workers import views as worker_views
from daemon.desks import LiveSource, QueueDesk, Topic, WorkerDesk
from daemon.desks.schedule import SortBy, Wanted
from daemon.desks.scheduling import ScheduleView
from daemon.desks.tasks import TaskDesk, TaskFilter
from daemon.public import Public

TASKS_SHOWN = 200
ENTRIES_SHOWN = 200


def side_sources(
    tasks: TaskDesk, queues: QueueDesk, workers: WorkerDesk, schedule: ScheduleView
) -> tuple[LiveSource, ...]:
    """List them. Of tasks the latest are told, of entries those that ran last and those that run next."""

    async def task_rows(role: Role) -> Mapping[str, Any]:
        listing = await tasks.listing(TaskFilter(), before=None, limit=TASKS_SHOWN)
        return {seen.task_id: row_of(seen, origin, _somebody(role)) for seen, origin in listing.items}

    async def queue_rows(role: Role) -> Mapping[str, Any]:
        return {row.name: queue_views.shown(row, _somebody(role)) for row in (await queues.lines()).rows}

    async def worker_rows(role: Role) -> Mapping[str, Any]:
        return {row.name: worker_views.shown(row, role) for row in (await workers.nodes()).rows}

    async def entry_rows(role: Role) -> Mapping[str, Any]:
        latest = await schedule.listing(Wanted(sort=SortBy.LAST, descending=True, limit=ENTRIES_SHOWN))
        coming = await schedule.listing(Wanted(sort=SortBy.NEXT, limit=ENTRIES_SHOWN))
        return {row.id: row_for(row, _somebody(role)) for row in (*latest.items, *coming.items)}

    return (
        LiveSource(Topic.TASKS, task_rows, is_window=True),
        LiveSource(Topic.QUEUES, queue_rows, every_s=2.0),
        LiveSource(Topic.WORKERS, worker_rows, every_s=2.0),
        LiveSource(Topic.SCHEDULE, entry_rows, every_s=1.0, is_window=True),
    )


def _somebody(role: Role) -> Caller:
    return Caller(Public(""), role, Means.NONE)
