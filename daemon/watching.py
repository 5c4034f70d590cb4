"""Builds what watches a site: the watch over its entries and daemons, and the courier that carries alerts and pings out."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable
from pathlib import Path

from daemon.alerts import Courier, read_channels
from daemon.clock import SECOND_US, Clock
from daemon.dispatch import BrokerState, CelerySide, SiteDispatcher, make_presence
from daemon.ports import Emit
from daemon.public import Public
from daemon.scheduler.model import Entry
from daemon.scheduler.watch import Alert, Collaborators, Telling, Watch, WatchPlan
from daemon.settings import Settings
from daemon.watch_events import FeedAlarmEnded, FeedAlarmRaised


def node_name(state_dir: Path) -> Public:
    """Name a daemon among those of its site: the same after a restart, and unlike any other, for it alone holds its state folder."""
    place = hashlib.blake2b(str(state_dir.absolute()).encode(), digest_size=3).hexdigest()
    return Public(f"{socket.gethostname()}-{place}")


def feed_alert(event: FeedAlarmRaised | FeedAlarmEnded, settings: Settings, now_us: int) -> Alert:
    """Make what people are told of a feed."""
    return Alert(
        settings.site.name,
        node_name(settings.site.state_dir),
        entry=None,
        daemon=None,
        what=Public(event.what.value),
        at_us=now_us,
        since_us=event.since_us,
        is_over=isinstance(event, FeedAlarmEnded),
        feed=event.feed,
    )


def make_watching(
    settings: Settings,
    side: CelerySide,
    dispatcher: SiteDispatcher,
    clock: Clock,
    emit: Emit,
    *,
    entry_of: Callable[[str], Entry | None],
    telling: Callable[[], Telling],
    is_moving: Callable[[], bool],
) -> tuple[Watch, Courier]:
    """Make both; nothing is opened. Entries are watched from when the scheduler first plans them.

    Args:
        settings: of the site.
        side: its Celery side.
        dispatcher: the way to the broker.
        clock: the daemon's.
        emit: takes events.
        entry_of: gives an entry of the schedule as it is now.
        telling: says what is heard of runs at present.
        is_moving: says whether the schedule makes progress.
    """
    section, name = settings.watch, settings.site.name

    def may_ping() -> bool:
        return is_moving() and dispatcher.seen.state is BrokerState.UP

    courier = Courier(read_channels(section), emit, may_ping=may_ping)
    plan = WatchPlan(
        name,
        node_name(settings.site.state_dir),
        again_us=round(section.again * SECOND_US),
        task=section.task,
        queue=section.queue,
    )
    presence = make_presence(side, name)
    beside = Collaborators(
        dispatcher,
        courier,
        clock,
        emit,
        presence=presence,
        telling=telling,
        is_moving=is_moving,
        # Without a place to meet there is one active daemon; the others hear of nothing, and see the broker as down.
        may_watch=(lambda: dispatcher.seen.state is BrokerState.UP) if presence is None else (lambda: True),
        entry_of=entry_of,
    )
    return Watch(plan, (), beside), courier
