"""Answers as typed rows, tolerant of what other versions leave out or add."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shim.control.answers import Answers
from shim.control.rows import (
    QueueRow,
    ScheduledRow,
    TaskRow,
    WorkerStats,
    found_tasks,
    queue_rows,
    registered_names,
    scheduled_rows,
    task_rows,
    worker_stats,
)

TASK = {
    "id": "id-1",
    "name": "app.add",
    "args": ["4711"],
    "kwargs": {"patient": "4711"},
    "type": "app.add",
    "hostname": "w@h",
    "time_start": 1795346909.5,
    "acknowledged": True,
    "delivery_info": {"exchange": "", "routing_key": "celery", "priority": 3, "redelivered": False},
    "worker_pid": 12,
}
ROW = TaskRow(
    task_id="id-1",
    name="app.add",
    args=["4711"],
    kwargs={"patient": "4711"},
    started_at=datetime.fromtimestamp(1795346909.5, UTC),
    is_acknowledged=True,
    queue="celery",
    priority=3,
    is_redelivered=False,
    pid=12,
)
EMPTY = TaskRow("x", "y", None, None, None, None, None, None, None, None)
READERS = (task_rows, scheduled_rows, queue_rows, registered_names, found_tasks, worker_stats)


def said(value: Any) -> Answers:
    return Answers(by_node={"w@h": value})


def test_tasks_are_read() -> None:
    assert task_rows(said([TASK, {"id": "x", "name": "y"}, 5, {}])) == {"w@h": (ROW, EMPTY)}


def test_scheduled_tasks_are_read() -> None:
    eta = "2031-01-01T00:00:00+01:00"
    rows = scheduled_rows(said([{"eta": eta, "priority": 6, "request": TASK}, {"eta": "soon", "request": TASK}, {}]))
    assert rows == {
        "w@h": (ScheduledRow(datetime(2030, 12, 31, 23, tzinfo=UTC), 6, ROW), ScheduledRow(None, None, ROW))
    }
    [naive] = scheduled_rows(said([{"eta": "2031-01-01T00:00:00", "request": TASK}]))["w@h"]
    assert naive.eta_at is None


def test_found_tasks_are_read() -> None:
    assert found_tasks(said({"id-1": ["active", TASK], "x": 5, "z": ["ready", {}]})) == {
        "w@h": {"id-1": ("active", ROW)}
    }


def test_queues_and_names_are_read() -> None:
    queue = {"name": "q", "exchange": {"name": "e", "type": "topic"}, "routing_key": "a.#", "durable": True}
    assert queue_rows(said([queue, {}])) == {"w@h": (QueueRow("q", "e", "topic", "a.#"),)}
    assert registered_names(said(["a.b", "a.c [rate_limit=10/m]", 5])) == {"w@h": ("a.b", "a.c")}


def test_statistics_are_read() -> None:
    value = {
        "total": {"app.add": 6, "odd": "x"},
        "pid": 5,
        "clock": "106",
        "uptime": 17,
        "pool": {"implementation": "celery.concurrency.solo:TaskPool", "max-concurrency": 2, "processes": [7, 8]},
        "broker": {"transport": "redis"},
        "prefetch_count": 8,
    }
    assert worker_stats(said(value)) == {
        "w@h": WorkerStats(5, 17, 106, {"app.add": 6}, "celery.concurrency.solo:TaskPool", 2, (7, 8), 8, "redis")
    }


def test_no_representation_shows_arguments() -> None:
    rows = (
        task_rows(said([TASK])),
        scheduled_rows(said([{"request": TASK}])),
        found_tasks(said({"i": ["active", TASK]})),
    )
    assert "4711" not in repr(rows)
    assert "app.add" in repr(rows)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just("9" * 5000)
KEYS = st.sampled_from(
    ["id", "name", "args", "time_start", "delivery_info", "routing_key", "request", "eta", "exchange", "pool", "processes", "clock", "total"]
)  # fmt: skip


@given(st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)))
def test_reading_never_raises(value: Any) -> None:
    for read in READERS:
        assert set(read(said(value))) == {"w@h"}
