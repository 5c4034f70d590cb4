"""Schedulers on a virtual-time loop, with a model of a broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

import anyio

from daemon import schedule_events
from daemon.clock import SECOND_US, Clock
from daemon.keys import occurrence_id
from daemon.public import Public
from daemon.scheduler import Entry, Scheduler
from daemon.scheduler.model import CatchUp, CatchUpPolicy
from daemon.scheduler.triggers import Cron, Interval
from tests.support.broker_model import BrokerModel, Link, Pushed
from tests.support.clock import START_US, VirtualClock, run_virtual

SITE = Public("lab")
E = TypeVar("E")

HOUR_S = 3600.0
DAY_S = 86_400.0


def every(seconds: float, name: str = "e", *, policy: CatchUpPolicy = CatchUpPolicy.ONE, **more: Any) -> Entry:
    """Make an entry with an interval."""
    window_us = more.pop("window_us", None)
    trigger = Interval(round(seconds * SECOND_US))
    return Entry(Public(name), Public(f"task.{name}"), trigger, CatchUp(policy, window_us), **more)


def cron(expression: str, name: str = "e", *, zone: str = "UTC", policy: CatchUpPolicy = CatchUpPolicy.ONE) -> Entry:
    """Make an entry with a cron expression."""
    return Entry(Public(name), Public(f"task.{name}"), Cron(expression, zone), CatchUp(policy))


def ids(entry: Entry, *offsets_s: float) -> list[str]:
    """Give the task ids of the occurrences so many seconds after the start of virtual time."""
    return [occurrence_id(SITE, entry.name, START_US + round(offset * SECOND_US)) for offset in offsets_s]


def due_between(entry: Entry, start_s: float, end_s: float) -> list[float]:
    """Give the occurrences in (start, end], in seconds since the start of virtual time."""
    found = []
    at_us = entry.trigger.next_after(START_US + round(start_s * SECOND_US))
    while at_us is not None and at_us <= START_US + round(end_s * SECOND_US):
        found.append((at_us - START_US) / SECOND_US)
        at_us = entry.trigger.next_after(at_us)
    return found


@dataclass(slots=True)
class Daemon:
    """One scheduler, its clock, its link, and what it said."""

    scheduler: Scheduler
    clock: VirtualClock
    link: Link
    said: list[object] = field(default_factory=list)

    def heard(self, kind: type[E]) -> list[E]:
        """Give the events of one kind."""
        return [event for event in self.said if isinstance(event, kind)]

    @property
    def enqueued(self) -> list[float]:
        """Give the occurrences this daemon enqueued, in seconds since the start of virtual time."""
        return [
            (event.occurrence_us - START_US) / SECOND_US for event in self.heard(schedule_events.OccurrenceEnqueued)
        ]


@dataclass(slots=True)
class World:
    """A broker, and the daemons that use it."""

    tasks: anyio.abc.TaskGroup
    broker: BrokerModel
    clock: Clock

    def daemon(self, entries: Sequence[Entry], *, link: Link | None = None) -> Daemon:
        """Make a daemon without starting it."""
        said: list[object] = []
        clock = VirtualClock()
        link = link or self.broker.link()
        return Daemon(Scheduler(SITE, entries, link, clock, said.append), clock, link, said)

    def start(self, *entries: Entry, link: Link | None = None) -> Daemon:
        """Start a daemon."""
        daemon = self.daemon(entries, link=link)
        self.tasks.start_soon(daemon.scheduler.serve)
        return daemon

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        await anyio.sleep(seconds)

    @property
    def ids(self) -> list[str]:
        """The ids of all messages in the broker, as they were pushed."""
        return self.broker.ids


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """Make a broker; in the end all daemons are ended where they stand."""
    clock = VirtualClock()
    async with anyio.create_task_group() as tasks:
        yield World(tasks, BrokerModel(clock), clock)
        tasks.cancel_scope.cancel()


def in_world(story: Callable[[World], Awaitable[None]]) -> None:
    """Run a story on a virtual loop."""

    async def main() -> None:
        async with world() as made:
            await story(made)

    run_virtual(main)


def story(told: Callable[[World], Awaitable[None]]) -> Callable[[], None]:
    """Make a test of a coroutine that is handed a world."""

    @wraps(told)
    def test() -> None:
        in_world(told)

    del test.__wrapped__
    return test


def lateness_s(one: Pushed, occurrence_s: float) -> float:
    """Give how long after its instant, counted from the start of the world, an occurrence was pushed."""
    return (one.at_us - START_US) / SECOND_US - occurrence_s
