"""What events make of a task: the same whatever their order, and what Celery makes of them in theirs."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim.events import Task
from shim.events.record import TEXT_LIMIT
from tests.support.celery_state import celery_task, same_as_celery
from tests.support.event_stream import AT, AT_S, SECRET, event, fields, picture, received, sent, state_of, task_of

Events = list[dict[str, Any]]


def in_turn(*steps: Callable[[float], dict[str, Any]]) -> Events:
    """Give events a second apart."""
    return [step(AT_S + number) for number, step in enumerate(steps)]


def step(kind: str, **more: Any) -> Callable[[float], dict[str, Any]]:
    def at(at_s: float) -> dict[str, Any]:
        if kind == "sent":
            return sent(at_s=at_s, clock=int(at_s - AT_S) + 5, **more)
        if kind == "received":
            return received(at_s=at_s, clock=int(at_s - AT_S) + 5, **more)
        return fields(f"task-{kind}", "a", at_s=at_s, clock=int(at_s - AT_S) + 5, **more)

    return at


SENT, RECEIVED, STARTED = step("sent"), step("received"), step("started")
SUCCEEDED = step("succeeded", result="5", runtime=0.5)
FAILED = step("failed", exception=f"ValueError('{SECRET}')", traceback=f"Traceback {SECRET}")
RETRIED = step("retried", exception="KeyError('kk')", traceback="…")
REVOKED = step("revoked", terminated=True, signum=15, expired=False)
REJECTED = step("rejected", requeue=False)
PROGRESS = step("progress", done=5)
AGAIN = step("received", retries=1)


# -- the state ---------------------------------------------------------------------------------------------------------

HISTORIES: dict[str, tuple[Sequence[Callable[[float], dict[str, Any]]], str]] = {
    "nothing but sent": ([SENT], "PENDING"),
    "received": ([SENT, RECEIVED], "RECEIVED"),
    "started": ([SENT, RECEIVED, STARTED], "STARTED"),
    "succeeded": ([SENT, RECEIVED, STARTED, SUCCEEDED], "SUCCESS"),
    "failed": ([RECEIVED, STARTED, FAILED], "FAILURE"),
    "waiting for its next attempt": ([RECEIVED, STARTED, RETRIED], "RETRY"),
    "received for its next attempt": ([RECEIVED, STARTED, RETRIED, AGAIN], "RECEIVED"),
    "in its next attempt": ([RECEIVED, STARTED, RETRIED, AGAIN, STARTED], "STARTED"),
    "waiting for its third attempt": ([RECEIVED, STARTED, RETRIED, AGAIN, STARTED, RETRIED], "RETRY"),
    "succeeded in the end": ([RECEIVED, STARTED, RETRIED, AGAIN, STARTED, SUCCEEDED], "SUCCESS"),
    "failed in the end": ([RECEIVED, STARTED, RETRIED, AGAIN, STARTED, FAILED], "FAILURE"),
    "revoked before it ran": ([SENT, RECEIVED, REVOKED], "REVOKED"),
    "revoked while it ran": ([RECEIVED, STARTED, REVOKED], "REVOKED"),
    "revoked while it waited": ([RECEIVED, STARTED, RETRIED, REVOKED], "REVOKED"),
    "rejected": ([RECEIVED, REJECTED], "RECEIVED"),
    "rejected, and nothing else is known": ([REJECTED], "REJECTED"),
    "its hard time limit fails it twice": ([RECEIVED, STARTED, FAILED, FAILED], "FAILURE"),
    "a word of its own": ([RECEIVED, STARTED, PROGRESS], "PROGRESS"),
    "a word of its own, then the end": ([RECEIVED, STARTED, PROGRESS, SUCCEEDED], "SUCCESS"),
    "run twice, the second after a success": ([RECEIVED, STARTED, SUCCEEDED, RECEIVED, STARTED], "SUCCESS"),
    "failed, delivered again, succeeded": ([RECEIVED, STARTED, FAILED, RECEIVED, STARTED, SUCCEEDED], "SUCCESS"),
    "finished, and nothing else is known": ([SUCCEEDED], "SUCCESS"),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_a_history_ends_in_its_state_whatever_order_it_arrives_in(name: str) -> None:
    steps, state = HISTORIES[name]
    history = in_turn(*steps)
    for seed in range(20):
        shuffled = random.Random(seed).sample(history, len(history))
        assert task_of(shuffled).state == state
    assert task_of(history) == task_of([*reversed(history), *history])


@pytest.mark.parametrize("name", HISTORIES)
def test_in_order_the_state_is_the_one_celery_gives(name: str) -> None:
    steps, state = HISTORIES[name]
    assert celery_task(in_turn(*steps)).state == state


def test_a_start_that_arrives_after_the_end_changes_its_instant_only() -> None:
    received_, started, succeeded = in_turn(RECEIVED, STARTED, SUCCEEDED)
    task = task_of([received_, succeeded, started])
    assert (task.state, task.started_at, task.state_at) == (
        "SUCCESS",
        AT + timedelta(seconds=1),
        AT + timedelta(seconds=2),
    )


def test_a_finished_task_is_not_taken_back_by_a_retry() -> None:
    """Celery's own state does so, and may show a task as waiting for ever once its attempts overlapped."""
    overlapping = in_turn(RECEIVED, RECEIVED, STARTED, STARTED, SUCCEEDED, RETRIED)
    assert task_of(overlapping).state == "SUCCESS"
    assert task_of(overlapping).is_finished
    assert celery_task(overlapping).state == "RETRY"


