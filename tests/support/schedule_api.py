"""The schedule of a site as a daemon runs it, and its API over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from daemon.api.audit import audit_resources
from daemon.api.dispatch import dispatch_resources
from daemon.api.document import document_resources
from daemon.api.schedule import schedule_resources, steering_resources
from daemon.api.settings import settings_resources
from daemon.audit import Trail
from daemon.audit.desk import make_trail_desk
from daemon.clock import Clock, SystemClock
from daemon.configuration import Configuration
from daemon.dispatch import make_dispatcher
from daemon.ports import no_fault
from daemon.public import Public
from daemon.site import Site, check_site
from daemon.timetable import Timetable
from tests.support.api_serving import Asking, asking
from tests.support.builders import site_text, write_site
from tests.support.running import running

LIMIT_S = 30.0


@dataclass(slots=True)
class Served:
    """A running schedule, and a way to ask of it."""

    site: Site
    timetable: Timetable
    trail: Trail
    api: Asking
    told: list[object] = field(default_factory=list)

    async def until(self, path: str, holds: Callable[[Any], bool], **options: Any) -> Any:
        """Ask until the answer is as wanted, and give it."""
        with anyio.fail_after(LIMIT_S):
            while True:
                reply = await self.api.ask(path, **options)
                if reply.status == 200 and holds(reply.body):
                    return reply.body
                await anyio.sleep(0.02)


def checked(folder: Path, broker_url: str, schedule: str, **more: Any) -> Site:
    """Load a site."""
    folder.mkdir(parents=True, exist_ok=True)
    found = check_site(write_site(folder, site_text(broker_url=broker_url, schedule=schedule, **more)), {})
    assert found.site is not None, [str(one) for one in found.problems]
    Path(found.site.settings.site.state_dir).mkdir(parents=True, exist_ok=True)
    return found.site


@asynccontextmanager
async def serving(site: Site, *, clock: Clock | None = None) -> AsyncIterator[Served]:
    """Run a site's schedule and serve its API."""
    clock = clock or SystemClock()
    told: list[object] = []
    timetables: list[Timetable] = []

    def emit(event: object) -> None:
        told.append(event)
        for one in timetables:
            one.hear(event)

    settings = site.settings
    name = settings.site.name
    dispatcher = make_dispatcher(site.celery, name, settings.site.state_dir, clock, emit)
    timetable = Timetable(site, site.celery, dispatcher, clock, emit, is_moving=lambda: True, at=no_fault)
    timetables.append(timetable)
    trail = Trail(settings.site.state_dir, name, settings.audit, clock, emit)
    reading, changing = timetable.desk.reading, timetable.desk.changing
    resources = (
        *schedule_resources(reading, trail, clock),
        *steering_resources(reading, changing, trail),
        *dispatch_resources(timetable.handover, reading),
        *audit_resources(make_trail_desk(settings, clock)),
        *settings_resources(Configuration(site)),
    )
    resources = (*resources, *document_resources(resources, (), Public("1")))
    async with running([dispatcher, *timetable.services]), asking(resources) as api:
        yield Served(site, timetable, trail, api, told)
