"""What another scheduler sends, held against a schedule: a table of what it may do, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import SECOND_US
from daemon.scheduler.forecast import BATCH_LIMIT, ByCalendar, ByPeriod, forecast
from daemon.scheduler.model import Entry
from daemon.scheduler.shadow import SENDERS_LIMIT, STRANGERS_LIMIT, Difference, Finding, Shadow
from daemon.scheduler.triggers import Cron, Interval
from tests.support.clock import START_US
from tests.support.scheduling import cron, every

MINUTE_US = START_US - 20 * SECOND_US
"""14:13:00; the instants of the tables count from here, in seconds."""
BEAT, WEB = "gen7@beat", "gen9@web"
SentAt = tuple[str, float] | tuple[str, float, str]
"""A task, when it was sent, and by whom if not by beat."""


def at(seconds: float) -> int:
    return MINUTE_US + round(seconds * SECOND_US)


def watched(
    entries: Sequence[Entry],
    sent: Sequence[SentAt],
    *,
    start: float = 20,
    end: float = 320,
    tolerance: float = 2,
) -> tuple[Shadow, list[tuple[str, str, float | None, float | None]]]:
    """Watch from ``start`` to ``end`` and give what was found: kind, entry or task, when due, when sent."""
    shadow = Shadow(entries, at(start), round(tolerance * SECOND_US))
    found: list[Finding] = []
    for task, seconds, *sender in sent:
        found += shadow.settle(at(seconds))
        found += shadow.take(task, at(seconds), sender[0] if sender else BEAT)
    found += shadow.close(at(end))
    return shadow, [(one.kind.value, str(one.entry or one.task), _s(one.due_us), _s(one.sent_us)) for one in found]


def _s(at_us: int | None) -> float | None:
    return None if at_us is None else (at_us - MINUTE_US) / SECOND_US


EACH_MINUTE = [cron("* * * * *")]
ON_TIME = [("task.e", 60.0), ("task.e", 120.02), ("task.e", 181.9), ("task.e", 239.5), ("task.e", 300.0)]


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (ON_TIME, []),
        (ON_TIME[:2] + ON_TIME[3:], [("missing", "e", 180, None)]),
        (ON_TIME[1:], [("missing", "e", 60, None)]),
        (ON_TIME[:-1], [("missing", "e", 300, None)]),
        ([], [("missing", "e", due, None) for due in (60, 120, 180, 240, 300)]),
        ([*ON_TIME[:2], ("task.e", 187), *ON_TIME[3:]], [("late", "e", 180, 187)]),
        ([*ON_TIME[:3], ("task.e", 200), *ON_TIME[3:]], [("unexpected", "task.e", None, 200)]),
        ([*ON_TIME[:3], ("task.other", 200), *ON_TIME[3:]], [("unexpected", "task.other", None, 200)]),
        ([*ON_TIME[:2], ("task.e", 120.1), *ON_TIME[2:]], [("unexpected", "task.e", None, 120.1)]),
        ([("task.e", 20.5), *ON_TIME], []),  # of 14:13:00, before the watch began
    ],
    ids=[
        "all on time",
        "one left out",
        "the first left out",
        "the last left out",
        "nothing sent",
        "one late",
        "one too many",
        "another task",
        "sent twice",
        "one of before",
    ],
)
def test_an_entry_of_the_calendar(
    sent: list[tuple[str, float]], found: list[tuple[str, str, float | None, float | None]]
) -> None:
    shadow, differences = watched(EACH_MINUTE, sent)
    assert differences == found
    assert shadow.is_matched == (not found)
    assert shadow.heard == len(sent)
    assert shadow.due == 5


EACH_30_S = [every(30)]
IN_PHASE = [("task.e", 33.0 + 30 * number) for number in range(10)]


def _without(*places: int) -> list[tuple[str, float]]:
    return [one for place, one in enumerate(IN_PHASE) if place not in places]


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (IN_PHASE, []),
        (_without(4), [("missing", "e", 153, None)]),
        ([("task.e", second + number * 1.5) for number, (_, second) in enumerate(IN_PHASE)], []),
        ([*IN_PHASE[:4], ("task.e", 140), *IN_PHASE[4:]], [("unexpected", "task.e", None, 140)]),
        (
            [*IN_PHASE[:4], *[(task, second + 8) for task, second in IN_PHASE[4:]]],
            [("late", "e", 153, 161)],
        ),
        (
            [*IN_PHASE[:4], *[(task, second - 9) for task, second in IN_PHASE[4:]]],
            [("unexpected", "task.e", None, 144), ("missing", "e", 153, None)],
        ),
        (IN_PHASE[::2], [("missing", "e", 63 + 60 * number, None) for number in range(5)]),
        ([], [("missing", "e", 50 + 30 * number, None) for number in range(10)]),
    ],
    ids=[
        "a phase of its own",
        "one left out",
        "later with each run",
        "one too many",
        "counting anew, later",
        "counting anew, sooner",
        "half as often",
        "nothing sent",
    ],
)
def test_an_entry_with_a_period(
    sent: list[tuple[str, float]], found: list[tuple[str, str, float | None, float | None]]
) -> None:
    shadow, differences = watched(EACH_30_S, sent)
    assert differences == found
    assert shadow.is_matched == (not found)


def test_a_period_longer_than_the_watch_is_not_judged() -> None:
    shadow, differences = watched([every(3600)], [])
    assert (shadow.due, differences, shadow.is_matched) == (0, [], True)


def test_two_entries_of_one_task_are_told_apart_by_their_instants() -> None:
    entries = [Entry(name=one.name, task=every(1).task, trigger=one.trigger) for one in (
        cron("0/2 * * * *", "even"), cron("1/2 * * * *", "odd"), cron("*/2 * * * *", "even-too")
    )]  # fmt: skip
    sent = [("task.e", 60.0), ("task.e", 60.0), ("task.e", 121.0), ("task.e", 180.0), ("task.e", 240.1)]
    shadow, differences = watched(entries, sent, end=250)
    assert differences in ([("missing", "even", 180, None)], [("missing", "even-too", 180, None)])
    assert {str(name): tally.due for name, tally in shadow.tallies.items()} == {"even": 2, "odd": 2, "even-too": 2}


def test_what_others_send_is_counted_and_is_no_difference() -> None:
    sent: list[SentAt] = [
        *ON_TIME[:2],
        ("task.web", 130, WEB),
        ("task.e", 140, WEB),
        ("task.e", 141, WEB),
        *ON_TIME[2:],
    ]
    shadow, differences = watched(EACH_MINUTE, sent)
    assert (differences, shadow.is_matched, shadow.others, shadow.unexpected) == ([], True, 3, 0)


def test_what_the_other_scheduler_sent_before_it_was_known_is_told_once_it_is() -> None:
    sent: list[SentAt] = [("task.web", 30, WEB), ("task.x", 31), ("task.x", 32), *ON_TIME]
    shadow, differences = watched(EACH_MINUTE, sent)
    assert differences == [("unexpected", "task.x", None, 31)]
    assert (shadow.unexpected, shadow.others) == (2, 1)


def test_strangers_without_number_are_only_counted() -> None:
    sent = [(f"task.{number}", 30.0, WEB) for number in range(STRANGERS_LIMIT + 7)]
    shadow, _ = watched([every(3600)], sent)
    assert shadow.others == STRANGERS_LIMIT + 7


def test_senders_without_number_are_known_up_to_a_limit() -> None:
    entries = [every(30, f"e{number}") for number in range(SENDERS_LIMIT + 1)]
    sent = [(f"task.e{number}", 30.0, f"gen{number}@beat") for number in range(SENDERS_LIMIT + 1)]
    late = [("task.x", 31.0, f"gen{SENDERS_LIMIT}@beat"), ("task.x", 31.0, "gen0@beat")]
    shadow, differences = watched(entries, [*sent, *late], end=40)
    assert (differences, shadow.others) == ([("unexpected", "task.x", None, 31)], 1)


@pytest.mark.parametrize(
    ("entries", "heard", "unheard", "missing"),
    [
        (EACH_MINUTE, [ON_TIME[0], ON_TIME[4]], 3, []),
        (EACH_30_S, [*IN_PHASE[:1], *IN_PHASE[-2:]], 7, []),
        (EACH_30_S, IN_PHASE[-2:], 7, []),
    ],
    ids=["by the calendar", "by a period", "before its phase was known"],
)
def test_nothing_is_said_of_a_time_nobody_listened(
    entries: Sequence[Entry], heard: list[tuple[str, float]], unheard: int, missing: list[float]
) -> None:
    shadow = Shadow(entries, at(20), 2 * SECOND_US)
    found: list[Finding] = []
    before, after = [one for one in heard if one[1] < 100], [one for one in heard if one[1] > 100]
    for task, seconds in before:
        found += shadow.take(task, at(seconds), BEAT)
    shadow.skip(at(70), at(250))
    for task, seconds in after:
        found += shadow.take(task, at(seconds), BEAT)
    found += shadow.close(at(310))
    assert [_s(one.due_us) for one in found] == missing
    [tally] = shadow.tallies.values()
    assert tally.unheard == unheard
    assert not shadow.is_matched


def test_a_long_time_nobody_listened_leaves_nothing_awaited() -> None:
    awaited = ByCalendar(Cron("* * * * * *", "UTC"), at(20), 2 * SECOND_US)
    hours = 5 * 3600
    assert awaited.skip(at(20), at(20 + hours)) == hours + 3
    awaited.expect(at(20 + hours + 30))
    assert awaited.overdue(at(20 + hours + 30)) == []


def test_a_clock_that_jumps_far_is_caught_up_with_in_steps() -> None:
    awaited = ByPeriod(SECOND_US, at(0), SECOND_US)
    assert len(awaited.overdue(at(100_000))) == BATCH_LIMIT
    calendar = ByCalendar(Cron("* * * * * *", "UTC"), at(0), SECOND_US)
    calendar.expect(at(100_000))
    assert len(calendar.overdue(at(100_000))) == BATCH_LIMIT - 60  # those of the minute before do not count


def test_how_far_off_tasks_were_is_kept_with_its_sign() -> None:
    shadow, _ = watched(EACH_MINUTE, ON_TIME)
    assert shadow.tallies[EACH_MINUTE[0].name].furthest_us == round(1.9 * SECOND_US)
    shadow, _ = watched(EACH_MINUTE, [("task.e", 58.4), ("task.e", 121.5)], end=130)
    assert shadow.tallies[EACH_MINUTE[0].name].furthest_us == -round(1.6 * SECOND_US)


def test_an_interval_is_forecast_by_its_period_and_everything_else_by_the_calendar() -> None:
    assert isinstance(forecast(Interval(SECOND_US, 5), at(0), 1), ByPeriod)
    assert isinstance(forecast(Cron("* * * * *", "UTC"), at(0), 1), ByCalendar)


@given(
    st.lists(st.floats(-1.9, 1.9), min_size=20, max_size=20),
    st.sets(st.integers(0, 19)),
    st.sets(st.integers(0, 19)),
)
def test_whatever_is_left_out_or_sent_twice_is_found(off: list[float], left_out: set[int], twice: set[int]) -> None:
    """Occurrences a minute apart: each is sent once, not at all, or once too often half a minute later."""
    entry = cron("* * * * *")
    sent = [("task.e", 60.0 + 60 * number + off[number]) for number in range(20) if number not in left_out]
    sent += [("task.e", 90.0 + 60 * number) for number in twice - left_out]
    shadow, differences = watched([entry], sorted(sent, key=lambda one: one[1]), end=1230)
    kinds = [(kind, due if kind == "missing" else when) for kind, _, due, when in differences]
    known_from = min((number for number in range(20) if number not in left_out), default=20)
    assert sorted(when or 0 for kind, when in kinds if kind == Difference.MISSING.value) == [
        60.0 + 60 * number for number in sorted(left_out)
    ]
    assert sorted(when or 0 for kind, when in kinds if kind == Difference.UNEXPECTED.value) == [
        90.0 + 60 * number for number in sorted(twice - left_out) if number >= known_from
    ]
    assert shadow.due == 20
