"""How far a run is, whatever the order in which it is seen."""

from __future__ import annotations

from itertools import permutations

import pytest

from daemon.scheduler.ports import Progress, Sighting
from daemon.scheduler.run import Run, RunState
from daemon.scheduler.runs.progress import advanced, concluded

RUN = Run("e", "e", 10, RunState.ENQUEUED, settled_us=11, task_id="t")
STARTED = Sighting("t", Progress.STARTED, 20, 20, "w@a")
SUCCEEDED = Sighting("t", Progress.SUCCEEDED, 30, worker="w@a")
FAILED = Sighting("t", Progress.FAILED, 40, worker="w@b", reason="ValueError")


def fold(run: Run, *seen: Sighting) -> Run:
    for one in seen:
        run = advanced(run, one)
    return run


@pytest.mark.parametrize("order", list(permutations([STARTED, SUCCEEDED, STARTED])))
def test_any_order_of_start_and_end_gives_the_same_run(order: tuple[Sighting, ...]) -> None:
    assert fold(RUN, *order) == RUN._replace(state=RunState.SUCCEEDED, started_us=20, finished_us=30, worker="w@a")


@pytest.mark.parametrize("order", list(permutations([SUCCEEDED, FAILED])))
def test_of_two_outcomes_the_later_one_stands(order: tuple[Sighting, ...]) -> None:
    found = fold(RUN, *order)
    assert (found.state, found.finished_us, found.reason) == (RunState.FAILED, 40, "ValueError")


def test_the_same_outcome_again_changes_nothing() -> None:
    once = fold(RUN, STARTED, FAILED)
    assert fold(once, FAILED, STARTED) == once


def test_what_went_wrong_may_be_learnt_later() -> None:
    found = fold(RUN, Sighting("t", Progress.FAILED, 40), FAILED)
    assert (found.reason, found.finished_us) == ("ValueError", 40)


def test_a_run_taken_for_lost_that_ends_after_all_has_ended() -> None:
    lost = concluded(fold(RUN, STARTED), RunState.LOST, 25, "worker-gone")
    assert (lost.state, lost.finished_us, lost.reason) == (RunState.LOST, 25, "worker-gone")
    assert fold(lost, STARTED).state is RunState.LOST
    found = fold(lost, SUCCEEDED)
    assert (found.state, found.finished_us, found.reason, found.started_us) == (RunState.SUCCEEDED, 30, "", 20)


def test_an_outcome_is_not_concluded_away() -> None:
    ended = fold(RUN, SUCCEEDED)
    assert concluded(ended, RunState.LOST, 99, "stale") is ended


def test_what_was_passed_over_stays_so() -> None:
    skipped = RUN._replace(state=RunState.SKIPPED)
    assert fold(skipped, SUCCEEDED) is skipped
