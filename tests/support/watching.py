"""Schedulers that are watched, on a virtual-time loop with a model of a broker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio

from daemon.clock import SECOND_US
from daemon.errors import BrokerDown
from daemon.keys import occurrence_id
from daemon.public import Public
from daemon.scheduler import Entry, Scheduler
from daemon.scheduler.model import Expectation
from daemon.scheduler.run import Run, RunState
from daemon.scheduler.watch import Alert, Collaborators, Telling, Watch, WatchPlan
from tests.support.broker_model import BrokerModel, Link
from tests.support.clock import START_US, VirtualClock, run_virtual
from tests.support.scheduling import SITE, every

E = TypeVar("E")
S = SECOND_US


def expecting(
    seconds: float, name: str = "e", *, start: float | None = 60, finish: float | None = None, **more: Any
) -> Entry:
    """Make an entry of whose runs something is expected."""
    expect = Expectation(_us(start), _us(finish), more.pop("ping", None))
    return every(seconds, name, expect=expect, **more)


def _us(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * S)


@dataclass(slots=True)
class Place:
    """Where the daemons of a test see each other."""

    broker: BrokerModel
    seen_us: dict[str, int] = field(default_factory=dict)

    async def show(self, me: str, facts: Mapping[str, object] | None) -> tuple[dict[str, int], int]:
        if self.broker.is_down:
            message = "away"
            raise BrokerDown(message)
        if facts is not None:
            self.seen_us[me] = self.broker.clock.now_us()
        return dict(self.seen_us), self.broker.clock.now_us()

    async def leave(self, me: str) -> None:
        self.seen_us.pop(me, None)

    async def close(self) -> None:
        pass


@dataclass(slots=True)
class Ears:
    """Takes alerts and pings, and keeps them."""

    alerts: list[Alert] = field(default_factory=list)
    pings: list[str] = field(default_factory=list)

    def tell(self, alert: Alert) -> None:
        self.alerts.append(alert)

    def ping(self, url: str) -> None:
        self.pings.append(url)


@dataclass(slots=True)
class Watched:
    """A daemon: its scheduler, its watch, its link, and what it said and told."""

    scheduler: Scheduler
    watch: Watch
    link: Link
    said: list[object]
    ears: Ears
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    is_moving: bool = True

    def heard(self, kind: type[E]) -> list[E]:
        """Give the events of one kind."""
        return [event for event in self.said if isinstance(event, kind)]

    async def run(self) -> None:
        """Run until ended."""
        with self.scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.scheduler.serve)
                tasks.start_soon(self.watch.serve)

    def kill(self) -> None:
        """End it where it stands."""
        self.scope.cancel()


@dataclass(slots=True)
class WatchedWorld:
    """A broker, the daemons that use it, and the history they all read."""

    tasks: anyio.abc.TaskGroup
    broker: BrokerModel
    place: Place
    daemons: list[Watched] = field(default_factory=list)
    telling: Telling = field(default_factory=Telling)

    def start(self, *entries: Entry, **plan: Any) -> Watched:
        """Start a daemon."""
        said: list[object] = []
        me = Public(f"d{len(self.daemons)}")
        clock, link, ears = VirtualClock(), self.broker.link(), Ears()

        def emit(event: object) -> None:
            said.append(event)
            watch.hear(event)

        watch = Watch(
            WatchPlan(SITE, me, **plan),
            entries,
            Collaborators(
                link,
                ears,
                clock,
                emit,
                presence=self.place,
                telling=lambda: self.telling,
                is_moving=lambda: made.is_moving,
            ),
        )
        scheduler = Scheduler(SITE, entries, link, clock, emit, by=me, planned=watch.planned)
        made = Watched(scheduler, watch, link, said, ears)
        self.daemons.append(made)
        self.tasks.start_soon(made.run)
        return made

    def run_is(self, state: RunState, occurrence_s: float, name: str = "e", **more: Any) -> None:
        """Have every daemon hear how far the run of an occurrence has come."""
        at_us = START_US + round(occurrence_s * S)
        now_us = self.broker.clock.now_us()
        task_id = occurrence_id(SITE, name, at_us)
        run = Run(name, name, at_us, state, settled_us=more.pop("settled_us", now_us), task_id=task_id, **more)
        for daemon in self.daemons:
            if not daemon.scope.cancel_called:
                daemon.watch.changed(run, None)

    @property
    def alerts(self) -> list[tuple[str, str, float, bool]]:
        """Everything that was told by anyone: about whom, what, of which second, and whether it is over."""
        return [
            (str(one.entry or one.daemon), str(one.what), (one.at_us - START_US) / S, one.is_over)
            for daemon in self.daemons
            for one in daemon.ears.alerts
        ]

    @property
    def pushed(self) -> list[str]:
        """The tasks in the broker's queues."""
        return [one.task for queue in self.broker.queues.values() for one in queue]


def watched(story: Callable[[WatchedWorld], Awaitable[None]]) -> Callable[[], None]:
    """Make a test of a coroutine that is handed a world."""

    async def main() -> None:
        clock = VirtualClock()
        async with anyio.create_task_group() as tasks:
            broker = BrokerModel(clock)
            await story(WatchedWorld(tasks, broker, Place(broker)))
            tasks.cancel_scope.cancel()

    def test() -> None:
        run_virtual(main)

    test.__name__, test.__doc__ = story.__name__, story.__doc__
    return test
