"""A site under one's hands: daemons on a virtual loop that are started, told, killed and lied to one step at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from daemon.clock import SECOND_US
from daemon.scheduler import Entry, Scheduler
from tests.support.audit import Site, faults, unfinished
from tests.support.broker_model import BrokerModel, Link
from tests.support.clock import START_US, VirtualClock, VirtualLoop
from tests.support.simulation import SITE

T = TypeVar("T")

CALLS_MOST = 200_000


@dataclass(slots=True)
class Running:
    """A daemon: what it was told of the schedule, and its clock."""

    scheduler: Scheduler
    clock: VirtualClock
    link: Link
    task: asyncio.Task[None]
    knows: dict[str, Entry]


@dataclass(slots=True)
class Bench:
    """A site, its broker, its daemons.

    Attributes:
        current: the schedule as it should be.
    """

    loop: VirtualLoop = field(default_factory=VirtualLoop)
    clock: VirtualClock = field(default_factory=VirtualClock)
    site: Site = field(default_factory=lambda: Site(str(SITE)))
    broker: BrokerModel = field(init=False)
    current: dict[str, Entry] = field(default_factory=dict)
    daemons: list[Running] = field(default_factory=list)
    held_since_us: int | None = None

    def __post_init__(self) -> None:
        self.broker = BrokerModel(self.clock, call_limit=CALLS_MOST)

    @property
    def now_us(self) -> int:
        return START_US + round(self.loop.time() * SECOND_US)

    def pass_time(self, seconds: float) -> None:
        """Let time pass; a daemon that ends by itself is a fault."""
        self.loop.run_until_complete(asyncio.sleep(seconds))
        for daemon in self.daemons:
            if daemon.task.done():
                daemon.task.result()
                message = "a daemon ended by itself"
                raise AssertionError(message)

    def do(self, act: Callable[[], T]) -> T:
        """Do something at a moment of virtual time."""

        async def now() -> T:
            return act()

        return self.loop.run_until_complete(now())

    def start(self) -> None:
        """Start a daemon with the schedule as it is."""
        link, clock = self.broker.link(), VirtualClock()
        scheduler = self.do(lambda: Scheduler(SITE, self.current.values(), link, clock, _deaf))
        task = self.loop.create_task(scheduler.serve())
        self.daemons.append(Running(scheduler, clock, link, task, dict(self.current)))

    def kill(self, place: int) -> None:
        """End a daemon where it stands."""
        daemon = self.daemons.pop(place)
        daemon.task.cancel()
        with suppress(asyncio.CancelledError):
            self.loop.run_until_complete(daemon.task)

    def put(self, entry: Entry) -> None:
        """Change the schedule; no daemon was told yet."""
        self.site.put(entry)
        self.current[str(entry.id)] = entry

    def tell(self, daemon: Running) -> None:
        """Have a daemon hear of all that changed."""
        gone = daemon.knows.keys() - self.current.keys()
        if gone:
            self.do(lambda: daemon.scheduler.drop(gone))
        news = [entry for name, entry in self.current.items() if daemon.knows.get(name) is not entry]
        if news:
            self.do(lambda: daemon.scheduler.put(news))
        daemon.knows = dict(self.current)

    def hold(self) -> None:
        """Hold all schedules, or go on."""
        if self.held_since_us is None:
            self.held_since_us, self.broker.gates.held = self.now_us, "upgrade"
        else:
            self.go_on()
            self.broker.gates.held = None

    def go_on(self) -> None:
        """Note that nothing is held any more."""
        if self.held_since_us is not None:
            self.site.holds.append((self.held_since_us, self.now_us))
            self.held_since_us = None

    def end_run(self, number: int, *, succeeds: bool) -> None:
        """End one of the runs that hold places."""
        running = list(self.broker.gates.running)
        if running:
            task_id = running[number % len(running)]
            if succeeds:
                self.broker.results.add(task_id)
            self.note_revoked()
            self.site.end(task_id, self.now_us)
            freed = [scope.partition(":")[2] for scope in self.broker.gates.release([task_id])]
            for daemon in self.daemons:
                self.do(partial(daemon.scheduler.look_again, freed))

    def note_revoked(self) -> None:
        for task_id, _ in self.broker.revoked:
            self.site.end(task_id, 0)
        self.broker.revoked.clear()

    def forget_last(self, count: int) -> None:
        """Have the broker lose its last writes."""
        self.broker.forget_last(min(count, len(self.broker.journal)))

    def forget_everything(self) -> None:
        """Have the broker lose all it holds."""
        self.go_on()
        self.broker.forget_everything()

    # -- what must hold --------------------------------------------------------------------------------------------------

    def faults(self) -> list[str]:
        """Give what does not add up now."""
        self.note_revoked()
        now = [] if self.held_since_us is None else [(self.held_since_us, self.now_us + 1)]
        kept, self.site.holds = self.site.holds, self.site.holds + now
        found = faults(self.site, self.broker)
        self.site.holds = kept
        return found

    def settle(self) -> list[str]:
        """Have all be well again for three minutes, and give what is still open."""
        self.broker.is_down = False
        self.broker.gates.held = None
        self.go_on()
        for daemon in self.daemons:
            daemon.clock.start_us = START_US
            self.tell(daemon)
        if not self.daemons:
            self.start()
        self.pass_time(180)
        return self.faults() + unfinished(self.broker, self.current.values(), self.now_us - 10 * SECOND_US)

    def close(self) -> None:
        while self.daemons:
            self.kill(0)
        self.loop.close()


def _deaf(event: object) -> None:
    del event
