"""What is due: three policies, windows, grace, and limits."""

from __future__ import annotations

import pytest

from daemon.clock import SECOND_US
from daemon.public import Public
from daemon.scheduler.evaluate import BATCH_LIMIT, COUNT_LIMIT, GRACE_US, Skipped, SkipReason, Verdict, evaluate
from daemon.scheduler.model import CatchUp, CatchUpPolicy, Entry
from daemon.scheduler.triggers import Cron, Interval, Trigger

MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US

SKIP, ONE, ALL = CatchUpPolicy.SKIP, CatchUpPolicy.ONE, CatchUpPolicy.ALL
COALESCED, POLICY, WINDOW = SkipReason.COALESCED, SkipReason.POLICY, SkipReason.WINDOW


class _At(Trigger):
    """Fires at the minutes given and never again."""

    def __init__(self, *minutes: int) -> None:
        self._at = [minute * MINUTE_US for minute in minutes]

    def next_after(self, after_us: int) -> int | None:
        return next((at for at in self._at if at > after_us), None)

    def describe(self) -> str:
        return str(self._at)


def _evaluate(
    trigger: Trigger, horizon_us: int, now_us: int, policy: CatchUpPolicy = ONE, window_us: int | None = None
) -> Verdict:
    entry = Entry(Public("e"), Public("t"), trigger, CatchUp(policy, window_us))
    return evaluate(entry, horizon_us, now_us)


