"""Builds what people and programs ask: desks, who may ask, every resource and channel, over TCP and over the socket of this machine."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from daemon.api import Api
from daemon.api.document import document_resources
from daemon.api.feeds import feed_resources
from daemon.api.health import Check, health_resources
from daemon.api.http.resource import Channel, Resource
from daemon.api.local import LocalApi
from daemon.api.local.loopback import LoopbackAccess
from daemon.api.messages import message_resources
from daemon.audit import Trail
from daemon.clock import Clock
from daemon.dispatch import CelerySide, SiteDispatcher
from daemon.dispatch.celery_line import CeleryLine
from daemon.intake import Intake
from daemon.lifecycle import Service
from daemon.ports import Emit
from daemon.public import Public
from daemon.site import Site
from daemon.timetable import Timetable


class Reception:
    """The API of a daemon.

    Attributes:
        api: over TCP.
        line: the Celery client behind it.
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
        inherited: Sequence[socket.socket],
    ) -> None:
        """Make all of it; nothing is opened."""
        del timetable, dispatcher, trail
        settings = site.settings
        self.line = CeleryLine(side, clock)
        resources: tuple[Resource, ...] = (
            *health_resources(checks, exposition),
            *feed_resources(intake.desk, clock.now_us),
            *message_resources(intake.messages),
        )
        channels: tuple[Channel, ...] = ()
        resources = (*resources, *document_resources(resources, channels, version))
        access = LoopbackAccess()
        self.api = Api(settings.api.listen, resources, channels, access, clock, emit, inherited=inherited)
        self._local = LocalApi(settings.site.state_dir, resources, clock, emit, channels=channels)

    @property
    def behind_broker(self) -> list[Service]:
        """List what is opened after the broker."""
        return [self.line, self._local]
