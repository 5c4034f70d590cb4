"""The life of services: opened in order, restarted after errors, drained in reverse; on time that is a number."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from itertools import pairwise

import anyio
import pytest

from daemon import events
from daemon.errors import BrokerDown, DaemonError, EmbeddedBrokerFailed, ListenFailed, SpoolFailed, StateDirUnusable
from daemon.public import Public
from daemon.supervisor import CALM_S, PAUSE_FIRST_S, PAUSE_MOST_S, Supervisor
from tests.support.builders import MARKER
from tests.support.clock import VirtualClock, run_virtual

DRAIN_S = 20.0


@dataclass(slots=True)
class Part:
    """A service whose every step is told.

    Attributes:
        diary: what happened to all services of a test, and when.
        fails: errors of ``serve``, one for each time it is called; after the last it serves until drained.
        lasts_s: how long it serves before each error.
        refuses: errors of ``open``, likewise; ``None`` for a time that goes well.
        opens_s: how long ``open`` takes.
        drains_s: how long ``drain`` takes the first time.
        lingers_s: how long it serves on after it was drained.
    """

    name: Public
    diary: list[tuple[float, str]]
    fails: list[BaseException] = field(default_factory=list)
    lasts_s: float = 0.0
    refuses: list[DaemonError | None] = field(default_factory=list)
    opens_s: float = 0.0
    drains_s: float = 0.0
    lingers_s: float = 0.0
    is_open: bool = False
    drained: anyio.Event = field(default_factory=anyio.Event)

    def tell(self, word: str) -> None:
        self.diary.append((anyio.current_time(), f"{word} {self.name}"))

    async def open(self) -> None:
        await anyio.sleep(self.opens_s)
        error = self.refuses.pop(0) if self.refuses else None
        if error is not None:
            self.tell("refuse")
            raise error
        self.drained = anyio.Event()
        self.is_open = True
        self.tell("open")

    async def serve(self) -> None:
        assert self.is_open
        self.tell("serve")
        if self.fails:
            await anyio.sleep(self.lasts_s)
            raise self.fails.pop(0)
        try:
            await self.drained.wait()
            await anyio.sleep(self.lingers_s)
        except anyio.get_cancelled_exc_class():
            self.tell("cancel")
            raise
        self.tell("end")

    async def drain(self) -> None:
        self.is_open = False
        self.drained.set()
        took_s, self.drains_s = self.drains_s, 0.0
        await anyio.sleep(took_s)
        self.tell("drain")


class Stage:
    """Services, their supervisor, and everything that was said."""

    def __init__(self) -> None:
        self.diary: list[tuple[float, str]] = []
        self.said: list[object] = []
        self.ready_at: list[float] = []
        self.code: int | None = None
        self.ended_s = 0.0
        self.supervisor: Supervisor | None = None

    def part(self, name: str, **script: object) -> Part:
        return Part(Public(name), self.diary, **script)  # type: ignore[arg-type]

    async def run(self, *parts: Part, jitter: float = 1.0) -> int:
        self.supervisor = Supervisor(
            parts, VirtualClock(), self.said.append, drain_timeout_s=DRAIN_S, jitter=lambda: jitter
        )
        self.code = await self.supervisor.run(lambda: self.ready_at.append(anyio.current_time()))
        self.ended_s = anyio.current_time()
        return self.code

    async def run_for(self, seconds: float, *parts: Part, jitter: float = 1.0) -> int:
        """Run, and ask to stop after so long."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._stop_after, seconds)
            await self.run(*parts, jitter=jitter)
        assert self.code is not None
        return self.code

    async def _stop_after(self, seconds: float) -> None:
        await anyio.sleep(seconds)
        assert self.supervisor is not None
        self.supervisor.stop()

    @property
    def story(self) -> list[str]:
        return [word for _, word in self.diary]

    def when(self, what: str) -> list[float]:
        return [round(at, 6) for at, word in self.diary if word == what]

    def heard(self, kind: type) -> list[object]:
        return [event for event in self.said if isinstance(event, kind)]

    @property
    def pauses_s(self) -> list[float]:
        return [event.retry_s for event in self.said if isinstance(event, events.ServiceFailed)]