# -- its fields --------------------------------------------------------------------------------------------------------


def test_a_whole_history_gives_every_field() -> None:
    eta = (AT + timedelta(hours=1)).astimezone(UTC)
    told = {"eta": eta.isoformat(), "expires": "2026-11-23T00:00:00", "root_id": "r", "parent_id": "p"}
    history = in_turn(
        step("sent", **told),
        step("received", **told),
        STARTED,
        RETRIED,
        step("received", **told, retries=1, host="w2@ward"),
        step("started", host="w2@ward"),
        step("succeeded", host="w2@ward", runtime=0.25),
    )
    task = task_of(history)

    def second(number: int) -> datetime:
        return AT + timedelta(seconds=number)

    assert task == Task(
        task_id="a", name="app.add", state="SUCCESS", state_at=second(6), is_finished=True, args=f"('{SECRET}',)",
        kwargs="{}", exception="KeyError('kk')", retries=1, eta_at=eta, expires_at=datetime(2026, 11, 23, tzinfo=UTC),
        runtime_s=0.25, sent_at=second(0), received_at=second(4), started_at=second(5), succeeded_at=second(6),
        failed_at=None, retried_at=second(3), revoked_at=None, rejected_at=None, worker="w2@ward", client="me@shim",
        queue="wards", exchange="", routing_key="wards", root_id="r", parent_id="p", is_terminated=False,
        is_expired=False, clock=11,
    )  # fmt: skip


def test_a_worker_says_what_a_task_is_before_its_sender_does_unless_the_sender_tells_of_a_later_attempt() -> None:
    early = sent(name="as sent", retries=0, at_s=AT_S + 9)
    worker = received(name="as received", retries=0)
    again = sent(name="as sent again", retries=1, at_s=AT_S + 5)
    for order in ([early, worker], [worker, early]):
        assert task_of(order).name == "as received"
        assert (task_of([*order, again]).name, task_of([again, *order]).retries) == ("as sent again", 1)


def test_of_a_task_only_its_sender_told_of_the_worker_is_unknown() -> None:
    task = task_of([sent()])
    assert (task.worker, task.client, task.queue, task.clock) == (None, "me@shim", "wards", 0)
    assert task_of([received()]).client is None
    assert task_of([received()]).exchange is None


def test_why_a_task_was_revoked_is_kept() -> None:
    [terminated] = in_turn(REVOKED)
    [expired] = in_turn(step("revoked", terminated=False, signum=None, expired=True))
    assert [(task.is_terminated, task.is_expired) for task in (task_of([terminated]), task_of([expired]))] == [
        (True, False),
        (False, True),
    ]
    for order in ([terminated, expired], [expired, terminated]):
        assert (task_of(order).is_terminated, task_of(order).is_expired) == (True, True), (
            "of several events each counts"
        )


@pytest.mark.parametrize(
    ("damaged", "clock"),
    [
        ({"name": 5, "args": [1], "kwargs": {}, "root_id": 1, "parent_id": False, "eta": 5, "expires": "soon"}, 1),
        ({"retries": -1, "clock": -5, "eta": "x" * 100}, 0),
        ({"retries": 2**70, "clock": 2**70}, 0),
        ({"eta": "0001-01-01T00:00:00+23:59", "expires": "9999-12-31T23:59:59-23:59"}, 1),
        ({"retries": True, "clock": True, "name": None, "args": None}, 0),
    ],
)
def test_a_damaged_field_counts_as_not_told(damaged: dict[str, Any], clock: int) -> None:
    task = task_of([received(**damaged)])
    assert (task.state, task.retries, task.eta_at, task.expires_at) == ("RECEIVED", 0, None, None)
    assert task.clock == clock


