"""Builds what people and programs ask: desks, who may ask, every resource and channel, over TCP and over the socket of this machine."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from daemon.api import Api
from daemon.api.access import Entrance
from daemon.api.audit import audit_resources
from daemon.api.dashboard import dashboard_resources
from daemon.api.dispatch import dispatch_resources
from daemon.api.document import document_resources
from daemon.api.feeds import feed_resources
from daemon.api.flower import flower_resources
from daemon.api.health import Check, health_resources
from daemon.api.http.resource import Channel, Resource
from daemon.api.local import LocalApi
from daemon.api.messages import message_resources
from daemon.api.queues import queue_resources
from daemon.api.schedule import schedule_resources, steering_resources
from daemon.api.settings import settings_resources
from daemon.api.tasks import Looks, sending_resources, task_channels, task_resources
from daemon.api.workers import worker_resources
from daemon.audit import Trail
from daemon.audit.desk import make_trail_desk
from daemon.clock import Clock
from daemon.configuration import Configuration
from daemon.dispatch import CelerySide, SiteDispatcher
from daemon.dispatch.celery_desks import CeleryDesks
from daemon.dispatch.celery_line import CeleryLine
from daemon.dispatch.celery_watch import CeleryWatch
from daemon.dispatch.message_tasks import MessageTasks
from daemon.dispatch.task_desk import SiteTaskDesk
from daemon.dispatch.task_origins import TaskOrigins
from daemon.health import make_health, sent_items
from daemon.intake import Intake
from daemon.lifecycle import Service
from daemon.lookout import Lookout, Sides
from daemon.ports import Emit
from daemon.public import Public
from daemon.site import Site
from daemon.timetable import Timetable


class Reception:
    """The API of a daemon.

    Attributes:
        api: over TCP.
        line: the Celery client behind it.
        health: how the site is.
        tasks: what is asked of tasks.
    """

    def __init__(
        self,
        site: Site,
        side: CelerySide,
        intake: Intake,
        timetable: Timetable,
        dispatcher: SiteDispatcher,
        trail: Trail,
        clock: Clock,
        emit: Emit,
        *,
        version: Public,
        checks: Callable[[], Sequence[Check]],
        exposition: Callable[[], bytes],
        tell: Emit,
        inherited: Sequence[socket.socket],
    ) -> None:
        """Make all of it; nothing is opened."""
        settings = site.settings
        self._entrance = entrance = Entrance(settings, trail, clock, emit, version)
        self.line = CeleryLine(side, clock)
        self._watch = CeleryWatch(self.line, clock, tell, sent_items(site))
        self.health = make_health(site, version, checks, self._watch, clock)
        origins = TaskOrigins(site.entries, site.feeds, settings.site.state_dir)
        self.tasks = SiteTaskDesk(self.line, side, str(settings.site.name), origins, clock)
        self._desks = desks = CeleryDesks(self.line, side, site.entries, site.feeds, clock)
        sides = Sides(self.tasks, desks.queues, desks.workers)
        self._lookout = Lookout(site, intake, timetable, dispatcher, trail, clock, emit, version=version, sides=sides)
        looks = Looks(self.tasks, trail, clock, settings.api.show_tasks)
        resources: tuple[Resource, ...] = (
            *entrance.resources,
            *health_resources(checks, exposition, self.health),
            *feed_resources(intake.desk, clock.now_us),
            *self._lookout.resources,
            *message_resources(intake.archive, intake.messages, MessageTasks(self.line), clock.now_us),
            *task_resources(looks),
            *worker_resources(desks.workers, trail),
            *queue_resources(desks.queues, trail),
            *flower_resources(desks.flower, trail, show_tasks=settings.api.show_tasks, zone=desks.zone),
            *_schedule_resources(timetable, trail, clock),
            *audit_resources(make_trail_desk(settings, clock)),
            *settings_resources(Configuration(site)),
            *sending_resources(looks, is_served=settings.site.require_celery),
        )
        channels: tuple[Channel, ...] = (*task_channels(looks), *self._lookout.channels)
        resources = (*resources, *document_resources(resources, channels, version))
        self.api = Api(
            settings.api.listen,
            entrance.bar((*resources, *dashboard_resources())),
            channels,
            entrance.access,
            clock,
            emit,
            inherited=inherited,
            tls=entrance.certificate,
            trusted=settings.api.trusted_proxies or (),
            way=intake.spool.way,
        )
        self._local = LocalApi(settings.site.state_dir, resources, clock, emit, channels=channels)

    def hear(self, event: object) -> None:
        """Take an event into account."""
        self._lookout.hear(event)

    @property
    def front(self) -> list[Service]:
        """List what is opened before all else that is asked."""
        return [self._entrance.store, self.api]

    def look(self) -> None:
        """Have tokens and certificate looked at now."""
        self._entrance.store.look()
        self.api.look()

    @property
    def behind_broker(self) -> list[Service]:
        """List what is opened after the broker."""
        return [self.line, self.tasks, self._watch, *self._lookout.services, self._local]


def _schedule_resources(timetable: Timetable, trail: Trail, clock: Clock) -> tuple[Resource, ...]:
    reading, changing = timetable.desk.reading, timetable.desk.changing
    return (
        *schedule_resources(reading, trail, clock),
        *steering_resources(reading, changing, trail),
        *dispatch_resources(timetable.handover, reading),
    )