def on_stage(play: Callable[[Stage], Awaitable[None]]) -> Callable[[], None]:
    """Make a test of a coroutine that is handed a stage, on a loop that never waits."""

    @wraps(play)
    def test() -> None:
        run_virtual(lambda: play(Stage()))

    del test.__wrapped__
    return test


def names(said: Sequence[object]) -> list[str]:
    return [type(event).__name__ for event in said]


# -- one life ----------------------------------------------------------------------------------------------------------


@on_stage
async def test_services_are_opened_in_order_and_drained_in_reverse_each_before_the_next(stage: Stage) -> None:
    parts = [stage.part("a", lingers_s=1), stage.part("b", lingers_s=2), stage.part("c", drains_s=3)]
    assert await stage.run_for(10, *parts) == 0
    assert stage.story[:3] == ["open a", "open b", "open c"]
    assert sorted(stage.story[3:6]) == ["serve a", "serve b", "serve c"]
    assert stage.story[6:] == ["end c", "drain c", "drain b", "end b", "drain a", "end a"]
    assert stage.ended_s == pytest.approx(10 + 3 + 2 + 1)


@on_stage
async def test_each_service_is_opened_only_when_the_one_before_it_is(stage: Stage) -> None:
    await stage.run_for(10, stage.part("slow", opens_s=5), stage.part("next"))
    assert stage.when("open slow") == stage.when("open next") == [5.0]


@on_stage
async def test_ready_is_told_once_when_everything_is_open(stage: Stage) -> None:
    flaky = stage.part("flaky", fails=[BrokerDown("gone")], lasts_s=1)
    await stage.run_for(10, stage.part("slow", opens_s=4), flaky)
    assert stage.ready_at == [4.0]
    assert names(stage.said) == ["ServiceOpened", "ServiceOpened", "ServiceFailed", "ServiceOpened"]


@on_stage
async def test_a_service_that_has_nothing_more_to_do_ends_without_ending_the_others(stage: Stage) -> None:
    class Done(Part):
        async def serve(self) -> None:
            self.tell("nothing to do for")

    assert await stage.run_for(10, stage.part("a"), Done(Public("done"), stage.diary)) == 0
    assert stage.story.count("nothing to do for done") == 1
    assert stage.when("end a") == [10.0]


@on_stage
async def test_a_daemon_without_services_runs_until_it_is_asked_to_stop(stage: Stage) -> None:
    assert await stage.run_for(10) == 0
    assert stage.ended_s == pytest.approx(10)


@on_stage
async def test_a_stop_asked_for_while_services_open_is_heeded_when_they_are(stage: Stage) -> None:
    assert await stage.run_for(1, stage.part("a", opens_s=5), stage.part("b")) == 0
    assert stage.story[-4:] == ["drain b", "end b", "drain a", "end a"]
    assert stage.ended_s == pytest.approx(5)


# -- the start ---------------------------------------------------------------------------------------------------------


@on_stage
async def test_a_service_that_cannot_be_opened_at_the_start_ends_the_start_and_closes_what_was_open(
    stage: Stage,
) -> None:
    refused = ListenFailed("taken")
    with pytest.raises(ListenFailed) as caught:
        await stage.run(stage.part("a"), stage.part("b"), stage.part("c", refuses=[refused]), stage.part("d"))
    assert caught.value is refused
    assert stage.story == ["open a", "open b", "refuse c", "drain b", "drain a"]
    assert stage.ready_at == []


@on_stage
async def test_even_an_error_that_could_pass_is_not_waited_out_at_the_start(stage: Stage) -> None:
    with pytest.raises(EmbeddedBrokerFailed):
        await stage.run(stage.part("a", refuses=[EmbeddedBrokerFailed("not up")]))
    assert stage.ended_s == 0


