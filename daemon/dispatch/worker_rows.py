"""Workers as a list shows them."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from daemon.dispatch.telling import ask_together
from shim.client import Client
from shim.control import (
    EVERYONE,
    Audience,
    methods,
    queue_rows,
    registered_names,
    scheduled_rows,
    task_rows,
    worker_stats,
)

_VERSION = re.compile(r"celery:(\S+)")


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """One worker that answered.

    Attributes:
        slots: processes or threads at most.
        done: tasks it has taken since its start.
        tasks: names it knows.
        prefetch: messages it holds at most; 0 is no limit.
        celery: version.
    """

    name: str
    queues: tuple[str, ...]
    slots: int | None
    active: int
    reserved: int
    scheduled: int
    done: int | None
    tasks: tuple[str, ...]
    pool: str | None
    prefetch: int | None
    pid: int | None
    uptime_s: int | None
    celery: str | None

    def as_json(self) -> dict[str, Any]:
        """Write it for programs."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers that answered, by name, and whether all have."""

    rows: tuple[WorkerRow, ...]
    is_complete: bool


async def list_workers(client: Client, audience: Audience = EVERYONE, *, timeout_s: float) -> Workers:
    """Ask workers for everything a list shows, at once.

    Raises:
        ShimError: the broker does not answer.
    """
    commands = {
        "stats": methods.stats(),
        "queues": methods.active_queues(),
        "active": methods.active(safe=True),
        "reserved": methods.reserved(),
        "scheduled": methods.scheduled(),
        "registered": methods.registered(),
        "report": methods.report(),
    }
    answers = await ask_together(client, commands, audience, timeout_s=timeout_s)
    stats, queues = worker_stats(answers["stats"]), queue_rows(answers["queues"])
    active, reserved = task_rows(answers["active"]), task_rows(answers["reserved"])
    scheduled, registered = scheduled_rows(answers["scheduled"]), registered_names(answers["registered"])
    names = sorted({node for one in answers.values() for node in one.by_node})
    rows = []
    for name in names:
        found = stats.get(name)
        rows.append(
            WorkerRow(
                name=name,
                queues=tuple(row.name for row in queues.get(name, ())),
                slots=found.concurrency if found else None,
                active=len(active.get(name, ())),
                reserved=len(reserved.get(name, ())),
                scheduled=len(scheduled.get(name, ())),
                done=sum(found.totals.values()) if found else None,
                tasks=registered.get(name, ()),
                pool=found.pool if found else None,
                prefetch=found.prefetch_count if found else None,
                pid=found.pid if found else None,
                uptime_s=found.uptime_s if found else None,
                celery=_version(answers["report"].by_node.get(name)),
            )
        )
    return Workers(tuple(rows), all(one.is_complete for one in answers.values()))


def _version(report: object) -> str | None:
    text = report.get("ok") if isinstance(report, dict) else None
    found = _VERSION.search(text) if isinstance(text, str) else None
    return found[1] if found else None
