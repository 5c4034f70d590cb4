"""Days of schedulers that are killed, lied to and cut off, in seconds, and the same again for the same seed.

Daemons share a model of a broker. Whatever is random comes from one seed: kills at await points, lost requests and replies,
requests that arrive late, outages, fail-overs that lose writes, clocks that are off. The storm ends in a quiet phase.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio

from daemon import schedule_events
from daemon.clock import SECOND_US, microseconds
from daemon.keys import entries_ledger, occurrence_id
from daemon.public import Public
from daemon.scheduler import Entry, Scheduler
from daemon.scheduler.model import CatchUp, CatchUpPolicy, parse_horizon
from daemon.scheduler.triggers import Cron, Dst, Interval, Trigger
from tests.support.broker_model import BrokerModel, Fate, Hook, Killed, Link
from tests.support.clock import VirtualClock, run_virtual

SITE = Public("lab")
QUIET_S = 930.0
"""Not a whole number of minutes: at the very end nothing is due."""
DAY_S = 86_400.0

MakeLink = Callable[[BrokerModel, Hook, Callable[[], Fate]], Link]


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad it gets. Rates are for each await point or call, pauses are mean seconds, a delay is the longest one way."""

    kills: float = 0.0
    lost_requests: float = 0.0
    lost_replies: float = 0.0
    held_requests: float = 0.0
    delay_s: float = 0.0
    outage_every_s: float = 0.0
    failover_every_s: float = 0.0
    clock_off_s: float = 0.0
    clock_jump_every_s: float = 0.0


STORM = Weather(
    kills=0.004,
    lost_requests=0.03,
    lost_replies=0.03,
    held_requests=0.01,
    delay_s=0.3,
    outage_every_s=7200.0,
    clock_off_s=5.0,
    clock_jump_every_s=14_400.0,
)


@dataclass(slots=True)
class Outcome:
    """What a simulation came to.

    Attributes:
        due: the ids of all occurrences of each entry, from its adoption to the end of the quiet phase.
        pushed: how often each id is in a queue.
        told_skipped: ids of occurrences that some daemon reported as skipped.
    """

    entries: Sequence[Entry]
    due: dict[str, list[str]] = field(default_factory=dict)
    pushed: Counter[str] = field(default_factory=Counter)
    told_skipped: set[str] = field(default_factory=set)
    log: list[object] = field(default_factory=list)
    kills: int = 0
    outages: int = 0
    failovers: int = 0

    def missing(self, policy: CatchUpPolicy) -> list[str]:
        """Give the occurrences of all entries of one policy that are in no queue."""
        chosen = [entry for entry in self.entries if entry.catch_up.policy is policy]
        return [one for entry in chosen for one in self.due[entry.name] if one not in self.pushed]

    @property
    def repeated(self) -> list[str]:
        """Give the occurrences that are in a queue more than once."""
        return [one for one, count in self.pushed.items() if count > 1]

    @property
    def strangers(self) -> list[str]:
        """Give what is in a queue and is no occurrence of any entry."""
        known = {one for due in self.due.values() for one in due}
        return [one for one in self.pushed if one not in known]


def make_entries(chance: random.Random, count: int) -> list[Entry]:
    """Make entries of every kind; three of five run each occurrence."""
    entries = []
    for number in range(count):
        policy = chance.choice((CatchUpPolicy.ALL,) * 3 + (CatchUpPolicy.ONE, CatchUpPolicy.SKIP))
        name = Public(f"{policy.value}-{number}")
        entries.append(Entry(name, Public("task"), _trigger(chance), CatchUp(policy), queue=Public(f"q{number % 3}")))
    return entries


