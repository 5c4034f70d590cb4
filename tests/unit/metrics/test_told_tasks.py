"""Events of tasks, read for numbers: durations, queues, and of an exception its class alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.celery_events import TaskTold
from daemon.dispatch.heard_state import HeardState
from daemon.dispatch.told_tasks import UNKNOWN_EXCEPTION, exception_class, host_of, told_of
from shim.events import Event

AT = datetime(2026, 11, 22, tzinfo=UTC)
AT_S = AT.timestamp()


def event(kind: str, after_s: float, task_id: str = "t1", **fields: Any) -> Event:
    return Event(kind, "w1@ward", AT_S + after_s, task_id, fields)


def read(*events: Event) -> list[TaskTold]:
    state, found = HeardState(tasks_limit=100), list[TaskTold]()
    state.hear(lambda some, _: found.extend(told_of(some, state, lambda name: f"queue of {name}")))
    for one in events:
        state.apply([one], AT)
    return found


def test_a_task_is_followed_from_its_queue_to_its_end() -> None:
    sent, received, started, ended = read(
        event("task-sent", 0, name="app.add", queue="llm"),
        event("task-received", 1, name="app.add", args="(1,)"),
        event("task-started", 4),
        event("task-succeeded", 6, runtime=1.5),
    )
    assert (sent.task, sent.queue, received.kind) == ("app.add", "llm", "task-received")
    assert (started.waited_s, started.prefetched_s, started.has_eta) == (4.0, 3.0, False)
    assert (ended.runtime_s, ended.host, ended.queue) == (1.5, "ward", "llm")


def test_waiting_for_an_eta_is_no_waiting() -> None:
    _, _, started = read(
        event("task-sent", 0, name="app.add", queue="llm", eta="2026-11-22T00:01:00+00:00"),
        event("task-received", 1, name="app.add", eta="2026-11-22T00:01:00+00:00"),
        event("task-started", 62),
    )
    assert (started.waited_s, started.has_eta) == (2.0, True)


def test_of_a_task_nobody_sent_here_the_queue_follows_from_its_name() -> None:
    [received, started] = read(event("task-received", 0, name="app.add"), event("task-started", 1))
    assert (received.queue, started.waited_s, started.prefetched_s) == ("queue of app.add", None, 1.0)


def test_events_of_workers_and_of_nothing_known_are_passed_over() -> None:
    [told] = read(Event("worker-heartbeat", "w1@ward", AT_S, "", {}), event("task-started", 0))
    assert (told.task, told.kind) == ("None", "task-started")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ValueError('Smith, John')", "ValueError"),
        ("OperationalError()", "OperationalError"),
        ("Smith, John", UNKNOWN_EXCEPTION),
        ("Smith John (born 1970)", UNKNOWN_EXCEPTION),
        ("x" * 5000 + "()", UNKNOWN_EXCEPTION),
        ("Ärger('x')", UNKNOWN_EXCEPTION),
        ("", UNKNOWN_EXCEPTION),
        (None, UNKNOWN_EXCEPTION),
    ],
)
def test_of_an_exception_only_its_class_is_kept(text: object, name: str) -> None:
    assert exception_class(text) == name


@given(st.text())
def test_whatever_an_exception_says_a_label_of_it_is_a_plain_name(text: str) -> None:
    assert exception_class(text).isidentifier()


def test_the_host_of_a_worker_is_what_follows_the_at() -> None:
    assert (host_of("celery@ward-7"), host_of("gen123"), host_of("a@b@c")) == ("ward-7", "gen123", "b@c")
