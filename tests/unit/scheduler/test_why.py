"""Why an occurrence ran, or did not."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.clock import SECOND_US
from daemon.scheduler.history.why import Finding, Knowledge, explain, skip_text
from daemon.scheduler.model import How
from daemon.scheduler.run import Run, RunState
from daemon.scheduler.triggers import Cron, Interval
from tests.support.clock import START_US

HOUR_US = 3600 * SECOND_US
DUE_US = START_US // HOUR_US * HOUR_US
"""2026-09-21T14:00:00Z."""
HOURLY = Cron("0 * * * *", "UTC")
RAN = Run(
    "e", "e", DUE_US, RunState.SUCCEEDED, settled_us=DUE_US + 1_500_000, task_id="t", started_us=DUE_US + 2_000_000,
    finished_us=DUE_US + 9_000_000, worker="w@host",
)  # fmt: skip
NOW_US = DUE_US + 10 * HOUR_US


def known(*runs: Run, **more: Any) -> Knowledge:
    first_us = DUE_US - 100 * HOUR_US
    return Knowledge(runs, first_us, first_us, ((first_us, NOW_US),))._replace(**more)


def skipped(reason: str, **more: Any) -> Run:
    return Run("e", "e", DUE_US, RunState.SKIPPED, reason=reason, last_us=DUE_US)._replace(**more)


def told(*runs: Run, at_us: int = DUE_US, **more: Any) -> tuple[Finding, str]:
    found = explain(HOURLY, at_us, known(*runs, **more), NOW_US)
    return found.finding, found.text


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (RAN, "enqueued at 2026-09-21T14:00:01Z, 1.5 s after its instant; it succeeded on w@host at 2026-09-21T14:00:09Z"),
        (RAN._replace(state=RunState.FAILED, reason="ValueError"), "it failed on w@host at 2026-09-21T14:00:09Z (ValueError)"),
        (RAN._replace(state=RunState.LOST, reason="worker-gone"), "it was lost on w@host at 2026-09-21T14:00:09Z (its worker is gone)"),
        (RAN._replace(state=RunState.STARTED, finished_us=None), "it runs on w@host since 2026-09-21T14:00:02Z"),
        (RAN._replace(state=RunState.ENQUEUED, worker="", finished_us=None), "no worker is known to have started it"),
        (RAN._replace(state=RunState.UNKNOWN, reason="untold"), "what became of it nobody tells"),
        (RAN._replace(how=How.MANUAL), "because someone asked for it"),
        (RAN._replace(how=How.CATCH_UP), "to catch up"),
    ],
)  # fmt: skip
def test_a_run_is_told_with_its_outcome(run: Run, words: str) -> None:
    finding, text = told(run)
    assert finding is Finding.RAN
    assert words in text


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("coalesced", "a later one ran in its place"),
        ("catch-up-skip", "catch_up is skip"),
        ("outside-window", "older than the window"),
        ("start-deadline", "within start_deadline"),
        ("overlap", "its predecessor still ran"),
        ("overlap:6f1c", "its predecessor still ran, run 6f1c"),
        ("paused:mia@ward: until the move", "the entry was paused: mia@ward: until the move"),
        ("held:upgrade", "all schedules were held: upgrade"),
        ("excluded", "except names this instant"),
        ("limit", "a limit was reached"),
        ("max-runs", "max_runs times"),
        ("malformed", "no worker could take its message"),
        ("solar-flare", "solar-flare"),
        ("", "nobody said why"),
    ],
)
def test_what_was_passed_over_is_told_with_the_reason(reason: str, words: str) -> None:
    finding, text = told(skipped(reason))
    assert finding is Finding.SKIPPED
    assert words in text
    assert skip_text(reason) in text


def test_an_instant_within_a_row_of_passed_over_ones_is_found() -> None:
    row = skipped("coalesced", last_us=DUE_US + 3 * HOUR_US, times=4)
    finding, text = told(row, at_us=DUE_US + 2 * HOUR_US)
    assert finding is Finding.SKIPPED
    assert "with 3 more, from 2026-09-21T14:00:00Z to 2026-09-21T17:00:00Z" in text
    assert told(row, at_us=DUE_US + 4 * HOUR_US)[0] is Finding.UNKNOWN


def test_an_instant_is_meant_to_the_second() -> None:
    every = Interval(10 * SECOND_US, DUE_US + 250_000)
    run = RAN._replace(occurrence_us=DUE_US + 250_000)
    assert explain(every, DUE_US, known(run), NOW_US).run == run
    assert explain(every, DUE_US, known(), NOW_US).finding is Finding.UNKNOWN


def test_where_nothing_was_due_its_neighbours_are_named() -> None:
    found = explain(HOURLY, DUE_US + 60 * SECOND_US, known(), NOW_US)
    assert found.finding is Finding.NOT_DUE
    assert (found.before_us, found.after_us) == (DUE_US, DUE_US + HOUR_US)
    assert "the occurrence before was 2026-09-21T14:00:00Z, the next is 2026-09-21T15:00:00Z" in found.text


def test_a_run_by_hand_is_found_at_an_instant_that_was_not_due() -> None:
    at_us = DUE_US + 60 * SECOND_US
    finding, _ = told(RAN._replace(occurrence_us=at_us, how=How.MANUAL), at_us=at_us)
    assert finding is Finding.RAN


def test_the_future_has_not_come() -> None:
    assert told(at_us=DUE_US + 11 * HOUR_US)[0] is Finding.NOT_YET


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"first_us": None, "entry_us": None}, "the history is empty"),
        ({"entry_us": None}, "nothing of this entry was ever recorded"),
        ({"entry_us": DUE_US + HOUR_US}, "first record is of 2026-09-21T15:00:00Z"),
        ({"gaps": ((DUE_US - 1, DUE_US + 1),)}, "records of that time were dropped"),
        ({"watches": ((DUE_US - 9, DUE_US - 5), (DUE_US + HOUR_US, NOW_US))},
         "this daemon did not run between 2026-09-21T13:59:59Z and 2026-09-21T15:00:00Z"),
        ({"watches": ((DUE_US + HOUR_US, NOW_US),)}, "this daemon did not run until 2026-09-21T15:00:00Z"),
        ({}, "the broker was away"),
    ],
)  # fmt: skip
def test_where_nothing_is_known_it_says_why(more: dict[str, Any], words: str) -> None:
    finding, text = told(**more)
    assert finding is Finding.UNKNOWN
    assert words in text
    assert text.startswith("it was due, but ")


def test_an_entry_that_left_the_schedule_is_explained_by_its_history_alone() -> None:
    assert explain(None, DUE_US, known(RAN), NOW_US).finding is Finding.RAN
    found = explain(None, DUE_US + 5, known(), NOW_US)
    assert found.finding is Finding.UNKNOWN
    assert found.text.startswith("nothing is recorded, but ")
