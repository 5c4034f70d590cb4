"""Numbers of tasks and workers under Flower's names and labels."""

from __future__ import annotations

from daemon.celery_events import TaskTold, WorkersSeen
from daemon.metrics.bounded import Bounded
from daemon.metrics.making import Handlers, Making
from daemon.metrics.switches import Switches

KINDS_LIMIT = 50
"""Kinds of events that have series of their own; applications may send any."""

_RUNTIME_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


class FlowerMetrics:
    """Counts what workers tell, as Flower does."""

    def __init__(self, make: Making, switches: Switches) -> None:
        """Make them; ``make`` has the prefix ``flower_``."""
        self._tasks, self._workers = Bounded(switches.labels_limit), Bounded(switches.labels_limit)
        self._kinds = Bounded(KINDS_LIMIT)
        self._events = make.counter("events", "Events of tasks.", "worker", "type", "task")
        self._runtime = make.histogram("task_runtime_seconds", "Seconds tasks ran.", _RUNTIME_S, "worker", "task")
        self._prefetch_s = make.gauge(
            "task_prefetch_time_seconds", "Seconds the last task waited at its worker until it began.", "worker", "task"
        )
        self._prefetched = make.gauge(
            "worker_prefetched_tasks", "Tasks that wait at a worker to be run.", "worker", "task"
        )
        self._online = make.gauge("worker_online", "1 while a worker gives signs of life.", "worker")
        self._executing = make.gauge("worker_number_of_currently_executing_tasks", "Tasks a worker runs now.", "worker")
        self._shown: set[str] = set()

    def handlers(self) -> Handlers:
        """Say which event moves which number."""
        return {TaskTold: self._told, WorkersSeen: self._seen}

    def _told(self, event: TaskTold) -> None:
        worker, task = self._workers(event.worker), self._tasks(event.task)
        self._events.labels(worker, self._kinds(event.kind), task).inc()
        if event.runtime_s is not None:
            self._runtime.labels(worker, task).observe(event.runtime_s)
        if event.has_eta:
            return  # it waits on purpose
        if event.kind == "task-received":
            self._prefetched.labels(worker, task).inc()
        elif event.kind == "task-started" and event.prefetched_s is not None:
            self._prefetched.labels(worker, task).dec()
            self._prefetch_s.labels(worker, task).set(event.prefetched_s)
        elif event.kind in ("task-succeeded", "task-failed"):
            self._prefetch_s.labels(worker, task).set(0)

    def _seen(self, event: WorkersSeen) -> None:
        for worker in event.workers:
            label = self._workers(worker.name)
            self._online.labels(label).set(worker.is_alive)
            self._executing.labels(label).set(worker.active if worker.is_alive else 0)
        names = {worker.name for worker in event.workers}
        for name in self._shown - names:
            label = self._workers(name)
            if label == name:
                self._workers.forget(name)
                for gauge in (self._online, self._executing):
                    gauge.remove(label)
        self._shown = names