@on_stage
async def test_closing_after_a_failed_start_takes_no_longer_than_the_drain_may(stage: Stage) -> None:
    with pytest.raises(StateDirUnusable):
        await stage.run(stage.part("a", drains_s=1000), stage.part("b", refuses=[StateDirUnusable("no")]))
    assert anyio.current_time() == pytest.approx(DRAIN_S)


# -- restarts ----------------------------------------------------------------------------------------------------------


@on_stage
async def test_after_an_error_it_expects_a_service_is_drained_and_opened_again(stage: Stage) -> None:
    failing = stage.part("a", fails=[BrokerDown("gone", hint="look")], lasts_s=5)
    assert await stage.run_for(60, failing, stage.part("b")) == 0
    assert [word for word in stage.story if word.endswith("a")] == [
        *("open a", "serve a", "drain a", "open a", "serve a", "drain a", "end a"),
    ]
    assert stage.story.count("open b") == 1
    assert stage.heard(events.ServiceFailed) == [
        events.ServiceFailed(Public("a"), Public("broker-down"), Public("gone; look"), 2 * PAUSE_FIRST_S)
    ]


@on_stage
async def test_the_pause_grows_with_each_failure_up_to_a_limit(stage: Stage) -> None:
    await stage.run_for(300, stage.part("a", fails=[SpoolFailed("full") for _ in range(12)]))
    assert stage.pauses_s == pytest.approx([0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, *[PAUSE_MOST_S] * 5])
    served = stage.when("serve a")
    between = [later - earlier for earlier, later in pairwise(served)]
    assert between == pytest.approx(stage.pauses_s)