def _minutes(verdict: Verdict) -> tuple[list[int], int | None, int | None]:
    """Give due, settled and wake of a verdict in minutes."""
    settled, wake = verdict.settled_us, verdict.wake_us
    return (
        [at // MINUTE_US for at in verdict.due],
        None if settled is None else settled // MINUTE_US,
        None if wake is None else wake // MINUTE_US,
    )


def _skipped(verdict: Verdict) -> tuple[int, int, int, SkipReason] | None:
    one = verdict.skipped
    return None if one is None else (one.first_us // MINUTE_US, one.last_us // MINUTE_US, one.count, one.reason)


# -- on time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", CatchUpPolicy)
def test_before_its_time_nothing_is_due_and_nothing_changes(policy: CatchUpPolicy) -> None:
    assert _evaluate(_At(10), 0, 10 * MINUTE_US - 1, policy) == Verdict((), None, None, 10 * MINUTE_US)


@pytest.mark.parametrize("policy", CatchUpPolicy)
def test_on_time_an_occurrence_is_due_whatever_the_policy(policy: CatchUpPolicy) -> None:
    verdict = _evaluate(_At(10, 20), 0, 10 * MINUTE_US, policy)
    assert _minutes(verdict) == ([10], 10, 20)
    assert verdict.skipped is None


@pytest.mark.parametrize("policy", CatchUpPolicy)
def test_what_is_accounted_for_is_not_due_again(policy: CatchUpPolicy) -> None:
    assert _evaluate(_At(10, 20), 10 * MINUTE_US, 12 * MINUTE_US, policy).settled_us is None


@pytest.mark.parametrize("policy", CatchUpPolicy)
def test_an_entry_that_fires_for_the_last_time_is_not_looked_at_again(policy: CatchUpPolicy) -> None:
    assert _minutes(_evaluate(_At(10), 0, 10 * MINUTE_US, policy)) == ([10], 10, None)


def test_an_entry_that_will_never_fire_has_nothing_to_wake_for() -> None:
    assert _evaluate(_At(), 0, HOUR_US) == Verdict((), None, None, None)


@pytest.mark.parametrize("policy", CatchUpPolicy)
def test_an_horizon_in_the_future_waits_for_what_comes_after_it(policy: CatchUpPolicy) -> None:
    assert _minutes(_evaluate(_At(10, 20, 30), 20 * MINUTE_US, 5 * MINUTE_US, policy)) == ([], None, 30)


# -- one ---------------------------------------------------------------------------------------------------------------


def test_one_runs_the_latest_and_says_which_it_runs_in_place_of() -> None:
    verdict = _evaluate(_At(10, 20, 30, 40), 0, 35 * MINUTE_US)
    assert _minutes(verdict) == ([30], 30, 40)
    assert _skipped(verdict) == (10, 20, 2, COALESCED)


def test_one_reaches_back_without_limit() -> None:
    assert _minutes(_evaluate(_At(10), 0, 10_000 * HOUR_US)) == ([10], 10, None)


@pytest.mark.parametrize(("late_us", "due"), [(HOUR_US, [10]), (HOUR_US + 1, [])])
def test_one_with_a_window_runs_what_lies_within_it(late_us: int, due: list[int]) -> None:
    verdict = _evaluate(_At(10), 0, 10 * MINUTE_US + late_us, ONE, HOUR_US)
    assert _minutes(verdict) == (due, 10, None)


def test_one_says_what_lies_outside_its_window() -> None:
    verdict = _evaluate(_At(10, 20, 30, 40), 0, 35 * MINUTE_US, ONE, 4 * MINUTE_US)
    assert _minutes(verdict) == ([], 30, 40)
    assert _skipped(verdict) == (10, 30, 3, WINDOW)


# -- skip --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("late_us", "due"), [(0, [10]), (GRACE_US, [10]), (GRACE_US + 1, [])])
def test_skip_runs_what_is_merely_delayed(late_us: int, due: list[int]) -> None:
    verdict = _evaluate(_At(10), 0, 10 * MINUTE_US + late_us, SKIP)
    assert _minutes(verdict) == (due, 10, None)


def test_skip_says_what_it_passes_over() -> None:
    verdict = _evaluate(_At(10, 20, 30, 40), 0, 35 * MINUTE_US, SKIP)
    assert _minutes(verdict) == ([], 30, 40)
    assert _skipped(verdict) == (10, 30, 3, POLICY)


def test_skip_takes_no_notice_of_a_window() -> None:
    assert _minutes(_evaluate(_At(10), 0, 15 * MINUTE_US, SKIP, HOUR_US)) == ([], 10, None)


def test_skip_runs_the_latest_of_a_fast_entry_if_it_is_merely_delayed() -> None:
    verdict = _evaluate(Interval(10 * SECOND_US), 0, 5 * MINUTE_US + SECOND_US, SKIP)
    assert verdict.due == (5 * MINUTE_US,)
    assert verdict.skipped == Skipped(10 * SECOND_US, 5 * MINUTE_US - 10 * SECOND_US, 29, COALESCED)


# -- all ---------------------------------------------------------------------------------------------------------------


def test_all_runs_each_oldest_first() -> None:
    verdict = _evaluate(_At(10, 20, 30, 40), 0, 35 * MINUTE_US, ALL)
    assert _minutes(verdict) == ([10, 20, 30], 30, 40)
    assert verdict.skipped is None


@pytest.mark.parametrize(
    ("window", "due", "skipped"), [(15, [20, 30], (10, 10, 1, WINDOW)), (14, [30], (10, 20, 2, WINDOW))]
)
def test_all_with_a_window_runs_each_within_it(
    window: int, due: list[int], skipped: tuple[int, int, int, SkipReason]
) -> None:
    verdict = _evaluate(_At(10, 20, 30, 40), 0, 35 * MINUTE_US, ALL, window * MINUTE_US)
    assert _minutes(verdict) == (due, 30, 40)
    assert _skipped(verdict) == skipped


def test_all_says_so_when_everything_lies_outside_its_window() -> None:
    verdict = _evaluate(_At(10, 20, 40), 0, 35 * MINUTE_US, ALL, MINUTE_US)
    assert _minutes(verdict) == ([], 20, 40)
    assert _skipped(verdict) == (10, 20, 2, WINDOW)


def test_all_takes_a_hundred_at_a_time_and_asks_to_be_looked_at_again_at_once() -> None:
    now_us = 250 * MINUTE_US
    verdict = _evaluate(Interval(MINUTE_US), 0, now_us, ALL)
    assert len(verdict.due) == BATCH_LIMIT
    assert (verdict.due[0], verdict.due[-1]) == (MINUTE_US, BATCH_LIMIT * MINUTE_US)
    assert (verdict.settled_us, verdict.wake_us) == (BATCH_LIMIT * MINUTE_US, now_us)


def test_all_of_exactly_a_hundred_is_one_batch() -> None:
    verdict = _evaluate(Interval(MINUTE_US), 0, BATCH_LIMIT * MINUTE_US, ALL)
    assert (len(verdict.due), verdict.wake_us) == (BATCH_LIMIT, (BATCH_LIMIT + 1) * MINUTE_US)


def test_all_in_batches_gives_each_once() -> None:
    now_us, horizon_us = 1234 * MINUTE_US, 0
    given: list[int] = []
    while (verdict := _evaluate(Interval(MINUTE_US), horizon_us, now_us, ALL)).settled_us is not None:
        given += verdict.due
        horizon_us = verdict.settled_us
    assert given == [minute * MINUTE_US for minute in range(1, 1235)]


# -- counting ----------------------------------------------------------------------------------------------------------


def test_skipped_occurrences_are_counted_up_to_a_thousand_and_the_last_is_told_all_the_same() -> None:
    now_us = 5000 * MINUTE_US
    verdict = _evaluate(Interval(MINUTE_US), 0, now_us)
    assert verdict.due == (now_us,)
    assert verdict.skipped == Skipped(MINUTE_US, 4999 * MINUTE_US, COUNT_LIMIT, COALESCED)


def test_a_long_absence_costs_few_looks_at_the_trigger() -> None:
    asked = 0

    class Counting(Cron):
        def next_after(self, after_us: int) -> int | None:
            nonlocal asked
            asked += 1
            return super().next_after(after_us)

    century_us = 100 * 365 * 24 * HOUR_US
    verdict = _evaluate(Counting("* * * * * *", "UTC"), 0, century_us)
    assert verdict.due == (century_us,)
    assert asked < COUNT_LIMIT + 200
