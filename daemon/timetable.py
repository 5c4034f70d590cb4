"""Everything that has to do with the schedule, built and wired together: who brings entries, who fires them, who follows runs."""

from __future__ import annotations

from collections.abc import Callable

from daemon.alerts import Courier
from daemon.clock import Clock
from daemon.dispatch import CelerySide, SiteDispatcher, make_runtime_store
from daemon.dispatch.handover import Handover
from daemon.keys import queue_scope
from daemon.lifecycle import Service
from daemon.ports import Emit, FaultPoint
from daemon.run_keeping import keep_runs
from daemon.schedule_desk import make_schedule_desk
from daemon.schedule_events import OccurrenceEnqueued
from daemon.scheduler import Scheduler
from daemon.scheduler.layers import DJANGO
from daemon.scheduler.layers.desk import ScheduleDesk
from daemon.scheduler.layers.ringing import Ringing
from daemon.scheduler.layers.service import RuntimeLayer
from daemon.scheduler.watch import Telling, Watch
from daemon.settings.watch_section import WatchSection
from daemon.site import Site
from daemon.sources.django_beat import DjangoBeat
from daemon.sources.opening import open_store
from daemon.sources.overlay import Overlay, Unchanged
from daemon.watch_events import FeedAlarmEnded, FeedAlarmRaised
from daemon.watching import feed_alert, make_watching, node_name


def make_ringing(site: Site, side: CelerySide, emit: Emit) -> Ringing | None:
    """Make the way from messages to entries; ``None`` if no route rings one, or the broker keeps no runs that are asked for."""
    if not any(route.entry is not None for feed in site.feeds for route in feed.routing.routes):
        return None
    store = make_runtime_store(side, site.settings.site.name)
    if store is None:
        return None
    return Ringing(site.settings.site.name, ScheduleDesk(site.definitions, store, site.settings.site.timezone), emit)


class Timetable:
    """The schedule of a site.

    Attributes:
        scheduler: fires its entries.
        runs: follows what becomes of them.
        desk: where people and programs look at it and change it.
        handover: what went to the broker lately.
    """

    def __init__(
        self,
        site: Site,
        side: CelerySide,
        dispatcher: SiteDispatcher,
        clock: Clock,
        emit: Emit,
        *,
        is_moving: Callable[[], bool],
        at: FaultPoint,
    ) -> None:
        """Build all of it; nothing is opened.

        Args:
            site: what to run.
            side: its Celery side, the address of a private broker filled in.
            dispatcher: the way to the broker.
            clock: the daemon's.
            emit: takes events.
            is_moving: says whether the daemon makes progress.
            at: named points.
        """
        settings = site.settings
        self._site = site
        self._clock = clock
        self._emit = emit
        self.handover = Handover(str(dispatcher.address), lambda: dispatcher.seen, clock)
        name, folder = settings.site.name, settings.site.state_dir
        self.runs = keep_runs(side, name, settings.history, folder, dispatcher, clock, emit, freed=self._freed)
        store = make_runtime_store(side, settings.site.name)
        self.scheduler = Scheduler(
            settings.site.name,
            site.entries
            if store is None
            else (),  # else the runtime layer brings them in, with what was changed of them
            dispatcher,
            clock,
            emit,
            by=node_name(settings.site.state_dir),
            runs=self.runs.book,
            counts_queues=bool(side.limits),
            planned=self._planned,
            at=at,
        )
        if store is None:
            running = {str(entry.id) for entry in site.entries}
            self.scheduler.shut([one.id for one in site.definitions if one.id not in running])
        self._runtime: RuntimeLayer | None = None
        if store is not None:
            self._runtime = RuntimeLayer(
                settings.site.timezone, site.definitions, site.entries, store, self.scheduler, clock, emit
            )
        self._django = self._follow_django()
        self._watch, self._courier = self._make_watching(side, dispatcher, is_moving)
        self.runs.book.on_change(self._watch.changed)
        self.desk = make_schedule_desk(site, side, self.scheduler, self._runtime, self.runs.book, clock)

    def _make_watching(
        self, side: CelerySide, dispatcher: SiteDispatcher, is_moving: Callable[[], bool]
    ) -> tuple[Watch, Courier]:
        tracker = self.runs.tracker
        return make_watching(
            self._site.settings,
            side,
            dispatcher,
            self._clock,
            self._emit,
            entry_of=self.scheduler.entry,
            telling=lambda: Telling(starts=tracker.tells_starts(), ends=tracker.tells_ends()),
            is_moving=is_moving,
        )

    def _follow_django(self) -> DjangoBeat | None:
        settings = self._site.settings
        if settings.django_beat is None:
            return None
        zone, store = settings.site.timezone, open_store(settings.django_beat.url)
        define = Unchanged(self.scheduler).define if self._runtime is None else self._runtime.define
        overlay = Overlay(DJANGO, zone, self._site.definitions, define, self._emit)
        return DjangoBeat(store, self._clock, self._emit, overlay, poll_s=settings.django_beat.poll)

    @property
    def is_used(self) -> bool:
        """Say whether there are entries, or there may be some."""
        return self._runtime is not None or self._django is not None or bool(self._site.entries)

    @property
    def courier(self) -> Courier:
        """The way to people."""
        return self._courier

    @property
    def services(self) -> list[Service]:
        """List the services in the order they are opened; they are drained in reverse."""
        found: list[Service] = [self._courier, self.desk]
        if self.is_used or self._site.settings.watch != WatchSection():
            found.append(self._watch)
        if self.is_used:
            found += self.runs.services
            found += [service for service in (self._django, self._runtime) if service is not None]
            found.append(self.scheduler)
        return found

    def hear(self, event: object) -> None:
        """Tell those who act on what happened."""
        self._watch.hear(event)
        self.handover.hear(event)
        if isinstance(event, (FeedAlarmRaised, FeedAlarmEnded)):
            self._courier.tell(feed_alert(event, self._site.settings, self._clock.now_us()))
        if self._django is not None and isinstance(event, OccurrenceEnqueued):
            self._django.ran(event.entry)

    def _freed(self, scopes: frozenset[str]) -> None:
        """Have the scheduler look at entries that may have waited for a place in one of these scopes."""
        shared = queue_scope("")
        self.scheduler.look_again([scope.partition(":")[2] for scope in scopes if not scope.startswith(shared)])
        if any(scope.startswith(shared) for scope in scopes):
            self.scheduler.look_at_waiting()

    def _planned(self, entry_id: str, wake_us: int | None) -> None:
        if self._runtime is not None:
            self._runtime.planned(entry_id, wake_us)
        self._watch.planned(entry_id, wake_us)
