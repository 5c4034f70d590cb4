"""Workers, queues and what Flower shows: desks over one Celery client, which share what they have asked."""

from __future__ import annotations

from collections.abc import Iterable

from daemon.clock import Clock
from daemon.dispatch.celery_line import CeleryLine
from daemon.dispatch.celery_side import CelerySide
from daemon.dispatch.feeding import site_feeders
from daemon.dispatch.flower_desk import SiteFlowerDesk
from daemon.dispatch.queue_desk import SiteQueueDesk
from daemon.dispatch.queue_watch import QueueWatch
from daemon.dispatch.site_queues import SiteQueues
from daemon.dispatch.worker_desk import SiteWorkerDesk
from daemon.dispatch.worker_looks import WorkerLooks
from daemon.hl7listener.feed import Feed
from daemon.scheduler.model import Entry

APP = "APP"


class CeleryDesks:
    """What the API asks.

    Attributes:
        watch: a service that counts what waits, once a minute.
        zone: of the application, for instants that have none; ``None``: UTC.
    """

    def __init__(
        self, line: CeleryLine, side: CelerySide, entries: Iterable[Entry], feeds: Iterable[Feed], clock: Clock
    ) -> None:
        """Make all of it; nothing is asked yet."""
        feeders = tuple(site_feeders(entries, feeds))
        looks, queues = WorkerLooks(line, clock), SiteQueues(line, clock, lambda: feeders)
        self.watch = QueueWatch(line, looks, queues, clock)
        app = side.app.app if side.app is not None else APP
        self.workers = SiteWorkerDesk(line, looks, queues, clock, app=app)
        self.queues = SiteQueueDesk(line, looks, queues, self.watch, clock)
        self.flower = SiteFlowerDesk(line, looks, clock, side.tasks)
        zone = side.conf.get("timezone")
        self.zone: str | None = zone if isinstance(zone, str) else None
