"""What pauses, deadlines, a number of runs and waiting make of what is due."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import SECOND_US
from daemon.public import Public
from daemon.scheduler.evaluate import GRACE_US, Past, SkipReason, Verdict, evaluate
from daemon.scheduler.model import CatchUp, CatchUpPolicy, Entry, Overlap, OverlapPolicy, Pause
from daemon.scheduler.triggers import Interval

MINUTE_US = 60 * SECOND_US
ALL, ONE, SKIP = CatchUpPolicy.ALL, CatchUpPolicy.ONE, CatchUpPolicy.SKIP


def _verdict(now: float, horizon: float = 0, past: Past | None = None, **changes: Any) -> Verdict:
    """Evaluate an entry of every ten minutes; times in minutes."""
    entry = Entry(Public("e"), Public("t"), Interval(10 * MINUTE_US), **changes)
    return evaluate(entry, round(horizon * MINUTE_US), round(now * MINUTE_US), past or Past())


def _due(verdict: Verdict) -> list[int]:
    return [at // MINUTE_US for at in verdict.due]


# -- pauses ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", list(CatchUpPolicy))
def test_while_an_entry_is_paused_what_is_due_is_passed_over_whatever_its_policy(policy: CatchUpPolicy) -> None:
    verdict = _verdict(35, catch_up=CatchUp(policy), pause=Pause())
    assert verdict.due == ()
    assert verdict.settled_us == 30 * MINUTE_US
    assert verdict.wake_us == 40 * MINUTE_US
    assert verdict.skipped is not None
    assert (verdict.skipped.count, verdict.skipped.reason) == (3, SkipReason.PAUSED)


@pytest.mark.parametrize(("until", "due"), [(30.001, []), (30, [30])])
def test_a_pause_ends_by_itself(until: float, due: list[int]) -> None:
    assert _due(_verdict(30, 20, pause=Pause(round(until * MINUTE_US)))) == due


# -- deadlines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [ONE, ALL])
def test_what_is_later_than_its_deadline_is_passed_over(policy: CatchUpPolicy) -> None:
    verdict = _verdict(12, catch_up=CatchUp(policy), start_deadline_us=2 * MINUTE_US - 1)
    assert verdict.due == ()
    assert verdict.skipped is not None
    assert verdict.skipped.reason is SkipReason.DEADLINE
    assert _due(_verdict(12, catch_up=CatchUp(policy), start_deadline_us=2 * MINUTE_US)) == [10]


def test_the_narrower_of_window_and_deadline_counts_and_is_named() -> None:
    narrow = _verdict(15, catch_up=CatchUp(ONE, MINUTE_US), start_deadline_us=2 * MINUTE_US)
    wide = _verdict(15, catch_up=CatchUp(ONE, 3 * MINUTE_US), start_deadline_us=2 * MINUTE_US)
    assert narrow.skipped is not None
    assert wide.skipped is not None
    assert (narrow.skipped.reason, wide.skipped.reason) == (SkipReason.WINDOW, SkipReason.DEADLINE)


# -- a number of runs --------------------------------------------------------------------------------------------------


def test_an_entry_that_has_had_its_runs_never_fires_again() -> None:
    assert _verdict(35, past=Past(runs=3), max_runs=3) == Verdict((), None, None, None)


def test_the_last_run_is_the_last() -> None:
    verdict = _verdict(10, past=Past(runs=2), max_runs=3)
    assert (_due(verdict), verdict.wake_us) == ([10], None)


@given(st.integers(0, 6), st.integers(1, 6))
def test_of_a_backlog_no_more_runs_than_are_left(runs: int, most: int) -> None:
    verdict = _verdict(45, past=Past(runs=runs), max_runs=most, catch_up=CatchUp(ALL))
    assert _due(verdict) == [10, 20, 30, 40][: max(most - runs, 0)]


# -- waiting -----------------------------------------------------------------------------------------------------------


def test_an_occurrence_that_waited_long_is_not_taken_for_one_that_was_missed() -> None:
    late = 10 + 5 * GRACE_US / MINUTE_US
    assert _due(_verdict(late, catch_up=CatchUp(SKIP))) == []
    assert _due(_verdict(late, catch_up=CatchUp(SKIP), past=Past(waits=True))) == [10]


@pytest.mark.parametrize("policy", list(CatchUpPolicy))
def test_of_several_that_wait_the_latest_runs_and_the_others_are_accounted_for(policy: CatchUpPolicy) -> None:
    overlap = Overlap(OverlapPolicy.QUEUE_ONE)
    verdict = _verdict(35, past=Past(waits=True), overlap=overlap, catch_up=CatchUp(policy))
    assert _due(verdict) == [30]
    assert verdict.skipped is not None
    assert (verdict.skipped.count, verdict.skipped.reason) == (2, SkipReason.COALESCED)


@pytest.mark.parametrize("policy", list(CatchUpPolicy))
def test_with_queue_all_each_that_waits_runs(policy: CatchUpPolicy) -> None:
    overlap = Overlap(OverlapPolicy.QUEUE_ALL)
    verdict = _verdict(35, past=Past(waits=True), overlap=overlap, catch_up=CatchUp(policy, MINUTE_US))
    assert (_due(verdict), verdict.skipped) == ([10, 20, 30], None)


def test_a_deadline_counts_for_what_waits_too() -> None:
    overlap = Overlap(OverlapPolicy.QUEUE_ALL)
    verdict = _verdict(35, past=Past(waits=True), overlap=overlap, start_deadline_us=20 * MINUTE_US)
    assert _due(verdict) == [20, 30]
    assert verdict.skipped is not None
    assert verdict.skipped.reason is SkipReason.DEADLINE
