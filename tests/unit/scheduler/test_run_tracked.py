"""What speaks for and against a run's going on."""

from __future__ import annotations

import pytest

from daemon.keys import entry_scope, overlap_scope, queue_scope
from daemon.ports import RunningTask
from daemon.scheduler.ports import Holders, WorkerSign
from daemon.scheduler.run import Run, RunState
from daemon.scheduler.runs.tracked import Tracked, scopes_of

WAITING = Run("e", "e", 10, RunState.ENQUEUED, settled_us=11, task_id="t", holds=True)
RUNNING = WAITING._replace(state=RunState.STARTED, worker="w@a")
NOBODY = Holders(is_complete=True, unqueued=frozenset(("t",)))
Counts = tuple[int, int, int]


def counts(run: Run, *answers: Holders) -> Counts:
    tracked = Tracked(run, heard_s=0.0)
    for holders in answers:
        tracked.answer(holders, 5.0)
    return tracked.absences, tracked.denials, tracked.silences


@pytest.mark.parametrize(
    ("told", "run", "answers", "expected"),
    [
        ("nobody has it", WAITING, [NOBODY, NOBODY], (2, 0, 0)),
        ("it may lie in its queue", WAITING, [NOBODY, NOBODY._replace(unqueued=frozenset())], (0, 0, 0)),
        ("somebody did not answer", WAITING, [NOBODY, NOBODY._replace(is_complete=False)], (0, 0, 0)),
        ("somebody has it", WAITING, [NOBODY, Holders({"t": "w@a"})], (0, 0, 0)),
        ("its worker is not connected", RUNNING, [NOBODY, NOBODY], (2, 0, 2)),
        ("its worker keeps silent", RUNNING, [NOBODY, Holders()], (0, 0, 2)),
        ("its worker does not have it", RUNNING, [NOBODY, NOBODY._replace(answered=frozenset(("w@a",)))], (0, 1, 0)),
        ("another worker has it", RUNNING, [NOBODY, Holders({"t": "w@b"})], (0, 0, 0)),
    ],
)
def test_answers_are_counted_in_a_row(told: str, run: Run, answers: list[Holders], expected: Counts) -> None:
    assert counts(run, *answers) == expected, told


def test_a_sign_of_life_of_the_worker_is_one_of_the_run() -> None:
    tracked = Tracked(RUNNING, heard_s=0.0, pid=7)
    traces = tracked.traces(WorkerSign(3.0, pid=7, beats_at_work=True), 1000, 50.0, stale_us=10_000, is_told=True)
    assert (traces.quiet_s, traces.has_restarted, traces.beats_at_work, traces.is_stale) == (3.0, False, True, False)
    traces = tracked.traces(WorkerSign(), 1000, 50.0, stale_us=10_000, is_told=True)
    assert (traces.quiet_s, traces.has_restarted, traces.age_us) == (50.0, False, 989)
    assert tracked.traces(WorkerSign(pid=8), 1000, 50.0, stale_us=10_000, is_told=True).has_restarted


def test_the_broker_says_when_a_run_that_holds_places_is_stale() -> None:
    tracked = Tracked(RUNNING, heard_s=0.0, stale_at_us=90_000)
    assert not tracked.traces(WorkerSign(), 89_999, 0.0, stale_us=1, is_told=True).is_stale
    assert tracked.traces(WorkerSign(), 90_000, 0.0, stale_us=1, is_told=True).is_stale


def test_a_task_that_is_known_by_its_places_alone_is_watched_all_the_same() -> None:
    found = Tracked.bare(RunningTask("t", ("overlap:a:b", "queue:q"), 5), 1, 2.0)
    assert (found.run.entry, found.run.task_id, found.run.holds, found.stale_at_us) == ("a:b", "t", True, 5)
    assert found.scopes == {"overlap:a:b", "queue:q"}
    assert found.is_bare


def test_scopes_are_those_a_run_may_hold() -> None:
    assert scopes_of(WAITING) == {overlap_scope("e"), entry_scope("e")}
    assert scopes_of(WAITING._replace(queue="q")) == {overlap_scope("e"), entry_scope("e"), queue_scope("q")}
    assert scopes_of(WAITING._replace(holds=False)) == frozenset()
