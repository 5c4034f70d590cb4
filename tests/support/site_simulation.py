"""A site whose schedule changes while it runs: weeks of it in seconds, and the same again for the same seed.

Entries are put, changed, paused, renamed in nothing but name, dropped and put again; every daemon hears of it at another time.
Runs take places, die and fall silent; all schedules are held now and then. Around it is the weather of ``simulation``.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup

from daemon.clock import SECOND_US
from daemon.public import Public
from daemon.schedule_events import EntryPlanned
from daemon.scheduler import Entry, Scheduler
from daemon.scheduler.model import CatchUp, CatchUpPolicy, How, Limit, Overlap, OverlapPolicy, Pause, Rate
from daemon.scheduler.triggers import Cron, Interval
from daemon.scheduler.triggers.instants import Instants
from tests.support.audit import Site
from tests.support.broker_model import BrokerModel, Fate, Hook, Killed, Link
from tests.support.clock import START_US, VirtualClock, run_virtual
from tests.support.runs_model import RunsModel
from tests.support.simulation import DAY_S, SITE, MakeLink, Weather

LAG_S = 60.0
"""The longest time until a daemon hears of a change."""

QUIET_S = 1800.0
LOOK_S = 5.0
"""How often new runs are looked for."""

STALE_US = 7200 * SECOND_US
EACH, LATEST = CatchUp(CatchUpPolicy.ALL), CatchUp(CatchUpPolicy.ONE)


@dataclass(frozen=True, slots=True)
class Bustle:
    """What happens to a site; pauses between are mean seconds, 0 is never."""

    change_every_s: float = 3600.0
    job_every_s: float = 1800.0
    hold_every_s: float = 21_600.0
    deaths: float = 0.05
    silences: float = 0.02
    run_s: float = 240.0


@dataclass(slots=True)
class Weeks:
    """What a simulation came to.

    Attributes:
        current: the entries as they are at the end.
        jobs: ids that were promised for one-off entries, and their instants.
        log: what the daemons said.
    """

    site: Site
    broker: BrokerModel
    current: dict[str, Entry] = field(default_factory=dict)
    jobs: dict[str, int] = field(default_factory=dict)
    log: list[object] = field(default_factory=list)
    end_us: int = 0
    kills: int = 0
    changes: int = 0
    failovers: int = 0
    runs: int = 0


def make_site(chance: random.Random, pace: int) -> list[Entry]:
    """Make an entry of each kind; ``pace`` times slower than usual."""

    def one(name: str, every_s: int, catch_up: CatchUp = EACH, **more: Any) -> Entry:
        trigger = Interval(pace * every_s * SECOND_US, chance.randrange(10**8))
        return Entry(Public(name), Public("task"), trigger, catch_up, **more)

    entries = [one(f"plain-{policy.value}", 613, CatchUp(policy)) for policy in CatchUpPolicy]
    entries += [
        one(f"overlap-{policy.value}", 300, LATEST, overlap=Overlap(policy, STALE_US)) for policy in OverlapPolicy
    ]
    entries += [
        one("two-at-once", 200, limit=Limit(concurrency=2), overlap=Overlap(stale_us=STALE_US)),
        one("thrice-an-hour", 1500, limit=Limit(rate=Rate(3, pace * 3600 * SECOND_US))),
        one("bursts", 60, limit=Limit(rate=Rate(2, pace * 100 * SECOND_US))),
        one(
            "all-limits",
            400,
            overlap=Overlap(OverlapPolicy.QUEUE_ALL, STALE_US),
            limit=Limit(2, Rate(5, pace * 1500 * SECOND_US)),
        ),
        one("soon-or-never", 450, start_deadline_us=30 * SECOND_US),
        one("window", 350, CatchUp(CatchUpPolicy.ALL, 1800 * SECOND_US)),
        one("forty-times", 700, max_runs=40),
        one("by-hand", 1100, how=How.MANUAL),
        Entry(Public("nightly"), Public("task"), Cron("30 1 * * *", "Europe/Berlin"), EACH),
    ]
    return entries


def simulate_site(
    seed: int,
    *,
    days: float,
    weather: Weather,
    bustle: Bustle = Bustle(),
    daemons: int = 3,
    pace: int = 1,
    make_link: MakeLink | None = None,
) -> Weeks:
    """Let daemons run a site for so many days, and a quiet half hour."""
    storm = _Storm(random.Random(seed), weather, bustle, days * DAY_S, make_link)
    return run_virtual(partial(storm.run, daemons, pace))


class _Storm:
    def __init__(
        self, chance: random.Random, weather: Weather, bustle: Bustle, length_s: float, make_link: MakeLink | None
    ) -> None:
        self.chance = chance
        self.weather = weather
        self.bustle = bustle
        self.length_s = length_s
        self.make_link = make_link
        self.clock = VirtualClock()
        self.weeks = Weeks(Site(str(SITE)), BrokerModel(self.clock, call_limit=20_000_000))
        self.links: list[Link] = []
        self.schedulers: dict[int, Scheduler] = {}
        self.is_quiet = True
        self.tasks: TaskGroup

    async def run(self, daemons: int, pace: int) -> Weeks:
        weeks, weather = self.weeks, self.weather
        for entry in make_site(self.chance, pace):
            self._note(entry)
        async with anyio.create_task_group() as self.tasks:
            for place in range(daemons):
                self.tasks.start_soon(self._daemon, place)
            self.tasks.start_soon(self._work, LOOK_S * pace)
            await anyio.sleep(0.5)
            self.is_quiet = False
            for act, mean_s in (
                (self._change, self.bustle.change_every_s),
                (self._job, self.bustle.job_every_s),
                (self._hold, self.bustle.hold_every_s),
                (self._outage, weather.outage_every_s),
                (self._failover, weather.failover_every_s),
                (self._thaw, 300.0 if weather.held_requests else 0.0),
            ):
                self.tasks.start_soon(self._now_and_then, act, mean_s)
            await anyio.sleep(self.length_s)
            self.is_quiet = True
            weeks.broker.is_down = False
            await self._thaw()
            await anyio.sleep(QUIET_S)
            self.tasks.cancel_scope.cancel()
        weeks.end_us = START_US + round((self.length_s + QUIET_S) * SECOND_US)
        return weeks

    async def _now_and_then(self, act: Callable[[], Awaitable[None]], mean_s: float) -> None:
        while mean_s and not self.is_quiet:
            await anyio.sleep(self.chance.expovariate(1 / mean_s))
            if not self.is_quiet:
                await act()

    # -- daemons -------------------------------------------------------------------------------------------------------

    async def _daemon(self, place: int) -> None:
        while True:
            clock = VirtualClock(START_US + self._clock_error())
            link = self._link()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._jumps, clock)
                current = list(self.weeks.current.values())
                self.schedulers[place] = Scheduler(SITE, current, link, clock, self._hear)
                try:
                    await self.schedulers[place].serve()
                except Killed:
                    self.weeks.kills += 1
                tasks.cancel_scope.cancel()
            del self.schedulers[place]
            await anyio.sleep(self.chance.expovariate(1 / 60.0))

    async def _jumps(self, clock: VirtualClock) -> None:
        while self.weather.clock_jump_every_s:
            await anyio.sleep(self.chance.expovariate(1 / self.weather.clock_jump_every_s))
            clock.start_us = START_US + self._clock_error() * self.chance.choice((1, 1, 1, 600))

    def _clock_error(self) -> int:
        return 0 if self.is_quiet else round(self.chance.uniform(-1, 1) * self.weather.clock_off_s * SECOND_US)

    def _link(self, hook: Hook | None = None) -> Link:
        link = (self.make_link or Link)(self.weeks.broker, hook or self._at_await_point, self._fate)
        link.delay_s = self.chance.uniform(0.0, self.weather.delay_s)
        self.links.append(link)
        return link

    async def _at_await_point(self, point: str) -> None:
        del point
        if not self.is_quiet and self.chance.random() < self.weather.kills:
            raise Killed

    def _fate(self) -> Fate:
        if self.is_quiet:
            return Fate.WELL
        weather = self.weather
        fates = (Fate.LOSE_REQUEST, Fate.LOSE_REPLY, Fate.HOLD_REQUEST)
        rates = (weather.lost_requests, weather.lost_replies, weather.held_requests)
        return self.chance.choices((*fates, Fate.WELL), (*rates, 1 - sum(rates)))[0]

    def _hear(self, event: object) -> None:
        if not isinstance(event, EntryPlanned):
            self.weeks.log.append(event)

    # -- runs ----------------------------------------------------------------------------------------------------------

    async def _work(self, look_s: float) -> None:
        async def alive(point: str) -> None:
            """Outlive everything: who watches is another's test."""

        link = self._link(alive)
        runs = RunsModel(
            self.weeks.broker, link, self.weeks.site, self.tasks, self.chance, self.bustle.run_s, self._freed,
            self.bustle.deaths, self.bustle.silences,
        )  # fmt: skip
        while True:
            self._note_revoked()
            runs.look()
            self.weeks.runs = runs.ends
            if self.is_quiet:
                runs.deaths = runs.silences = 0.0
            await anyio.sleep(look_s)

    def _freed(self, scopes: Iterable[str]) -> None:
        for scheduler in self.schedulers.values():
            if self.chance.random() < 0.8:
                scheduler.look_again([scope.partition(":")[2] for scope in scopes])

    def _note_revoked(self) -> None:
        for task_id, _ in self.weeks.broker.revoked:
            self.weeks.site.end(task_id, 0)  # from when on is not known here
        self.weeks.broker.revoked.clear()

    # -- changes -------------------------------------------------------------------------------------------------------

    def _note(self, entry: Entry) -> None:
        self.weeks.site.put(entry)
        self.weeks.current[str(entry.id)] = entry

    def _announce(self, act: Callable[[Scheduler], None]) -> None:
        """Have every daemon that runs hear of a change, each at its time; one that starts knows it already."""

        async def tell(place: int, scheduler: Scheduler, lag_s: float) -> None:
            await anyio.sleep(lag_s)
            if self.schedulers.get(place) is scheduler:
                act(scheduler)

        for place, scheduler in list(self.schedulers.items()):
            self.tasks.start_soon(tell, place, scheduler, self.chance.uniform(0, LAG_S))

    async def _change(self) -> None:
        """Change one entry, and not again before all have heard of it."""
        self.weeks.changes += 1
        name = self.chance.choice([one for one, entry in self.weeks.current.items() if not entry.is_once])
        before = self.weeks.current[name]
        what = self.chance.choice(("timing", "pause", "pause", "queue", "name", "away"))
        if what == "away":
            self._announce(lambda scheduler: scheduler.drop([name]))
            del self.weeks.current[name]
            await anyio.sleep(LAG_S + self.chance.expovariate(1 / 900))
        elif what == "pause":
            self._put(replace(before, pause=Pause(author="jdoe")))
            await anyio.sleep(LAG_S + self.chance.expovariate(1 / 900))
        after = before
        if what == "queue":
            after = replace(before, queue=Public(f"q{self.chance.randrange(3)}"))
        elif what == "name":
            after = replace(before, identity=before.id, name=Public(f"{name}-{self.chance.randrange(1000)}"))
        elif what == "timing" and isinstance(before.trigger, Interval):
            after = replace(before, trigger=replace(before.trigger, anchor_us=self.chance.randrange(10**8)))
        self._put(after)
        await anyio.sleep(LAG_S)

    def _put(self, entry: Entry) -> None:
        self._note(entry)
        self._announce(lambda scheduler: scheduler.put([entry]))

    async def _job(self) -> None:
        """Have a task held back until its time, and forget the entry when that is long past."""
        number, at_us = len(self.weeks.jobs), self.clock.now_us() + self.chance.randrange(600) * SECOND_US
        name, task_id = f"job-{number}", f"promised-{number}"
        self.weeks.jobs[task_id] = at_us
        trigger = Instants([at_us])
        self._put(Entry(Public(name), Public("task"), trigger, is_once=True, task_id=task_id, how=How.HELD))
        self.tasks.start_soon(self._spend, name)

    async def _spend(self, name: str) -> None:
        await anyio.sleep(7200)
        del self.weeks.current[name]
        self._announce(lambda scheduler: scheduler.drop([name]))

    async def _hold(self) -> None:
        begin_us = self.clock.now_us()
        self.weeks.broker.gates.held = "upgrade"
        await anyio.sleep(self.chance.uniform(60, 1200))
        self.weeks.broker.gates.held = None
        self.weeks.site.holds.append((begin_us, self.clock.now_us()))

    # -- the broker ----------------------------------------------------------------------------------------------------

    async def _outage(self) -> None:
        self.weeks.broker.is_down = True
        await anyio.sleep(self.chance.choice((1.0, 10.0, 100.0, 900.0)))
        self.weeks.broker.is_down = False

    async def _failover(self) -> None:
        recent = len(self.weeks.broker.journal) - 100
        if recent > 0:
            self.weeks.failovers += 1
            self.weeks.broker.forget_last(min(self.chance.randrange(1, 12), recent))

    async def _thaw(self) -> None:
        for link in self.links:
            link.thaw()
