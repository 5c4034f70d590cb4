"""What must allow an occurrence besides its ticket, and what is written about it."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.clock import SECOND_US
from daemon.ports import Gate, RateCap, Slot
from daemon.public import Public
from daemon.scheduler.evaluate import Skipped, SkipReason
from daemon.scheduler.gating import gate_of, is_counted, parse_full, parse_throttled, takes_places
from daemon.scheduler.model import Entry, How, Limit, Overlap, OverlapPolicy, Pause, Rate
from daemon.scheduler.recording import run_record, skip_record
from daemon.scheduler.run import Run, RunState, read_record
from daemon.scheduler.triggers import Interval

HOUR_US = 3600 * SECOND_US
GUARDED = [policy for policy in OverlapPolicy if policy is not OverlapPolicy.ALLOW]


def _entry(**changes: Any) -> Entry:
    return Entry(Public("e"), Public("t"), Interval(60 * SECOND_US), **changes)


def test_an_entry_without_limits_takes_no_place_and_still_heeds_a_hold() -> None:
    assert gate_of(_entry(), "id") == Gate("id", (), (), heeds_hold=True)
    assert not is_counted(_entry())


@pytest.mark.parametrize("policy", GUARDED)
def test_an_entry_that_must_not_overlap_has_one_place(policy: OverlapPolicy) -> None:
    entry = _entry(overlap=Overlap(policy, HOUR_US))
    assert gate_of(entry, "id", ("old",)).slots == (Slot("overlap:e", 1, HOUR_US, ("old",)),)
    assert takes_places(entry)


def test_a_limit_on_runs_at_once_is_a_number_of_places_and_a_rate_is_a_rate() -> None:
    entry = _entry(limit=Limit(3, Rate(10, HOUR_US)), overlap=Overlap(stale_us=HOUR_US))
    assert gate_of(entry, "id") == Gate("id", (Slot("entry:e", 3, HOUR_US),), (RateCap("entry:e", 10, HOUR_US),))


def test_a_rate_alone_is_counted_and_takes_no_place() -> None:
    entry = _entry(limit=Limit(rate=Rate(1, HOUR_US)))
    assert (is_counted(entry), takes_places(entry)) == (True, False)


def test_a_renamed_entry_with_an_id_takes_the_same_place() -> None:
    entry = _entry(identity=Public("stable"), overlap=Overlap(OverlapPolicy.SKIP))
    assert gate_of(entry, "id").slots[0].scope == "overlap:stable"


@pytest.mark.parametrize("how", list(How))
def test_what_someone_asked_for_runs_although_all_schedules_are_held(how: How) -> None:
    assert gate_of(_entry(how=how), "id").heeds_hold is (how not in (How.MANUAL, How.BACKFILL))


def test_a_refusal_names_scope_and_holders() -> None:
    assert parse_full("overlap:a b\none\ntwo") == ("overlap:a b", ("one", "two"))
    assert parse_full(None) == ("", ())


@pytest.mark.parametrize(
    ("found", "at_us"), [("1790000000000001", 1790000000000001), ("", None), (None, None), ("x", None)]
)
def test_a_rate_tells_from_when_on_it_allows_more(found: str | None, at_us: int | None) -> None:
    assert parse_throttled(found) == at_us


# -- records -----------------------------------------------------------------------------------------------------------


def test_what_was_enqueued_is_read_back_as_it_was_written() -> None:
    entry = _entry(queue=Public("q"), overlap=Overlap(OverlapPolicy.SKIP), args=["secret"])
    text = run_record(entry, 5, "id", "host", is_late=False, holds=True)
    assert read_record(text, 9) == Run(
        "e", "e", 5, RunState.ENQUEUED, How.CLOCK, "host", 9, task="t", queue="q", task_id="id", holds=True
    )
    assert "secret" not in text


@pytest.mark.parametrize(
    ("how", "is_late", "told"),
    [(How.CLOCK, True, How.CATCH_UP), (How.CLOCK, False, How.CLOCK), (How.HELD, True, How.HELD)],
)
def test_a_late_occurrence_of_the_clock_is_called_a_catch_up(how: How, told: How, *, is_late: bool) -> None:
    run = read_record(run_record(_entry(how=how), 5, "id", "host", is_late=is_late), 9)
    assert run is not None
    assert run.how is told


def test_what_was_passed_over_says_from_when_to_when_and_why() -> None:
    run = read_record(skip_record(_entry(), Skipped(5, 8, 4, SkipReason.OVERLAP), "host", "id-of-the-other"), 9)
    assert run is not None
    assert (run.occurrence_us, run.last_us, run.times, run.reason) == (5, 8, 4, "overlap:id-of-the-other")
    assert run.state is RunState.SKIPPED


def test_what_was_passed_over_in_a_pause_says_whose_pause_it_was() -> None:
    entry = _entry(pause=Pause(author="jdoe", note="ward 3"))
    run = read_record(skip_record(entry, Skipped(5, 5, 1, SkipReason.PAUSED), "host"), 9)
    assert run is not None
    assert run.reason == "paused:jdoe"


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '{"s":"enqueued"}', '{"e":1,"n":2,"o":3,"s":"no"}', "1", "null"])
def test_what_is_no_record_is_nothing(text: str) -> None:
    assert read_record(text, 0) is None
