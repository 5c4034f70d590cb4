"""The tasks' part of the API over real HTTP and a real server, and what it wrote into the audit trail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from daemon.api.tasks import Looks, sending_resources, task_channels, task_resources
from daemon.clock import SystemClock
from daemon.deeds import Deed
from daemon.dispatch import CelerySide
from daemon.dispatch.celery_line import CeleryLine
from daemon.dispatch.task_desk import SiteTaskDesk
from daemon.dispatch.task_origins import TaskOrigins
from daemon.errors import AuditFailed
from shim.app import KnownTask
from tests.support.api_serving import Asking, asking
from tests.support.publishing import until
from tests.support.running import running


class Written:
    """An audit trail that keeps deeds in memory, and can be full."""

    def __init__(self) -> None:
        self.deeds: list[Deed] = []
        self.is_full = False

    async def record(self, deed: Deed) -> None:
        if self.is_full:
            message = "the disk is full"
            raise AuditFailed(message)
        self.deeds.append(deed)

    @property
    def kinds(self) -> list[str]:
        return [deed.kind.value for deed in self.deeds]


@dataclass
class Tasks:
    """What a test has in hand."""

    api: Asking
    desk: SiteTaskDesk
    line: CeleryLine
    written: Written = field(default_factory=Written)


@asynccontextmanager
async def serving_tasks(
    url: str,
    *,
    conf: dict[str, Any] | None = None,
    known: Sequence[str] = (),
    show_tasks: Sequence[str] = (),
    is_served: bool = False,
    folder: Path = Path("/nonexistent"),
) -> AsyncIterator[Tasks]:
    """Serve tasks of an application at ``url``; ``known`` are those somebody told of."""
    side = CelerySide(
        {"broker_url": url, "result_backend": url, **(conf or {})}, {name: KnownTask(name) for name in known}
    )
    clock, written = SystemClock(), Written()
    line = CeleryLine(side, clock)
    desk = SiteTaskDesk(line, side, "testsite", TaskOrigins((), (), folder), clock)
    looks = Looks(desk, written, clock, show_tasks)
    resources = (*task_resources(looks), *sending_resources(looks, is_served=is_served))
    async with running((line, desk)):
        with anyio.fail_after(30):
            await until(lambda: line.is_open)
        async with asking(resources, task_channels(looks)) as api:
            yield Tasks(api, desk, line, written)


async def until_heard(tasks: Tasks, task_id: str, state: str) -> None:
    """Wait until the event stream has told of a task."""
    await until(lambda: (seen := tasks.desk.heard(task_id)) is not None and seen.state == state)
