"""Whatever is done to a site, in whatever order: its ledger, its queues and its history agree after each step."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daemon.clock import SECOND_US
from daemon.public import Public
from daemon.scheduler import Entry
from daemon.scheduler.model import CatchUp, CatchUpPolicy, How, Limit, Overlap, OverlapPolicy, Pause, Rate
from daemon.scheduler.triggers import Interval
from daemon.scheduler.triggers.instants import Instants
from tests.support.broker_model import Fate
from tests.support.scheduler_machine import Bench, Running

STALE_US = 100 * SECOND_US
DAEMONS_MOST = 3
FORGETS_ALL = 9
PERIODS_S = (7, 10, 13)

PLACES = st.integers(0, DAEMONS_MOST - 1)
POLICIES = {policy.value: CatchUp(policy) for policy in CatchUpPolicy}
BESIDE, FREE = Overlap(), Limit()
EACH, LATEST = POLICIES["all"], POLICIES["one"]


def _entry(name: str, catch_up: CatchUp, overlap: Overlap = BESIDE, limit: Limit = FREE, **more: int) -> Entry:
    return Entry(
        Public(name), Public("t"), Interval(10 * SECOND_US), catch_up, overlap=overlap, limit=limit,
        start_deadline_us=more.get("start_deadline_us"), max_runs=more.get("max_runs"),
    )  # fmt: skip


KINDS = {
    entry.name: entry
    for entry in (
        *(_entry(name, catch_up) for name, catch_up in POLICIES.items()),
        *(_entry(one.value, LATEST, Overlap(one, STALE_US)) for one in OverlapPolicy if one is not OverlapPolicy.ALLOW),
        _entry("two-at-once", EACH, Overlap(stale_us=STALE_US), Limit(concurrency=2)),
        _entry("rate", EACH, limit=Limit(rate=Rate(3, 60 * SECOND_US))),
        _entry("deadline", EACH, start_deadline_us=15 * SECOND_US),
        _entry("thrice", EACH, max_runs=3),
    )
}


class SiteMachine(RuleBasedStateMachine):
    """Does to a site what may be done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.jobs = 0

    @initialize(names=st.sets(st.sampled_from(sorted(KINDS)), min_size=4, max_size=8))
    def begin(self, names: set[str]) -> None:
        for name in sorted(names):
            self.bench.put(KINDS[Public(name)])
        self.bench.start()

    # -- time and clocks -------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0.001, 1.0, 10.0, 60.0)))
    def time_passes(self, seconds: float) -> None:
        self.bench.pass_time(seconds)

    @rule(seconds=st.sampled_from((10.0, 20.0, 100.0)))
    def more_time_passes(self, seconds: float) -> None:
        self.bench.pass_time(seconds)

    @precondition(lambda self: self.bench.daemons)
    @rule(place=PLACES, seconds=st.sampled_from((-3600, -5, -1, 0, 1, 5, 3600)))
    def a_clock_is_set(self, place: int, seconds: int) -> None:
        clock = self._daemon(place).clock
        clock.start_us = self.bench.clock.start_us + seconds * SECOND_US

    # -- daemons -------------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.bench.daemons) < DAEMONS_MOST)
    @rule()
    def a_daemon_starts(self) -> None:
        self.bench.start()

    @precondition(lambda self: self.bench.daemons)
    @rule(place=PLACES)
    def a_daemon_is_killed(self, place: int) -> None:
        self.bench.kill(place % len(self.bench.daemons))

    @precondition(lambda self: self.bench.daemons)
    @rule(place=PLACES)
    def a_daemon_hears_of_changes(self, place: int) -> None:
        self.bench.tell(self._daemon(place))

    # -- the schedule --------------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(sorted(KINDS)), every_s=st.sampled_from(PERIODS_S), paused=st.booleans())
    def an_entry_is_put(self, name: str, every_s: int, *, paused: bool) -> None:
        pause = Pause(author="jdoe") if paused else None
        self.bench.put(replace(KINDS[Public(name)], trigger=Interval(every_s * SECOND_US), pause=pause))

    @precondition(lambda self: self.bench.current)
    @rule(number=st.integers(0, 100))
    def an_entry_is_dropped(self, number: int) -> None:
        names = sorted(self.bench.current)
        del self.bench.current[names[number % len(names)]]

    @rule(after_s=st.sampled_from((-100, 0, 5, 90)))
    def a_job_is_held(self, after_s: int) -> None:
        self.jobs += 1
        trigger = Instants([self.bench.now_us + after_s * SECOND_US])
        name, task_id = f"job-{self.jobs}", f"promised-{self.jobs}"
        self.bench.put(Entry(Public(name), Public("t"), trigger, is_once=True, task_id=task_id, how=How.HELD))

    # -- the broker ----------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0.5, 10.0, 45.0)))
    def the_broker_is_away(self, seconds: float) -> None:
        self.bench.broker.is_down = True
        self.bench.pass_time(seconds)
        self.bench.broker.is_down = False

    @rule(count=st.integers(1, 9))
    def the_broker_loses_its_last_writes_or_all(self, count: int) -> None:
        if count == FORGETS_ALL:
            self.bench.forget_everything()
        else:
            self.bench.forget_last(count)

    @precondition(lambda self: self.bench.daemons)
    @rule(place=PLACES, fate=st.sampled_from([fate for fate in Fate if fate is not Fate.WELL]))
    def a_call_goes_wrong(self, place: int, fate: Fate) -> None:
        self._daemon(place).link.fates.append(fate)

    @precondition(lambda self: any(daemon.link.late for daemon in self.bench.daemons))
    @rule()
    def what_was_held_back_arrives(self) -> None:
        for daemon in self.bench.daemons:
            self.bench.do(daemon.link.thaw)

    @rule()
    def all_is_held_or_goes_on(self) -> None:
        self.bench.hold()

    @rule(number=st.integers(0, 100), succeeds=st.booleans())
    def a_run_ends(self, number: int, *, succeeds: bool) -> None:
        self.bench.end_run(number, succeeds=succeeds)

    # -- what must hold --------------------------------------------------------------------------------------------------

    @invariant()
    def all_agree(self) -> None:
        assert self.bench.faults() == []

    def teardown(self) -> None:
        try:
            assert self.bench.settle() == []
        finally:
            self.bench.close()

    def _daemon(self, place: int) -> Running:
        return self.bench.daemons[place % len(self.bench.daemons)]


TestSiteMachine = SiteMachine.TestCase
TestSiteMachine.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