@pytest.mark.parametrize(("jitter", "share"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_the_pause_is_spread_so_that_not_everyone_comes_back_at_once(jitter: float, share: float) -> None:
    stage = Stage()
    run_virtual(lambda: stage.run_for(9, stage.part("a", fails=[SpoolFailed("full")] * 3), jitter=jitter))
    assert stage.pauses_s == pytest.approx([0.4 * share, 0.8 * share, 1.6 * share])


@on_stage
async def test_a_service_that_cannot_be_opened_again_is_tried_again(stage: Stage) -> None:
    refusals = [None, EmbeddedBrokerFailed("not up"), EmbeddedBrokerFailed("not up")]
    await stage.run_for(60, stage.part("a", fails=[EmbeddedBrokerFailed("ended")], refuses=list(refusals)))
    assert stage.pauses_s == pytest.approx([0.4, 0.8, 1.6])
    assert stage.story == [
        *("open a", "serve a", "drain a", "refuse a", "drain a", "refuse a", "drain a"),
        *("open a", "serve a", "drain a", "end a"),
    ]


@on_stage
async def test_a_service_that_worked_for_long_begins_again_with_the_shortest_pause(stage: Stage) -> None:
    await stage.run_for(1000, stage.part("a", fails=[BrokerDown("gone")] * 4, lasts_s=CALM_S + 1))
    assert stage.pauses_s == pytest.approx([2 * PAUSE_FIRST_S] * 4)


@on_stage
async def test_a_service_that_fails_often_but_not_at_once_is_still_given_longer_pauses(stage: Stage) -> None:
    await stage.run_for(1000, stage.part("a", fails=[BrokerDown("gone")] * 3, lasts_s=CALM_S - 1))
    assert stage.pauses_s == pytest.approx([0.4, 0.8, 1.6])


@on_stage
async def test_while_one_service_pauses_the_others_go_on(stage: Stage) -> None:
    steady = stage.part("steady")
    await stage.run_for(100, steady, stage.part("a", fails=[SpoolFailed("full")] * 8))
    assert stage.story.count("serve steady") == 1
    assert stage.when("end steady") == [100.0]


# -- giving up ---------------------------------------------------------------------------------------------------------


@on_stage
async def test_a_bug_is_reported_without_its_text_everything_is_drained_and_the_process_ends_with_70(
    stage: Stage,
) -> None:
    parts = [stage.part("a"), stage.part("b", fails=[ValueError(MARKER)], lasts_s=5), stage.part("c")]
    assert await stage.run(*parts) == 70
    [crash] = stage.heard(events.ServiceCrashed)
    assert isinstance(crash, events.ServiceCrashed)
    assert (crash.service, crash.error) == ("b", "ValueError")
    assert "test_supervisor.py" in crash.frames
    assert MARKER not in str(crash)
    assert stage.story[-5:] == ["drain c", "end c", "drain b", "drain a", "end a"]
    assert stage.ended_s == pytest.approx(5)


@pytest.mark.parametrize("error", [ListenFailed("taken"), StateDirUnusable("read-only")])
def test_an_error_that_does_not_pass_ends_the_process_with_its_own_code(error: DaemonError) -> None:
    stage = Stage()
    code = run_virtual(lambda: stage.run(stage.part("a", fails=[error], lasts_s=5)))
    assert code == error.exit_code
    assert names(stage.said) == ["ServiceOpened", "ServiceCrashed"]


@on_stage
async def test_an_error_that_does_not_pass_met_on_a_restart_ends_the_process_too(stage: Stage) -> None:
    part = stage.part("a", fails=[BrokerDown("gone")], refuses=[None, ListenFailed("taken")])
    assert await stage.run(part, stage.part("b")) == 71
    assert stage.story[-2:] == ["end b", "drain a"]


@on_stage
async def test_of_several_reasons_to_end_the_first_decides_the_exit_code(stage: Stage) -> None:
    parts = [
        stage.part("a", fails=[ListenFailed("taken")], lasts_s=5),
        stage.part("b", fails=[ValueError()], lasts_s=5.5),
        stage.part("c", lingers_s=2),
    ]
    assert await stage.run(*parts) == 71


@on_stage
async def test_a_bug_met_while_stopping_is_not_passed_over(stage: Stage) -> None:
    assert await stage.run_for(5, stage.part("a", fails=[ValueError()], lasts_s=6), stage.part("b", lingers_s=2)) == 70


# -- stopping ----------------------------------------------------------------------------------------------------------


@on_stage
async def test_a_service_that_pauses_when_the_stop_comes_is_not_opened_again(stage: Stage) -> None:
    pausing = stage.part("a", fails=[SpoolFailed("full")] * 7)
    assert await stage.run_for(40, pausing, stage.part("b", lingers_s=3)) == 0
    assert stage.pauses_s[-1] == pytest.approx(25.6)
    assert stage.when("open a")[-1] < 40
    assert stage.ended_s == pytest.approx(43)


@on_stage
async def test_a_service_that_is_just_being_opened_again_when_the_stop_comes_is_drained_once_it_is_open(
    stage: Stage,
) -> None:
    part = stage.part("a", fails=[SpoolFailed("full")], opens_s=4)
    assert await stage.run_for(6, part) == 0
    assert not part.is_open
    assert stage.when("open a") == pytest.approx([4, 8.4])
    assert stage.ended_s == pytest.approx(8.4)


@on_stage
async def test_what_is_late_is_cancelled_when_the_drain_time_is_over(stage: Stage) -> None:
    parts = [stage.part("first"), stage.part("late", lingers_s=1000), stage.part("last")]
    assert await stage.run_for(10, *parts) == 0
    assert stage.when("end last") == [10.0]
    assert "cancel late" in stage.story
    assert "end late" not in stage.story
    assert 10 + DRAIN_S <= stage.ended_s <= 10 + DRAIN_S + 1


@on_stage
async def test_services_the_drain_did_not_come_to_are_told_all_the_same(stage: Stage) -> None:
    parts = [stage.part("a"), stage.part("b"), stage.part("late", lingers_s=1000)]
    await stage.run_for(10, *parts)
    assert stage.when("drain a") == stage.when("drain b") == [10 + DRAIN_S]


@on_stage
async def test_a_drain_that_hangs_keeps_the_process_no_longer_than_a_second_more_for_each_service(stage: Stage) -> None:
    class Hanging(Part):
        async def drain(self) -> None:
            await anyio.sleep_forever()

    parts = [Hanging(Public(f"h{number}"), stage.diary) for number in range(3)]
    assert await stage.run_for(10, *parts) == 0
    assert stage.ended_s == pytest.approx(10 + DRAIN_S + 3)


@on_stage
async def test_a_second_request_to_stop_changes_nothing(stage: Stage) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.run, stage.part("a", lingers_s=5))
        await anyio.sleep(10)
        assert stage.supervisor is not None
        stage.supervisor.stop(69)
        await anyio.sleep(1)
        stage.supervisor.stop(0)
    assert stage.code == 69
    assert stage.ended_s == pytest.approx(15)


# -- cancelling --------------------------------------------------------------------------------------------------------


@on_stage
async def test_cancelled_from_outside_every_service_feels_it_and_nobody_reports_a_failure(stage: Stage) -> None:
    with anyio.move_on_after(10) as scope:
        await stage.run(stage.part("a"), stage.part("b"))
    assert scope.cancelled_caught
    assert sorted(stage.story[-2:]) == ["cancel a", "cancel b"]
    assert names(stage.said) == ["ServiceOpened", "ServiceOpened"]
    assert stage.code is None


@on_stage
async def test_cancelled_in_a_pause_the_service_is_not_opened_again(stage: Stage) -> None:
    with anyio.move_on_after(30) as scope:
        await stage.run(stage.part("a", fails=[SpoolFailed("full")] * 7))
    assert scope.cancelled_caught
    assert stage.when("open a")[-1] < 30


@on_stage
async def test_cancelled_while_services_open_those_that_are_open_are_closed(stage: Stage) -> None:
    with anyio.move_on_after(3) as scope:
        await stage.run(stage.part("a", drains_s=2), stage.part("b", opens_s=1000))
    assert scope.cancelled_caught
    assert stage.story == ["open a", "drain a"]
    assert anyio.current_time() == pytest.approx(5)


# -- bugs in a drain ---------------------------------------------------------------------------------------------------


class Clumsy(Part):
    """A service that meets a bug whenever it is drained."""

    async def drain(self) -> None:
        await Part.drain(self)
        raise ValueError(MARKER)


def clumsy(stage: Stage, name: str, **script: object) -> Clumsy:
    return Clumsy(Public(name), stage.diary, **script)  # type: ignore[arg-type]


@on_stage
async def test_a_bug_in_a_drain_is_reported_and_the_others_are_drained_all_the_same(stage: Stage) -> None:
    assert await stage.run_for(10, stage.part("a"), clumsy(stage, "b"), stage.part("c")) == 70
    assert [event.service for event in stage.said if isinstance(event, events.ServiceCrashed)] == ["b"]
    assert stage.story[-2:] == ["drain a", "end a"]


@on_stage
async def test_a_bug_in_the_drain_before_a_restart_ends_the_process(stage: Stage) -> None:
    part = clumsy(stage, "b", fails=[BrokerDown("gone")], lasts_s=5)
    assert await stage.run(stage.part("a"), part) == 70
    assert stage.story[-2:] == ["drain a", "end a"]


@on_stage
async def test_a_bug_in_a_drain_after_a_failed_start_does_not_hide_why_it_failed(stage: Stage) -> None:
    with pytest.raises(ListenFailed):
        await stage.run(stage.part("a"), clumsy(stage, "b"), stage.part("c", refuses=[ListenFailed("taken")]))
    assert stage.story[-2:] == ["drain b", "drain a"]
    assert len(stage.heard(events.ServiceCrashed)) == 1