def test_long_texts_are_cut() -> None:
    task = task_of([received(args="x" * 5_000, kwargs="y" * 5_000), *in_turn(step("failed", exception="z" * 5_000))])
    assert [len(text or "") for text in (task.args, task.kwargs, task.exception)] == [TEXT_LIMIT] * 3


def test_a_task_shows_neither_arguments_nor_exceptions() -> None:
    state = state_of(in_turn(SENT, RECEIVED, FAILED))
    task = state.task("a")
    assert task is not None
    assert SECRET in f"{task.args} {task.exception}"
    shown = f"{task!r} {task} {state.recent()!r} {state.changes(0, AT)!r} {state!r}"
    assert "app.add" in shown
    assert SECRET not in shown


# -- any order, any repetition -----------------------------------------------------------------------------------------

KINDS = ("sent", "received", "started", "succeeded", "failed", "retried", "revoked", "rejected", "progress", "other")
TEXTS = st.none() | st.sampled_from(("", "x", "y"))


def any_event(few: int) -> st.SearchStrategy[dict[str, Any]]:
    """Make events with few instants, hosts and values, so that many tie."""
    return st.builds(
        lambda kind, task_id, more, at: {**fields(f"task-{kind}", task_id, at_s=AT_S + at), **more},
        st.sampled_from(KINDS),
        st.sampled_from(("a", "b")),
        st.fixed_dictionaries(
            {"hostname": st.sampled_from(("w1", "w2")), "clock": st.integers(0, 3) | st.none()},
            optional={
                "name": TEXTS, "args": TEXTS, "kwargs": TEXTS, "exception": TEXTS, "root_id": TEXTS, "queue": TEXTS,
                "routing_key": TEXTS, "retries": st.integers(0, 2) | st.none(), "runtime": st.none() | st.integers(0, 2),
                "terminated": st.booleans(), "expired": st.booleans(), "eta": st.none() | st.just(AT.isoformat()),
            },
        ),
        st.integers(0, few),
    )  # fmt: skip


@given(events=st.lists(any_event(4), max_size=12), chance=st.randoms(use_true_random=False))
def test_the_same_events_in_any_order_and_any_number_make_the_same_picture(
    events: Events, chance: random.Random
) -> None:
    wanted = picture(state_of(events))
    again = [*events, *(chance.choice(events) for _ in range(len(events) and 6))]
    chance.shuffle(again)
    found = state_of(again)
    assert picture(found) == wanted
    before = found.cursor
    found.apply([], AT)
    for one in events:
        found.apply([event(one)], AT)
    assert found.cursor == before, "an event that came before is no change"


# -- beside Celery -----------------------------------------------------------------------------------------------------


ENDS: dict[str, dict[str, Any]] = {
    "succeeded": {"result": "5", "runtime": 1.5},
    "failed": {"exception": "End", "traceback": "…"},
    "revoked": {"terminated": True, "signum": 15, "expired": False},
    "rejected": {"requeue": False},
    "none": {},
    "received only": {},
}


@st.composite
def lives(draw: st.DrawFn) -> Events:
    """Make the life of a task as workers tell it, in order."""
    steps: list[dict[str, Any]] = []

    def tell(kind: str, host: str, **more: Any) -> None:
        at_s = AT_S + len(steps) + draw(st.floats(0, 0.9))
        maker = {"sent": sent, "received": received}.get(kind)
        made = (
            maker(at_s=at_s, host=host, **more) if maker else fields(f"task-{kind}", "a", at_s=at_s, host=host, **more)
        )
        steps.append({**made, "clock": 10 + len(steps)})

    told = {"args": draw(st.text(max_size=3)) or "()", "root_id": draw(st.sampled_from(("r", "a")))}
    if draw(st.booleans()):
        tell("sent", "client", **told)
    attempts = draw(st.integers(0, 3))
    for attempt in range(attempts):
        host = draw(st.sampled_from(("w1", "w2")))
        tell("received", host, retries=attempt, **told)
        tell("started", host)
        if draw(st.booleans()):  # by the pool process, before the worker tells of the retry
            tell("sent", host, retries=attempt + 1, **told)
        tell("retried", host, exception=f"E{attempt}")
    host, end = draw(st.sampled_from(("w1", "w2"))), draw(st.sampled_from(tuple(ENDS)))
    if end != "none" or not steps:
        tell("received", host, retries=attempts, **told)
    if end not in ("none", "received only"):
        if draw(st.booleans()) or end == "succeeded":
            tell("started", host)
        tell(end, host, **ENDS[end])
    return steps


@given(lives())
def test_a_life_told_in_order_is_to_us_what_it_is_to_celery(life: Events) -> None:
    same_as_celery(task_of(life), celery_task(life))
