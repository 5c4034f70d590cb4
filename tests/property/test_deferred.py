"""Answers that wait: whatever is told of tasks, lanes and time, each ends once, and says what happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.hl7listener.ack.answering import AckWhen, Fallback
from daemon.hl7listener.ack.deferred import Deferred, Ended, Ending

DEADLINE_S = 10.0
MOST = 4
LATE = {
    Fallback.ACCEPT: Ending.LATE_ACCEPT,
    Fallback.ERROR: Ending.LATE_ERROR,
    Fallback.CLOSE: Ending.UNANSWERED,
}


def deferred(when: AckWhen = AckWhen.SUCCEEDED, fallback: Fallback = Fallback.ERROR) -> Deferred:
    return Deferred(when, fallback, deadline_s=DEADLINE_S, most=MOST)


def test_enqueued_is_enough_if_no_more_is_asked() -> None:
    waits = deferred(AckWhen.ENQUEUED)
    waits.begin(1, 0.0)
    waits.begin(2, 0.0)
    assert waits.enqueued(1) == [Ended(1, Ending.ACCEPT)]
    assert waits.enqueued(2) == [Ended(2, Ending.ACCEPT)]
    assert len(waits) == 0


def test_all_tasks_must_succeed() -> None:
    waits = deferred()
    waits.begin(1, 0.0)
    assert waits.depends_on(1, ("a", "b")) == []
    assert waits.enqueued(1) == []
    assert waits.task_ended(1, "a", has_succeeded=True) == []
    assert waits.task_ended(1, "a", has_succeeded=True) == []
    assert waits.task_ended(1, "b", has_succeeded=True) == [Ended(1, Ending.ACCEPT)]


def test_one_task_that_fails_is_enough_to_fail() -> None:
    waits = deferred()
    waits.begin(1, 0.0)
    waits.depends_on(1, ("a", "b"))
    assert waits.task_ended(1, "b", has_succeeded=False) == [Ended(1, Ending.FAILED)]
    assert waits.task_ended(1, "a", has_succeeded=True) == []


def test_a_message_without_tasks_has_succeeded_once_it_is_handed_on() -> None:
    waits = deferred()
    waits.begin(1, 0.0)
    assert waits.depends_on(1, ()) == []
    assert waits.enqueued(1) == [Ended(1, Ending.ACCEPT)]


@pytest.mark.parametrize("when", [AckWhen.ENQUEUED, AckWhen.SUCCEEDED])
def test_a_message_that_cannot_be_handed_on_fails(when: AckWhen) -> None:
    waits = deferred(when)
    waits.begin(1, 0.0)
    assert waits.parked(1) == [Ended(1, Ending.FAILED)]
    assert waits.enqueued(1) == []


@pytest.mark.parametrize("fallback", Fallback)
def test_what_takes_too_long_ends_as_the_fallback_says(fallback: Fallback) -> None:
    waits = deferred(fallback=fallback)
    waits.begin(1, 0.0)
    waits.begin(2, 5.0)
    assert waits.next_due_s == DEADLINE_S
    assert waits.lapse(DEADLINE_S - 0.1) == []
    assert waits.lapse(DEADLINE_S) == [Ended(1, LATE[fallback])]
    assert waits.next_due_s == DEADLINE_S + 5.0
    assert waits.lapse(1000.0) == [Ended(2, LATE[fallback])]
    assert waits.next_due_s is None


def test_there_is_room_for_so_many_and_no_more() -> None:
    waits = deferred(AckWhen.ENQUEUED)
    for seq in range(MOST):
        assert waits.has_room
        waits.begin(seq, 0.0)
    assert not waits.has_room
    waits.enqueued(0)
    assert waits.has_room


@dataclass
class Model:
    """What a message has been through, by its own account."""

    begun_s: float
    tasks: frozenset[str] | None = None
    good: set[str] = field(default_factory=set)
    has_failed: bool = False
    is_handed_on: bool = False


SEQS = st.integers(1, 5)
TASKS = st.sampled_from("ab")
STEPS = st.one_of(
    st.tuples(st.just("begin"), SEQS),
    st.tuples(st.just("depends"), SEQS, st.frozensets(TASKS)),
    st.tuples(st.just("enqueued"), SEQS),
    st.tuples(st.just("parked"), SEQS),
    st.tuples(st.just("ended"), SEQS, TASKS, st.booleans()),
    st.tuples(st.just("time"), st.floats(0.0, 8.0)),
)


class Play:
    """Waits, and what the test knows of each message that waits."""

    def __init__(self, when: AckWhen, fallback: Fallback) -> None:
        self.when = when
        self.waits = deferred(when, fallback)
        self.models: dict[int, Model] = {}
        self.now_s = 0.0

    def begin(self, seq: int) -> list[Ended]:
        if seq not in self.models:
            self.models[seq] = Model(self.now_s)
            self.waits.begin(seq, self.now_s)
        return []

    def depends(self, seq: int, tasks: frozenset[str]) -> list[Ended]:
        model = self.models.get(seq)
        if model is None or model.tasks is not None:
            return []
        model.tasks = tasks
        return self.waits.depends_on(seq, tasks)

    def enqueued(self, cursor: int) -> list[Ended]:
        for seq, model in self.models.items():
            model.is_handed_on |= seq <= cursor
        return self.waits.enqueued(cursor)

    def parked(self, seq: int) -> list[Ended]:
        if seq in self.models:
            self.models[seq].has_failed = True
        return self.waits.parked(seq)

    def ended(self, seq: int, task: str, is_good: bool) -> list[Ended]:  # noqa: FBT001 - drawn
        model = self.models.get(seq)
        if self.when is AckWhen.SUCCEEDED and model is not None and model.tasks is not None and task in model.tasks:
            model.has_failed |= not is_good and task not in model.good
            model.good |= {task} if is_good else set()
            model.is_handed_on |= is_good
        return self.waits.task_ended(seq, task, has_succeeded=is_good)

    def time(self, seconds: float) -> list[Ended]:
        self.now_s += seconds
        return self.waits.lapse(self.now_s)


@settings(max_examples=400)
@given(st.sampled_from((AckWhen.ENQUEUED, AckWhen.SUCCEEDED)), st.sampled_from(Fallback), st.lists(STEPS, max_size=40))
def test_each_wait_ends_once_and_says_what_happened(
    when: AckWhen, fallback: Fallback, steps: list[tuple[Any, ...]]
) -> None:
    play = Play(when, fallback)
    for kind, *values in steps:
        for seq, ending in getattr(play, kind)(*values):
            # A second end would find no model.
            _check(play.models.pop(seq), ending, when, fallback, play.now_s)
        assert set(play.models) == {seq for seq in range(1, 6) if seq in play.waits}
        assert len(play.waits) == len(play.models)
        for model in play.models.values():
            assert not (when is AckWhen.ENQUEUED and model.is_handed_on)
            assert not model.has_failed
    for seq, ending in play.waits.lapse(play.now_s + DEADLINE_S):
        assert ending is LATE[fallback]
        del play.models[seq]
    assert not play.models


def _check(model: Model, ending: Ending, when: AckWhen, fallback: Fallback, now_s: float) -> None:
    if ending is Ending.FAILED:
        assert model.has_failed
    elif ending is Ending.ACCEPT:
        assert model.is_handed_on
        assert not model.has_failed
        assert when is AckWhen.ENQUEUED or (model.tasks is not None and model.tasks <= model.good)
    else:
        assert ending is LATE[fallback]
        assert now_s >= model.begun_s + DEADLINE_S
