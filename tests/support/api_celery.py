"""Workers, queues and Flower's paths served over HTTP, beside a real broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio

from daemon.api.flower import flower_resources
from daemon.api.queues import queue_resources
from daemon.api.workers import worker_resources
from daemon.clock import SystemClock
from daemon.deeds import Deed
from daemon.dispatch.celery_line import CeleryLine
from daemon.dispatch.celery_side import CelerySide
from daemon.dispatch.feeding import Feeder
from daemon.dispatch.flower_desk import SiteFlowerDesk
from daemon.dispatch.queue_desk import SiteQueueDesk
from daemon.dispatch.queue_watch import QueueWatch
from daemon.dispatch.site_queues import SiteQueues
from daemon.dispatch.worker_desk import SiteWorkerDesk
from daemon.dispatch.worker_looks import WorkerLooks
from daemon.errors import AuditFailed, BrokerDown
from shim.client import BrokerKind
from tests.support.api_serving import Asking, asking

LIMIT_S = 15.0


class Deeds:
    """Keeps what is recorded; refuses to while it is full."""

    def __init__(self) -> None:
        self.kept: list[Deed] = []
        self.is_full = False

    async def record(self, deed: Deed) -> None:
        if self.is_full:
            message = "the disk is full"
            raise AuditFailed(message)
        self.kept.append(deed)

    @property
    def kinds(self) -> list[str]:
        return [deed.kind.value for deed in self.kept]


@dataclass
class CeleryApi:
    """What is served, and what is behind it."""

    asking: Asking
    deeds: Deeds
    line: CeleryLine
    watch: QueueWatch

    async def ask(self, path: str, **options: Any) -> Any:
        reply = await self.asking.ask(path, **options)
        assert reply.status == 200, (reply.status, reply.text)
        return reply.body

    async def until(self, path: str, is_so: Any, **options: Any) -> Any:
        """Ask again and again until the answer is as wanted."""
        with anyio.fail_after(LIMIT_S):
            while True:
                reply = await self.asking.ask(path, **options)
                if reply.status == 200 and is_so(reply.body):
                    return reply.body
                await anyio.sleep(0.05)


def is_ready(line: CeleryLine) -> bool:
    """Say whether the client is open, and events are heard where they are followed."""
    try:
        kind = line.client.kind
    except BrokerDown:
        return False
    return kind is not BrokerKind.REDIS or line.state.listening_since_at is not None


@asynccontextmanager
async def serving_celery(
    url: str,
    *,
    feeders: Sequence[Feeder] = (),
    show_tasks: Sequence[str] = (),
    conf: dict[str, Any] | None = None,
) -> AsyncIterator[CeleryApi]:
    """Serve everything that is asked of workers and queues of one broker."""
    clock = SystemClock()
    side = CelerySide(
        {"broker_url": url, **({"result_backend": url} if url.startswith("redis") else {}), **(conf or {})}
    )
    line = CeleryLine(side, clock)
    looks, queues = WorkerLooks(line, clock), SiteQueues(line, clock, lambda: feeders)
    watch, deeds = QueueWatch(line, looks, queues, clock), Deeds()
    resources = (
        *worker_resources(SiteWorkerDesk(line, looks, queues, clock, app="ward"), deeds),
        *queue_resources(SiteQueueDesk(line, looks, queues, watch, clock), deeds),
        *flower_resources(SiteFlowerDesk(line, looks, clock), deeds, show_tasks=show_tasks),
    )
    async with asking(resources) as served, anyio.create_task_group() as tasks:
        await line.open()
        tasks.start_soon(line.serve)
        with anyio.fail_after(LIMIT_S):
            while not is_ready(line):  # noqa: ASYNC110 - it tells nobody
                await anyio.sleep(0.005)
        yield CeleryApi(served, deeds, line, watch)
        await line.drain()
