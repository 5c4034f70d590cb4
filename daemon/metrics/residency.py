"""Numbers of tasks and workers under the names that boards of the Residency Scheduler and its like expect, and nobody exported."""

from __future__ import annotations

from daemon.celery_events import QueuesSeen, TaskTold, WorkersSeen
from daemon.metrics.bounded import Bounded
from daemon.metrics.making import Handlers, Making
from daemon.metrics.switches import Switches

_RUNTIME_S = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
_ENDS = {"task-succeeded": "success", "task-failed": "failure", "task-retried": "retry", "task-revoked": "revoked"}


class ResidencyMetrics:
    """Counts what workers tell, under names of applications' own boards."""

    def __init__(self, theirs: Making, plain: Making, switches: Switches) -> None:
        """Make them; ``theirs`` has the prefix ``celery_``, ``plain`` none."""
        self._tasks, self._queues = Bounded(switches.labels_limit), Bounded(switches.labels_limit)
        self._workers = theirs.gauge("workers", "Workers that give signs of life.")
        self._workers_active = theirs.gauge("workers_active", "Workers that give signs of life.")
        self._active = theirs.gauge("tasks_active", "Tasks that workers run now.")
        self._succeeded = theirs.counter("task_success", "Tasks that succeeded.", "task")
        self._failed = theirs.counter("task_failure", "Tasks that failed.", "task")
        self._runtime = theirs.histogram("task_runtime_seconds", "Seconds tasks ran.", _RUNTIME_S, "task")
        self._duration = theirs.histogram("task_duration_seconds", "Seconds tasks ran.", _RUNTIME_S, "task")
        self._total = plain.counter("background_tasks", "Tasks that ended.", "task_name", "status")
        self._background_s = plain.histogram(
            "background_task_duration_seconds", "Seconds tasks ran.", _RUNTIME_S, "task_name"
        )
        self._running = plain.gauge("background_tasks_in_progress", "Tasks that workers run now.")
        self._depth = plain.gauge("background_task_queue_depth", "Messages that wait in a queue.", "queue_name")

    def handlers(self) -> Handlers:
        """Say which event moves which number."""
        return {TaskTold: self._told, WorkersSeen: self._seen, QueuesSeen: self._queues_seen}

    def _told(self, event: TaskTold) -> None:
        status = _ENDS.get(event.kind)
        if status is None:
            return
        task = self._tasks(event.task)
        self._total.labels(task, status).inc()
        if status == "success":
            self._succeeded.labels(task).inc()
            self._failed.labels(task)
        elif status == "failure":
            self._failed.labels(task).inc()
            self._succeeded.labels(task)
        if event.runtime_s is not None:
            for histogram in (self._runtime, self._duration, self._background_s):
                histogram.labels(task).observe(event.runtime_s)

    def _seen(self, event: WorkersSeen) -> None:
        alive = [worker for worker in event.workers if worker.is_alive]
        for gauge in (self._workers, self._workers_active):
            gauge.set(len(alive))
        for gauge in (self._active, self._running):
            gauge.set(sum(worker.active for worker in alive))

    def _queues_seen(self, event: QueuesSeen) -> None:
        for queue in event.queues:
            self._depth.labels(self._queues(queue.name)).set(queue.waiting)
