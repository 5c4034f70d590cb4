"""Numbers under other programs' names: bounded in number, and about nothing that is not theirs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.celery_events import QueueSeen, QueuesSeen, TaskTold, WorkerSeen, WorkersSeen
from daemon.metrics import Metrics, Switches
from daemon.metrics.bounded import OTHER, Bounded

ALL = Switches(flower=True, residency=True, worker_labels=True)


def counting(switches: Switches, *events: object) -> Metrics:
    metrics = Metrics("test", entries=0, feeds=0, switches=switches)
    for event in events:
        metrics(event)
    return metrics


def told(kind: str, task: str = "app.add", host: str = "ward", **more: object) -> TaskTold:
    return TaskTold(kind, task, f"w1@{host}", host, "default", **more)  # type: ignore[arg-type]


def seen(*hosts: str, is_alive: bool = True) -> WorkersSeen:
    return WorkersSeen(tuple(WorkerSeen(f"w1@{host}", host, is_alive, 2) for host in hosts))


@given(st.lists(st.text(max_size=300), max_size=60), st.integers(1, 20))
def test_of_any_names_no_more_than_the_limit_and_one_have_labels(names: list[str], limit: int) -> None:
    label = Bounded(limit)
    labels = [label(name) for name in names]
    assert len(set(labels)) <= limit + 1
    assert [label(name) for name in names] == labels  # for good
    assert all(one == OTHER or one == name[:255] for one, name in zip(labels, names, strict=True))


def test_a_name_that_is_gone_makes_room() -> None:
    label = Bounded(1)
    assert (label("a"), label("b")) == ("a", OTHER)
    label.forget("a")
    assert label("b") == "b"


def test_tasks_beyond_the_limit_share_a_series() -> None:
    switches = Switches(labels_limit=2)
    metrics = counting(switches, *(told("task-started", f"app.t{number}") for number in range(50)))
    common = {"hostname": "generic", "queue_name": "default"}
    assert metrics.value("celery_task_started_total", {"name": "app.t0", **common}) == 1
    assert metrics.value("celery_task_started_total", {"name": OTHER, **common}) == 48


def test_without_worker_labels_hosts_share_a_series() -> None:
    metrics = counting(Switches(), told("task-started", host="a"), told("task-started", host="b"))
    labels = {"name": "app.add", "hostname": "generic", "queue_name": "default"}
    assert metrics.value("celery_task_started_total", labels) == 2


def test_a_host_that_is_gone_takes_its_series_along() -> None:
    metrics = counting(
        ALL,
        seen("a", "b"),
        told("task-succeeded", host="a", runtime_s=1.0),
        told("task-failed", host="a", exception="ValueError"),
        told("task-sent", host="a"),
        seen("b"),
    )
    text = metrics.exposition().decode()
    assert 'hostname="a"' not in text
    assert 'flower_worker_online{worker="w1@a"}' not in text
    assert metrics.value("celery_worker_up", {"hostname": "b"}) == 1
    metrics(told("task-succeeded", host="a", runtime_s=1.0))  # it is back, and counted anew
    labels = {"name": "app.add", "hostname": "a", "queue_name": "default"}
    assert metrics.value("celery_task_succeeded_total", labels) == 1


def test_two_workers_of_a_host_are_one_that_is_up_while_one_is() -> None:
    both = WorkersSeen(
        (WorkerSeen("w1@a", "a", is_alive=True, active=2), WorkerSeen("w2@a", "a", is_alive=False, active=5))
    )
    metrics = counting(Switches(), both)
    assert metrics.value("celery_worker_up", {"hostname": "a"}) == 1
    assert metrics.value("celery_worker_tasks_active", {"hostname": "a"}) == 2
    metrics(seen("a", is_alive=False))
    assert metrics.value("celery_worker_up", {"hostname": "a"}) == 0


def test_tasks_that_wait_at_a_worker_are_counted_until_they_begin() -> None:
    metrics = counting(ALL, told("task-received"), told("task-received"), told("task-started", prefetched_s=0.5))
    labels = {"worker": "w1@ward", "task": "app.add"}
    assert metrics.value("flower_worker_prefetched_tasks", labels) == 1
    assert metrics.value("flower_task_prefetch_time_seconds", labels) == 0.5
    metrics(told("task-received", has_eta=True))  # it waits on purpose
    assert metrics.value("flower_worker_prefetched_tasks", labels) == 1


def test_ends_of_tasks_are_counted_under_the_names_of_applications() -> None:
    metrics = counting(
        ALL,
        told("task-succeeded", runtime_s=3.0),
        told("task-failed", exception="OSError"),
        told("task-retried"),
        seen("a", "b"),
        QueuesSeen((QueueSeen("default", 9, 1, 4, None),)),
    )
    assert metrics.value("celery_task_success_total", {"task": "app.add"}) == 1
    assert metrics.value("celery_task_failure_total", {"task": "app.add"}) == 1
    assert metrics.value("background_tasks_total", {"task_name": "app.add", "status": "retry"}) == 1
    assert metrics.value("celery_task_runtime_seconds_sum", {"task": "app.add"}) == 3
    assert (metrics.value("celery_workers"), metrics.value("celery_tasks_active")) == (2, 4)
    assert metrics.value("celery_queue_length", {"queue": "default", "queue_name": "default"}) == 9
    assert metrics.value("background_task_queue_depth", {"queue_name": "default"}) == 9
