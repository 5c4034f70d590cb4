"""The first screen: what is wrong now, in words, and the figures of each side."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import anyio

from daemon.api.alerts.views import AlertView, alert_view
from daemon.api.feeds.views import TrafficView
from daemon.api.http.asked import Asked
from daemon.api.http.caller import Role
from daemon.api.http.resource import Resource
from daemon.api.roles import acting
from daemon.clock import SECOND_US, Clock, instant
from daemon.desks import (
    AlertDesk,
    BrokerCard,
    FeedDesk,
    FeedRow,
    FeedsCard,
    FeedState,
    OccurrencesCard,
    QueuesCard,
    Severity,
    SpoolCard,
    WorkersCard,
)
from daemon.errors import DaemonError
from daemon.public import Public

T = TypeVar("T")
ASK_LIMIT_S = 3.0
FRESH_S = 2.0
"""So long a look serves all who ask."""

PROBLEMS_SHOWN = 50
QUARTER_S = 900
_DOWN = (FeedState.DOWN, FeedState.PAUSED)


@dataclass(frozen=True, slots=True)
class Cards:
    """The figures of each side; ``None`` where it cannot be asked at present, or does not exist."""

    feeds: FeedsCard
    spool: SpoolCard
    broker: BrokerCard
    occurrences: OccurrencesCard | None
    queues: QueuesCard | None
    workers: WorkersCard | None


@dataclass(frozen=True, slots=True)
class OverviewView:
    """How the site is.

    Attributes:
        severity: ``ok``, ``warning`` or ``critical``: of the gravest that is neither acknowledged nor silenced.
        problems: what is wrong, the gravest first; ``problems_total`` counts those that are not shown as well.
        traffic: messages of the last day by quarters of an hour, for each feed.
    """

    site: str
    version: str
    checked_at: datetime
    severity: str
    problems: Sequence[AlertView]
    problems_total: int
    cards: Cards
    traffic: Sequence[TrafficView]


@dataclass(frozen=True, slots=True)
class Sights:
    """What can be asked of each side."""

    feeds: FeedDesk
    alerts: AlertDesk
    spool: Callable[[], SpoolCard]
    broker: Callable[[], BrokerCard]
    occurrences: Callable[[], Awaitable[OccurrencesCard | None]] | None = None
    queues: Callable[[], Awaitable[QueuesCard | None]] | None = None
    workers: Callable[[], Awaitable[WorkersCard | None]] | None = None


class Overview:
    """Looks at all sides at once; one look serves all who ask within two seconds."""

    def __init__(self, site: Public, version: Public, sights: Sights, clock: Clock) -> None:
        """Keep whom to ask."""
        self._site, self._version = site, version
        self._sights = sights
        self._clock = clock
        self._turn = anyio.Lock()
        self._cards: Cards | None = None
        self._looked_s = 0.0

    async def view(self, role: Role) -> OverviewView:
        """Say how the site is, to somebody of a role."""
        cards = await self._look()
        now_us = self._clock.now_us()
        rows = [row for row in self._sights.alerts.rows() if row.closed_us is None]
        loud = {row.severity for row in rows if row.acknowledged is None and row.silence is None}
        return OverviewView(
            self._site,
            self._version,
            instant(now_us),
            next((one.value for one in (Severity.CRITICAL, Severity.WARNING) if one in loud), "ok"),
            [alert_view(row, role) for row in rows[:PROBLEMS_SHOWN]],
            len(rows),
            cards,
            [_traffic(row, now_us) for row in self._sights.feeds.rows()],
        )

    async def _look(self) -> Cards:
        async with self._turn:
            now_s = self._clock.monotonic_s()
            if self._cards is None or now_s - self._looked_s >= FRESH_S:
                self._cards = await self._gather()
                self._looked_s = now_s
            return self._cards

    async def _gather(self) -> Cards:
        sights = self._sights
        asked: dict[str, Any] = {}

        async def ask(name: str, question: Callable[[], Awaitable[Any]] | None) -> None:
            asked[name] = None if question is None else await _within(question)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "occurrences", sights.occurrences)
            tasks.start_soon(ask, "queues", sights.queues)
            tasks.start_soon(ask, "workers", sights.workers)
        return Cards(feeds_card(sights.feeds.rows()), sights.spool(), sights.broker(), **asked)


async def _within(question: Callable[[], Awaitable[T]]) -> T | None:
    """Ask one side; one that is away, or slow, does not keep the others."""
    try:
        with anyio.fail_after(ASK_LIMIT_S):
            return await question()
    except (DaemonError, TimeoutError):
        return None


def feeds_card(rows: Sequence[FeedRow]) -> FeedsCard:
    """Add the feeds up."""
    return FeedsCard(
        total=len(rows),
        up=sum(row.state not in _DOWN for row in rows),
        paused=sum(row.state is FeedState.PAUSED for row in rows),
        last_hour=sum(row.last_hour for row in rows),
        waiting=sum(row.waiting for row in rows),
        oldest_s=max((row.oldest_s for row in rows), default=0.0),
    )


def _traffic(row: FeedRow, now_us: int) -> TrafficView:
    quarter_us = QUARTER_S * SECOND_US
    first = now_us // quarter_us - len(row.day) + 1
    return TrafficView(row.name, QUARTER_S, instant(first * quarter_us), row.day, ())


def overview_resources(overview: Overview) -> tuple[Resource, ...]:
    """List what can be asked."""

    async def view(asked: Asked) -> Any:
        return await overview.view(acting(asked.caller))

    return (Resource("GET", "/api/overview", view, "Say how the site is", "overview", answers=OverviewView),)
