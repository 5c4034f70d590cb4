"""What counts as missed, what is told of it and when not again, who of the daemons is gone, and what is pinged."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import SECOND_US
from daemon.public import Public
from daemon.scheduler.evaluate import SkipReason
from daemon.scheduler.model import Entry, Expectation, How, Overlap, OverlapPolicy
from daemon.scheduler.run import Run, RunState
from daemon.scheduler.triggers import Interval
from daemon.scheduler.watch.alarm import Alarm, after_miss, after_return, after_run, parse_alarm
from daemon.scheduler.watch.missed import DELIBERATE, Missed, Telling, What, judge, makes_good
from daemon.scheduler.watch.peers import Peers
from daemon.scheduler.watch.pings import Phase, Told, after_phase, parse_told, phase_of, ping_url
from daemon.scheduler.watch.vigil import LOOKS_LIMIT, PENDING_LIMIT, Vigil
from tests.support.clock import START_US

S = SECOND_US
START_IN, FINISH_IN = 60 * S, 600 * S
AT = START_US


def entry(name: str = "e", start: int | None = START_IN, finish: int | None = FINISH_IN, **more: Any) -> Entry:
    trigger = Interval(3600 * S, START_US % (3600 * S))
    return Entry(Public(name), Public("task"), trigger, expect=Expectation(start, finish), **more)


def run(state: RunState, at_us: int = AT, **more: Any) -> Run:
    return Run("e", "e", at_us, state, settled_us=more.pop("settled_us", at_us + S), **more)


# -- what is missed ----------------------------------------------------------------------------------------------------

ENQUEUED, STARTED, OVER = run(RunState.ENQUEUED), run(RunState.STARTED, started_us=AT + 2), run(RunState.SUCCEEDED)
AFTER_START, AFTER_FINISH = AT + START_IN, AT + FINISH_IN


@pytest.mark.parametrize(
    ("known", "now_us", "what"),
    [
        (None, AFTER_START - 1, None),
        (None, AFTER_START, What.NOT_ENQUEUED),
        (ENQUEUED, AFTER_START - 1, None),
        (ENQUEUED, AFTER_START, What.NOT_STARTED),
        (ENQUEUED, AFTER_FINISH, What.NOT_FINISHED),
        (STARTED, AFTER_FINISH - 1, None),
        (STARTED, AFTER_FINISH, What.NOT_FINISHED),
        (OVER, AFTER_FINISH, None),
        (run(RunState.UNKNOWN), AFTER_FINISH, None),
        (run(RunState.FAILED), AT + S, What.FAILED),
        (run(RunState.LOST), AT + S, What.FAILED),
        (run(RunState.REVOKED), AT + S, What.FAILED),
        (run(RunState.SKIPPED, reason="coalesced"), AT + S, What.NOT_ENQUEUED),
        (run(RunState.SKIPPED, reason="start-deadline"), AT + S, What.NOT_ENQUEUED),
        (run(RunState.SKIPPED, reason="malformed"), AT + S, What.NOT_ENQUEUED),
        (run(RunState.SKIPPED, reason="paused: ana: works"), AT + S, None),
        (run(RunState.SKIPPED, reason="overlap: id-1"), AT + S, None),
        (run(RunState.ENQUEUED, settled_us=AT + START_IN), AT + START_IN, None),
        (run(RunState.ENQUEUED, settled_us=AT + START_IN), AT + 2 * START_IN, What.NOT_STARTED),
        (run(RunState.ENQUEUED, settled_us=AT + FINISH_IN, how=How.CATCH_UP), AT + FINISH_IN + S, None),
    ],
)
def test_an_occurrence_misses_what_has_not_happened_by_its_time(
    known: Run | None, now_us: int, what: What | None
) -> None:
    missed = judge(entry(), AT, known, now_us, Telling())
    assert (None if missed is None else missed.what) is what


@pytest.mark.parametrize(
    ("telling", "known", "what"),
    [
        (Telling(starts=False), ENQUEUED, What.NOT_FINISHED),
        (Telling(starts=False, ends=False), ENQUEUED, None),
        (Telling(ends=False), ENQUEUED, What.NOT_STARTED),
        (Telling(starts=False, ends=False), None, What.NOT_ENQUEUED),
    ],
)
def test_what_nobody_tells_of_is_not_judged(telling: Telling, known: Run | None, what: What | None) -> None:
    missed = judge(entry(), AT, known, AFTER_FINISH, telling)
    assert (None if missed is None else missed.what) is what


def test_a_run_that_was_revoked_to_make_room_missed_nothing() -> None:
    replaced = entry(overlap=Overlap(OverlapPolicy.CANCEL_OTHER))
    assert judge(replaced, AT, run(RunState.REVOKED), AFTER_FINISH, Telling()) is None


def test_of_an_entry_without_expectations_nothing_is_missed() -> None:
    assert judge(entry(start=None, finish=None), AT, None, AFTER_FINISH * 2, Telling()) is None


def test_every_reason_the_scheduler_passes_over_by_itself_counts_and_every_wish_of_someone_does_not() -> None:
    wished = {SkipReason.PAUSED, SkipReason.OVERLAP, SkipReason.HELD}
    assert {reason.value for reason in wished} <= DELIBERATE
    assert not {reason.value for reason in set(SkipReason) - wished} & DELIBERATE


@pytest.mark.parametrize(
    ("what", "by"),
    [
        (What.NOT_ENQUEUED, {RunState.ENQUEUED, RunState.STARTED, RunState.SUCCEEDED, RunState.FAILED}),
        (What.NOT_STARTED, {RunState.STARTED, RunState.SUCCEEDED, RunState.FAILED}),
        (What.NOT_FINISHED, {RunState.SUCCEEDED, RunState.UNKNOWN}),
        (What.FAILED, {RunState.SUCCEEDED}),
    ],
)
def test_a_miss_is_made_good_by_its_own_run_or_a_later_one(what: What, by: set[RunState]) -> None:
    for state in (RunState.ENQUEUED, RunState.STARTED, RunState.SUCCEEDED, RunState.FAILED, RunState.SKIPPED):
        assert makes_good(what, AT, run(state)) is (state in by)
        assert makes_good(what, AT, run(state, AT + 1)) is (state in by)
        assert not makes_good(what, AT, run(state, AT - 1))
    assert makes_good(what, AT, run(RunState.UNKNOWN)) is (what is not What.FAILED)


# -- the vigil ---------------------------------------------------------------------------------------------------------


def watching(*entries: Entry) -> Vigil:
    vigil = Vigil()
    vigil.put(entries or (entry(),))
    return vigil


def whats(found: list[Missed]) -> list[tuple[What, int]]:
    return [(one.what, one.since_us) for one in found]


def test_an_occurrence_nobody_hears_of_is_missed_once() -> None:
    vigil = watching()
    vigil.planned("e", AT, AT - S)
    assert vigil.first_us() == AFTER_START
    assert vigil.due(AFTER_START - 1, Telling()) == []
    assert whats(vigil.due(AFTER_START, Telling())) == [(What.NOT_ENQUEUED, AFTER_START)]
    assert vigil.due(AFTER_FINISH * 2, Telling()) == []
    assert vigil.first_us() is None


def test_a_run_that_keeps_its_times_is_forgotten_without_a_word() -> None:
    vigil = watching()
    vigil.planned("e", AT, AT - S)
    for state in (RunState.ENQUEUED, RunState.STARTED, RunState.SUCCEEDED):
        assert vigil.heard(run(state), AT + S) is None
    assert vigil.due(AFTER_FINISH * 2, Telling()) == []


def test_a_run_is_judged_at_each_of_its_deadlines() -> None:
    vigil = watching()
    vigil.planned("e", AT, AT - S)
    vigil.heard(ENQUEUED, AT + S)
    found = [*vigil.due(AFTER_START, Telling()), *vigil.due(AFTER_FINISH, Telling())]
    assert whats(found) == [(What.NOT_STARTED, AFTER_START), (What.NOT_FINISHED, AFTER_FINISH)]


def test_a_failure_is_missed_at_once() -> None:
    vigil = watching()
    vigil.heard(ENQUEUED, AT + S)
    missed = vigil.heard(run(RunState.FAILED, finished_us=AT + 3 * S), AT + 4 * S)
    assert missed == Missed("e", "e", AT, What.FAILED, AT + 3 * S)
    assert vigil.due(AFTER_FINISH, Telling()) == []


def test_what_came_late_is_counted_from_when_it_came() -> None:
    vigil = watching()
    vigil.planned("e", AT, AT - S)
    assert len(vigil.due(AFTER_START, Telling())) == 1
    late_us = AFTER_START + 30 * S
    vigil.heard(run(RunState.ENQUEUED, settled_us=late_us), late_us)
    assert vigil.due(late_us + START_IN - 1, Telling()) == []
    assert whats(vigil.due(late_us + FINISH_IN, Telling())) == [(What.NOT_FINISHED, late_us + FINISH_IN)]


def test_passed_over_by_itself_is_missed_and_by_someones_wish_is_not() -> None:
    vigil = watching()
    vigil.planned("e", AT, AT - S)
    paused = run(RunState.SKIPPED, reason="paused", last_us=AT + S, times=2)
    assert vigil.heard(paused, AT + 2 * S) is None
    assert vigil.due(AFTER_FINISH, Telling()) == []
    missed = vigil.heard(run(RunState.SKIPPED, reason="coalesced", last_us=AT + S, times=2), AT + 2 * S)
    assert missed is not None
    assert (missed.at_us, missed.what) == (AT + S, What.NOT_ENQUEUED)


def test_what_waits_because_someone_holds_the_schedule_is_excused() -> None:
    vigil = watching()
    vigil.planned("e", AT, AT - S)
    vigil.excuse("e", AT)
    vigil.excuse("e", AT + 1)
    vigil.excuse("nobody", AT)
    assert vigil.due(AFTER_FINISH, Telling()) == []


def test_a_changed_timing_takes_the_place_of_what_was_expected() -> None:
    vigil = watching()
    vigil.planned("e", AT + 9 * S, AT - S)
    vigil.planned("e", AT + S, AT - S)
    vigil.planned("e", None, AT - S)
    vigil.planned("e", AT - S, AT)  # no occurrence, but another look
    assert [one.at_us for one in vigil.due(AFTER_FINISH * 2, Telling())] == [AT + S]


@pytest.mark.parametrize("how", [How.MANUAL, How.BACKFILL, How.HELD])
def test_what_someone_asked_for_is_not_expected(how: How) -> None:
    vigil = watching()
    assert vigil.heard(run(RunState.ENQUEUED, how=how), AT) is None
    assert vigil.heard(run(RunState.FAILED, how=how), AT) is None
    assert vigil.first_us() is None


def test_an_entry_that_is_dropped_or_no_longer_expects_anything_is_not_watched() -> None:
    vigil = watching(entry("e"), entry("f"))
    for key in ("e", "f"):
        vigil.planned(key, AT, AT - S)
    vigil.drop(["e"])
    vigil.put([entry("f", None, None)])
    assert (len(vigil), vigil.due(AFTER_FINISH, Telling())) == (0, [])


def test_a_changed_expectation_holds_for_what_is_under_watch() -> None:
    vigil = watching()
    vigil.planned("e", AT, AT - S)
    vigil.put([entry(start=5 * S)])
    assert whats(vigil.due(AT + 5 * S, Telling())) == [(What.NOT_ENQUEUED, AT + 5 * S)]


def test_occurrences_under_watch_are_bounded() -> None:
    vigil = watching(entry(start=None))
    for number in range(PENDING_LIMIT + 5):
        vigil.heard(run(RunState.ENQUEUED, AT + number), AT)
    found = []
    while vigil.first_us() is not None:
        some = vigil.due(AFTER_FINISH * 2, Telling())
        assert len(some) <= LOOKS_LIMIT
        found += some
    assert len(found) == PENDING_LIMIT


def test_idle_entries_cost_nothing() -> None:
    vigil = watching(*(entry(f"e{number}") for number in range(10_000)))
    for number in range(10_000):
        vigil.planned(f"e{number}", AT + number, AT - S)
    began_s = time.process_time()
    for _ in range(1000):
        vigil.due(AT, Telling())
    # Looked at every five seconds, a thousand looks are more than an hour. No clock decides: it is a thousandfold away.
    assert time.process_time() - began_s < 5


actions = st.lists(
    st.tuples(
        st.integers(0, 8),
        st.sampled_from([RunState.ENQUEUED, RunState.STARTED, RunState.SUCCEEDED, RunState.FAILED, None]),
        st.integers(0, 900),
    ),
    max_size=40,
)


@given(actions)
def test_whatever_is_heard_and_when_nothing_is_missed_twice_at_one_deadline(
    happened: list[tuple[int, RunState | None, int]],
) -> None:
    vigil, now_us, found = watching(), AT, []
    for number, state, pause_s in happened:
        at_us = AT + number * 100 * S
        now_us += pause_s * S
        if state is None:
            vigil.planned("e", at_us, now_us)
        else:
            missed = vigil.heard(run(state, at_us, settled_us=now_us), now_us)
            found += [missed] if missed is not None and missed.what is not What.FAILED else []
        found += vigil.due(now_us, Telling())
    found += vigil.due(now_us + 10 * FINISH_IN, Telling())
    assert vigil.first_us() is None
    assert len(set(found)) == len(found)


# -- alarms ------------------------------------------------------------------------------------------------------------

HOUR = 3600 * S
FOUND = Alarm(What.NOT_STARTED, AT, AT + 60 * S, is_over=False, by="one")


def miss(what: What = What.NOT_STARTED, at_us: int = AT) -> Missed:
    return Missed("e", "e", at_us, what, at_us)


@pytest.mark.parametrize("is_over", [False, True])
def test_an_alarm_is_read_as_it_was_written(is_over: bool) -> None:  # noqa: FBT001 - a parameter
    alarm = FOUND._replace(is_over=is_over, by="a host with spaces")
    assert parse_alarm(str(alarm)) == alarm


@pytest.mark.parametrize(
    "text", [None, "", "missed", "missed nothing 1 2 me", "missed failed x 2 me", "gone failed 1 2 me"]
)
def test_what_is_no_alarm_is_none(text: str | None) -> None:
    assert parse_alarm(text) is None


@pytest.mark.parametrize(
    ("found", "missed", "after_us", "is_told"),
    [
        (None, miss(), 0, True),
        (FOUND, miss(), 2 * HOUR, False),
        (FOUND, miss(What.NOT_ENQUEUED), 2 * HOUR, False),
        (FOUND, miss(What.FAILED), 0, True),
        (FOUND, miss(at_us=AT - 1), 2 * HOUR, False),
        (FOUND, miss(at_us=AT + 1), HOUR - 1, False),
        (FOUND, miss(at_us=AT + 1), HOUR, True),
        (FOUND._replace(is_over=True), miss(at_us=AT + 1), 0, True),
        (FOUND._replace(is_over=True), miss(), 0, False),
    ],
)
def test_a_miss_is_told_once_and_again_only_if_it_is_worse_or_goes_on(
    found: Alarm | None,
    missed: Missed,
    after_us: int,
    is_told: bool,  # noqa: FBT001 - a parameter
) -> None:
    told = after_miss(found, missed, FOUND.told_us + after_us, "two", HOUR)
    assert (told is not None) is is_told
    if told is not None:
        assert (told.what, told.at_us, told.is_over, told.by) == (missed.what, missed.at_us, False, "two")


def test_that_it_is_over_is_told_once() -> None:
    over = after_run(FOUND, run(RunState.STARTED), AT + HOUR, "two")
    assert over == FOUND._replace(is_over=True, told_us=AT + HOUR, by="two")
    assert after_run(over, run(RunState.STARTED), AT + HOUR, "two") is None
    assert after_run(FOUND, run(RunState.ENQUEUED), AT + HOUR, "two") is None
    assert after_run(None, run(RunState.SUCCEEDED), AT + HOUR, "two") is None
    assert after_return(over, AT, "two") is None
    assert after_return(FOUND, AT, "two") is not None


# -- peers -------------------------------------------------------------------------------------------------------------

GONE = 30 * S


def test_a_daemon_without_a_sign_is_gone_once_and_back_once() -> None:
    peers = Peers("me")
    assert peers.look({"me": 0, "other": 0}, 0) == ([], [])
    assert peers.look({"me": GONE, "other": 0}, GONE) == ([("other", 0)], [])
    assert peers.alive == 1
    assert peers.look({"me": GONE, "other": 0}, GONE + 1) == ([], [])
    assert peers.look({"me": GONE, "other": GONE + 2}, GONE + 2) == ([], ["other"])
    assert peers.look({"me": GONE, "other": GONE + 2}, GONE + 3) == ([], [])
    assert peers.alive == 2


def test_one_that_ended_as_asked_is_not_gone_and_one_that_was_forgotten_is_not_back() -> None:
    peers = Peers("me")
    peers.look({"me": 0, "other": 0}, 0)
    assert peers.look({"me": GONE}, GONE) == ([], [])
    peers.look({"me": GONE, "other": 0}, GONE + 1)
    assert peers.look({"me": GONE}, GONE + 2) == ([], [])


def test_after_an_outage_everyone_gets_time_to_give_a_sign() -> None:
    peers = Peers("me")
    peers.look({"me": 0, "other": 0}, 0)
    peers.lost_contact()
    assert peers.look({"me": 9 * GONE, "other": 0}, 9 * GONE) == ([], [])
    assert peers.look({"me": 10 * GONE, "other": 0}, 10 * GONE) == ([("other", 0)], [])


def test_nobody_reports_himself() -> None:
    peers = Peers("me")
    peers.look({"me": 0}, 0)
    assert peers.look({"me": 0}, 5 * GONE) == ([], [])


# -- pings -------------------------------------------------------------------------------------------------------------


def test_phases_follow_the_state_of_a_run() -> None:
    found = {state: phase_of(run(state)) for state in RunState}
    assert {state.value: phase.name for state, phase in found.items() if phase is not None} == {
        "started": "START",
        "succeeded": "SUCCESS",
        "failed": "FAIL",
        "lost": "FAIL",
        "revoked": "FAIL",
    }


def test_each_phase_is_sent_once_and_none_after_a_later_one() -> None:
    start = after_phase(None, STARTED, Phase.START, "me")
    assert start == Told(AT, is_last=False, by="me")
    assert parse_told(str(start)) == start
    end = after_phase(start, OVER, Phase.SUCCESS, "me")
    assert end is not None
    for known, one, phase in ((start, STARTED, Phase.START), (end, STARTED, Phase.START), (end, OVER, Phase.FAIL)):
        assert after_phase(known, one, phase, "other") is None
    assert after_phase(end, run(RunState.STARTED, AT + 1), Phase.START, "me") is not None
    assert [parse_told(text) for text in (None, "", "x start me", "1 middle me")] == [None] * 4


@pytest.mark.parametrize(
    ("url", "phase", "written"),
    [
        ("https://hc-ping.com/uuid", Phase.START, "https://hc-ping.com/uuid/start?rid=id-1"),
        ("https://hc-ping.com/uuid/", Phase.FAIL, "https://hc-ping.com/uuid/fail?rid=id-1"),
        ("https://hc-ping.com/uuid", Phase.SUCCESS, "https://hc-ping.com/uuid?rid=id-1"),
        ("http://kuma/api/push/x?status=up&msg=", Phase.SUCCESS, "http://kuma/api/push/x?status=up&msg=&rid=id-1"),
    ],
)
def test_an_address_gets_the_phase_and_the_id_of_the_run(url: str, phase: Phase, written: str) -> None:
    assert ping_url(url, phase, "id-1") == written
