"""Builds what looks at the whole site for people: alerts, the overview, and live events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

import anyio.to_thread

from daemon.alerts import read_channels
from daemon.alerts.board import AlertBoard
from daemon.alerts.letter import TEST
from daemon.alerts.queue_look import QueueLook
from daemon.api.alerts import alert_resources
from daemon.api.http.resource import Channel, Resource
from daemon.api.live import Broadcast, live_channels
from daemon.api.live.side_sources import side_sources
from daemon.api.live.sources import own_sources
from daemon.api.overview import Overview, Sights, overview_resources
from daemon.clock import Clock, instant, microseconds
from daemon.desks import (
    BrokerCard,
    NodeState,
    OccurrencesCard,
    QueueDesk,
    QueuesCard,
    QueueState,
    WorkerDesk,
    WorkersCard,
)
from daemon.desks.tasks import TaskDesk
from daemon.dispatch import BrokerState, SiteDispatcher
from daemon.intake import Intake
from daemon.lifecycle import Service
from daemon.ports import AuditTrail, Emit
from daemon.public import Public
from daemon.scheduler.history.day import day_counts
from daemon.scheduler.watch import Alert
from daemon.site import Site
from daemon.timetable import Timetable
from daemon.watching import node_name

AWAY = "broker-unreachable"


@dataclass(frozen=True, slots=True)
class Sides:
    """Whom to ask about tasks, queues and workers."""

    tasks: TaskDesk
    queues: QueueDesk
    workers: WorkerDesk


class Lookout:
    """What looks at the whole site.

    Attributes:
        broadcast: tells those who follow what changes.
    """

    def __init__(
        self,
        site: Site,
        intake: Intake,
        timetable: Timetable,
        dispatcher: SiteDispatcher,
        audit: AuditTrail,
        clock: Clock,
        emit: Emit,
        *,
        version: Public,
        sides: Sides,
    ) -> None:
        """Make all of it; nothing is opened.

        Args:
            site: what runs.
            intake: its feeds.
            timetable: its schedule.
            dispatcher: the way to its broker.
            audit: where it is written down what people do.
            clock: the daemon's.
            emit: takes events.
            version: of the daemon.
            sides: whom to ask about tasks, queues and workers.
        """
        settings = site.settings
        self._settings, self._clock, self._dispatcher = settings, clock, dispatcher
        self._timetable = timetable
        self._board = AlertBoard(
            settings.site.state_dir,
            read_channels(settings.watch),
            clock,
            emit,
            audit,
            why=intake.why,
            test=lambda channel: timetable.courier.test(channel, self._test_alert()),
        )
        timetable.courier.mutes = self._mutes
        sights = Sights(
            intake.desk,
            self._board,
            intake.spool_card,
            self._broker,
            self._occurrences,
            lambda: queues_card(sides.queues),
            lambda: workers_card(sides.workers),
        )
        overview = Overview(settings.site.name, version, sights, clock)
        self._queue_look = QueueLook(sides.queues, self._board.observe)
        topics = (
            *own_sources(intake.desk, self._board, overview),
            *side_sources(sides.tasks, sides.queues, sides.workers, timetable.desk.reading),
        )
        self.broadcast = Broadcast(settings.site.name, version, clock, topics)
        self.resources: tuple[Resource, ...] = (
            *overview_resources(overview),
            *alert_resources(self._board, clock.now_us, lambda: self._board.looked_us or clock.now_us()),
        )
        self.channels: tuple[Channel, ...] = live_channels(self.broadcast)

    @property
    def services(self) -> list[Service]:
        """List what is opened."""
        return [self._board, self._queue_look, self.broadcast]

    def hear(self, event: object) -> None:
        """Take an event into account."""
        self._board.hear(event)

    # -- cards ---------------------------------------------------------------------------------------------------------

    def _broker(self) -> BrokerCard:
        if self._dispatcher.seen.state is BrokerState.UP:
            return BrokerCard(True, self._dispatcher.address)  # noqa: FBT003 - a card
        away = [row.since_us for row in self._board.rows() if row.code == AWAY and row.closed_us is None]
        return BrokerCard(False, self._dispatcher.address, instant(min(away)) if away else None)  # noqa: FBT003

    async def _occurrences(self) -> OccurrencesCard | None:
        if not self._timetable.is_used:
            return None
        zone = ZoneInfo(str(self._settings.site.timezone))
        today = instant(self._clock.now_us()).astimezone(zone).date()
        since_us = microseconds(datetime.combine(today, time(), zone))
        found = await anyio.to_thread.run_sync(day_counts, self._settings.site.state_dir, since_us)
        return None if found is None else OccurrencesCard(*found)

    # -- alerts --------------------------------------------------------------------------------------------------------

    def _mutes(self, alert: Alert) -> bool:
        where = alert.feed or alert.entry or alert.daemon or Public("")
        return self._board.mutes(alert.what, where)

    def _test_alert(self) -> Alert:
        now_us, site = self._clock.now_us(), self._settings.site
        return Alert(site.name, node_name(site.state_dir), None, None, Public(TEST), now_us, now_us, is_over=False)


async def queues_card(queues: QueueDesk) -> QueuesCard:
    """Add the queues up."""
    rows = (await queues.lines()).rows
    return QueuesCard(
        total=len(rows),
        waiting=sum(row.waiting for row in rows),
        oldest_s=max((row.oldest_age_s for row in rows if row.oldest_age_s is not None), default=None),
        without_consumer=[row.name for row in rows if row.state is QueueState.NO_CONSUMER],
    )


async def workers_card(workers: WorkerDesk) -> WorkersCard:
    """Add the workers up."""
    rows = (await workers.nodes()).rows
    online = [row for row in rows if row.state is NodeState.ONLINE]
    return WorkersCard(
        online=len(online),
        offline=len(rows) - len(online),
        active=sum(row.active or 0 for row in online),
        slots=sum(row.slots or 0 for row in online),
    )
