"""What six hours of counting say of a queue."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.desks import QueueState
from daemon.dispatch.queue_history import MINUTES_KEPT, QueueHistory, begun, judged, taken_from
from daemon.dispatch.queue_lines import empties_in_s

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def counted(waiting: list[int], taken: list[int | None]) -> QueueHistory:
    history = QueueHistory()
    for minute, (length, out) in enumerate(zip(waiting, taken, strict=True)):
        history.note(minute, {"q": length}, {"q": out})
    return history


def state(history: QueueHistory, *, consumers: int | None = 1, is_sure: bool = True) -> QueueState:
    return judged(history, "q", is_blocked=False, is_held=False, consumers=consumers, is_sure=is_sure)


def test_rates_are_what_was_taken_and_what_must_have_come() -> None:
    assert counted([10, 12, 14], [None, 3, 5]).rates("q") == (6.0, 4.0)
    assert counted([10], [None]).rates("q") == (None, None)
    assert counted([10, 5], [None, None]).rates("q") == (None, None)
    assert QueueHistory().rates("q") == (None, None)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=30))
def test_rates_add_up(minutes: list[tuple[int, int]]) -> None:
    """What lay there, and came, and was not taken, lies there: as far as nothing was taken that had not come."""
    waiting, known, length = [], [], 0
    for came, wanted in minutes:
        out = min(wanted, length + came)
        length += came - out
        waiting.append(length)
        known.append(out)
    into, out_rate = counted(waiting, [*known]).rates("q")
    last = minutes[-min(5, len(minutes) - 1) :]
    assert into == pytest.approx(sum(came for came, _ in last) / len(last))
    assert out_rate == pytest.approx(sum(known[-len(last) :]) / len(last))


@pytest.mark.parametrize(
    ("waiting", "taken", "expected"),
    [
        ([0] * 20, [0] * 20, QueueState.OK),
        (list(range(20)), [1] * 20, QueueState.GROWING),
        ([*range(10), 3, *range(10, 19)], [1] * 20, QueueState.OK),
        (list(range(15)), [1] * 15, QueueState.OK),
        ([7] * 6, [0] * 6, QueueState.STUCK),
        ([7] * 6, [0] * 5 + [1], QueueState.OK),
        ([7] * 6, [None] * 6, QueueState.STUCK),
        ([7, 7, 7, 6, 7, 7], [None] * 6, QueueState.OK),
        ([7, 7, 0, 7, 7, 7], [0] * 6, QueueState.OK),
    ],
)
def test_states_follow_from_what_was_counted(waiting: list[int], taken: list[int | None], expected: QueueState) -> None:
    assert state(counted(waiting, taken)) is expected


def test_what_is_plainer_comes_first() -> None:
    history = counted([7] * 6, [0] * 6)
    assert state(history, consumers=0) is QueueState.NO_CONSUMER
    assert state(history, consumers=0, is_sure=False) is QueueState.STUCK
    for is_blocked, expected in ((True, QueueState.BLOCKED), (False, QueueState.HELD)):
        found = judged(history, "q", is_blocked=is_blocked, is_held=True, consumers=0, is_sure=True)
        assert found is expected


def test_minutes_that_were_missed_repeat_what_was_before() -> None:
    history = QueueHistory()
    history.note(10, {"q": 3}, {"q": 1})
    history.note(13, {"q": 5}, {"q": 2})
    history.note(13, {"q": 9}, {"q": 2})  # the same minute again says nothing
    found = history.minutes("q", AT)
    assert (found.waiting, found.taken) == ((3, 3, 3, 5), (1, None, None, 2))


def test_six_hours_are_kept_and_queues_that_are_gone_are_forgotten() -> None:
    history = counted([1] * (MINUTES_KEPT + 50), [0] * (MINUTES_KEPT + 50))
    assert len(history.minutes("q", AT).waiting) == MINUTES_KEPT
    assert len(history.strip("q", AT).waiting) == MINUTES_KEPT // 5
    history.note(5 * MINUTES_KEPT, {"other": 1}, {})
    assert history.minutes("q", AT).waiting == ()


@given(st.lists(st.integers(0, 100), max_size=40))
def test_a_strip_holds_the_greatest_of_every_five_minutes(waiting: list[int]) -> None:
    strip = counted(waiting, [0] * len(waiting)).strip("q", AT).waiting
    assert max(strip, default=None) == max(waiting, default=None)
    assert len(strip) == -(-len(waiting) // 5)
    assert strip[-1:] == (max(waiting[-5:]),) if waiting else strip == ()


def test_a_worker_that_was_started_anew_counts_from_nothing() -> None:
    before = {"w1": {"add": 10, "fail": 2}, "w2": {"add": 5}}
    after = {"w1": {"add": 3}, "w2": {"add": 9}, "w3": {"add": 1}}
    assert begun(before, after) == {"w1": {"add": 3}, "w2": {"add": 4}, "w3": {"add": 1}}


def test_tasks_are_put_down_to_the_queue_they_came_by() -> None:
    counts = {"one": {"x": 3}, "two": {"add": 2, "odd": 1}, "idle": {"odd": 0}}
    queues = {"one": ("a",), "two": ("b", "c"), "idle": ("d",)}
    routes = {"add": "b"}
    assert taken_from(counts, queues, ("a", "b", "c", "d"), routes.get) == {"a": 3, "b": None, "c": None, "d": 0}
    del counts["two"]["odd"]
    assert taken_from(counts, queues, ("a", "b", "c", "d"), routes.get) == {"a": 3, "b": 2, "c": 0, "d": 0}


def test_a_queue_empties_if_more_goes_out_than_in() -> None:
    assert empties_in_s(10, 1.0, 3.0) == 300.0
    for waiting, into, out in ((0, 1.0, 3.0), (10, 3.0, 3.0), (10, None, 3.0), (10, 1.0, None)):
        assert empties_in_s(waiting, into, out) is None