def _trigger(chance: random.Random) -> Trigger:
    if chance.random() < 0.6:
        return Interval(chance.choice((300, 777, 1800, 3600, 7200)) * SECOND_US, chance.randrange(10**8))
    expression = chance.choice(
        ("*/10 * * * *", "0 * * * *", "30 1 * * *", "0,30 2 * * *", "*/20 1-3 * * *", "15 14 * * 1-6")
    )
    zone = chance.choice(("UTC", "Europe/London", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"))
    return Cron(expression, zone, chance.choice((Dst.CRON, Dst.INSTANT)))


def simulate(
    seed: int, *, days: float, weather: Weather, daemons: int = 3, count: int = 40, make_link: MakeLink | None = None
) -> Outcome:
    """Let daemons run for so many days of bad weather, and a quiet phase."""
    storm = _Storm(random.Random(seed), weather, days * DAY_S, make_link)
    return run_virtual(lambda: storm.run(daemons, count))


class _Storm:
    def __init__(self, chance: random.Random, weather: Weather, length_s: float, make_link: MakeLink | None) -> None:
        self.chance = chance
        self.weather = weather
        self.length_s = length_s
        self.make_link = make_link
        self.start_us = microseconds(
            chance.choice((datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 3, 28, tzinfo=UTC)))
        )
        self.broker = BrokerModel(VirtualClock(self.start_us), call_limit=20_000_000)
        self.outcome = Outcome([])
        self.links: list[Link] = []
        self.is_quiet = True
        self.begun_us: dict[str, int] = {}

    async def run(self, daemons: int, count: int) -> Outcome:
        self.outcome.entries = make_entries(self.chance, count)
        async with anyio.create_task_group() as tasks:
            for _ in range(daemons):
                tasks.start_soon(self._daemon)
            await anyio.sleep(0.5)
            self._note_adoption()
            self.is_quiet = False
            tasks.start_soon(self._outages)
            tasks.start_soon(self._failovers)
            tasks.start_soon(self._thaws)
            await anyio.sleep(self.length_s)
            self.is_quiet = True
            self.broker.is_down = False
            for link in self.links:
                link.thaw()
            await anyio.sleep(QUIET_S)
            tasks.cancel_scope.cancel()
        self._sum_up()
        return self.outcome

    # -- daemons -------------------------------------------------------------------------------------------------------

    async def _daemon(self) -> None:
        while True:
            clock = VirtualClock(self.start_us)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._jumps, clock)
                try:
                    await Scheduler(SITE, self.outcome.entries, self._link(), clock, self._hear).serve()
                except Killed:
                    self.outcome.kills += 1
                tasks.cancel_scope.cancel()
            await anyio.sleep(self.chance.expovariate(1 / 60.0))

    async def _jumps(self, clock: VirtualClock) -> None:
        """Set a daemon's clock wrong when it starts, and again now and then; in the quiet phase it is right."""
        clock.start_us += self._clock_error()
        while self.weather.clock_jump_every_s:
            await anyio.sleep(self.chance.expovariate(1 / self.weather.clock_jump_every_s))
            clock.start_us = self.start_us + self._clock_error() * self.chance.choice((1, 1, 1, 600))

    def _clock_error(self) -> int:
        return 0 if self.is_quiet else round(self.chance.uniform(-1, 1) * self.weather.clock_off_s * SECOND_US)

    def _link(self) -> Link:
        made = (self.make_link or Link)(self.broker, self._at_await_point, self._fate)
        made.delay_s = self.chance.uniform(0.0, self.weather.delay_s)
        self.links.append(made)
        return made

    async def _at_await_point(self, point: str) -> None:
        del point
        if not self.is_quiet and self.chance.random() < self.weather.kills:
            raise Killed

    def _fate(self) -> Fate:
        if self.is_quiet:
            return Fate.WELL
        weather, dice = self.weather, self.chance.random()
        for fate, rate in (
            (Fate.LOSE_REQUEST, weather.lost_requests),
            (Fate.LOSE_REPLY, weather.lost_replies),
            (Fate.HOLD_REQUEST, weather.held_requests),
        ):
            if dice < rate:
                return fate
            dice -= rate
        return Fate.WELL

    # -- the broker ----------------------------------------------------------------------------------------------------

    async def _outages(self) -> None:
        while self.weather.outage_every_s:
            await anyio.sleep(self.chance.expovariate(1 / self.weather.outage_every_s))
            if not self.is_quiet:
                self.outcome.outages += 1
                self.broker.is_down = True
                await anyio.sleep(self.chance.choice((1.0, 10.0, 100.0, 900.0)))
                self.broker.is_down = False

    async def _failovers(self) -> None:
        while self.weather.failover_every_s:
            await anyio.sleep(self.chance.expovariate(1 / self.weather.failover_every_s))
            recent = len(self.broker.journal) - len(self.outcome.entries)
            if not self.is_quiet and recent > 0:
                self.outcome.failovers += 1
                self.broker.forget_last(min(self.chance.randrange(1, 12), recent))

    async def _thaws(self) -> None:
        while self.weather.held_requests:
            await anyio.sleep(self.chance.expovariate(1 / 300.0))
            for link in self.links:
                link.thaw()

    # -- the sum -------------------------------------------------------------------------------------------------------

    def _hear(self, event: object) -> None:
        if not isinstance(event, schedule_events.EntryPlanned):
            self.outcome.log.append(event)

    def _note_adoption(self) -> None:
        for name, text in self.broker.ledgers[entries_ledger(SITE)].items():
            horizon = parse_horizon(text)
            assert horizon is not None
            self.begun_us[name] = horizon.at_us

    def _sum_up(self) -> None:
        outcome, end_us = self.outcome, self.start_us + round((self.length_s + QUIET_S) * SECOND_US)
        outcome.pushed.update(self.broker.ids)
        by_name = {str(entry.name): entry for entry in outcome.entries}
        for name, entry in by_name.items():
            outcome.due[name] = [occurrence_id(SITE, name, at) for at in _instants(entry, self.begun_us[name], end_us)]
        for event in outcome.log:
            if isinstance(event, schedule_events.OccurrencesSkipped):
                entry = by_name[event.entry]
                told = _instants(entry, event.first_us - 1, event.last_us)
                outcome.told_skipped.update(occurrence_id(SITE, entry.name, at) for at in told)


def _instants(entry: Entry, after_us: int, until_us: int) -> list[int]:
    found = []
    at_us = entry.trigger.next_after(after_us)
    while at_us is not None and at_us <= until_us:
        found.append(at_us)
        at_us = entry.trigger.next_after(at_us)
    return found
