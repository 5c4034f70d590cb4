"""Numbers of tasks, workers and queues under celery-exporter's names and labels, so that its boards and alert rules work.

One of its names is also wanted by others with another label: the length of a queue, which is therefore kept here for both.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from daemon.celery_events import QueuesSeen, TaskTold, WorkersSeen
from daemon.metrics.bounded import Bounded
from daemon.metrics.making import Handlers, Making
from daemon.metrics.switches import Switches

GENERIC = "generic"
"""Stands for the worker's host where series are not told apart by it."""

EXCEPTIONS_LIMIT = 50
_RUNTIME_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 60.0, 600.0)

_KINDS = {
    "task-sent": ("task_sent", "Messages published, where that is told of."),
    "task-received": ("task_received", "Tasks received by workers."),
    "task-started": ("task_started", "Tasks begun."),
    "task-succeeded": ("task_succeeded", "Tasks that succeeded."),
    "task-failed": ("task_failed", "Tasks that failed, by the class of the exception."),
    "task-rejected": ("task_rejected", "Tasks rejected by workers."),
    "task-revoked": ("task_revoked", "Tasks revoked."),
    "task-retried": ("task_retried", "Tasks that failed and are tried again."),
}
_FAILED, _SENT = "task-failed", "task-sent"


class CeleryMetrics:
    """Counts what workers tell."""

    def __init__(self, make: Making, switches: Switches) -> None:
        """Make them; ``make`` has the prefix ``celery_``."""
        self._switches = switches
        limit = switches.labels_limit
        self._tasks, self._queues, self._hosts = Bounded(limit), Bounded(limit), Bounded(limit)
        self._exceptions = Bounded(EXCEPTIONS_LIMIT)
        self._counters = {kind: make.counter(name, text, *_labels(kind)) for kind, (name, text) in _KINDS.items()}
        names = ("name", "hostname", "queue_name")
        self._runtime = make.histogram("task_runtime", "Seconds tasks ran that succeeded.", _RUNTIME_S, *names)
        self._wait = make.histogram(
            "task_queue_wait_time", "Seconds from publishing, or the ETA, until a task began.", _RUNTIME_S, *names
        )
        self._up = make.gauge("worker_up", "1 while a worker of the host gives signs of life.", "hostname")
        self._active = make.gauge("worker_tasks_active", "Tasks that workers of the host run now.", "hostname")
        self._consumers = make.gauge("active_consumer_count", "Workers that take from a queue.", "queue_name")
        self._workers = make.gauge("active_worker_count", "Workers that take from a queue.", "queue_name")
        self._processes = make.gauge("active_process_count", "Processes of workers that take from it.", "queue_name")
        self._known: dict[tuple[str, str, str], dict[str, Counter]] = {}
        self._runtimes: dict[tuple[str, str, str], Histogram] = {}
        self._shown_hosts: set[str] = set()

    def handlers(self) -> Handlers:
        """Say which event moves which number."""
        return {TaskTold: self._told, WorkersSeen: self._workers_seen, QueuesSeen: self._queues_seen}

    def _told(self, event: TaskTold) -> None:
        host = self._hosts(event.host) if self._switches.worker_labels else GENERIC
        key = (self._tasks(event.task), host, self._queues(event.queue))
        known = self._known.get(key)
        if known is None or (event.kind == _SENT and _SENT not in known):
            known = self._begin(key, event.kind)
        if event.kind == _FAILED:
            self._counters[_FAILED].labels(*key, self._exceptions(event.exception)).inc()
        else:
            child = known.get(event.kind)
            if child is not None:
                child.inc()
        if event.runtime_s is not None:
            runtime = self._runtimes.get(key)
            if runtime is None:
                runtime = self._runtimes[key] = self._runtime.labels(*key)
            runtime.observe(event.runtime_s)
        if event.waited_s is not None:
            self._wait.labels(*key).observe(event.waited_s)

    def _begin(self, key: tuple[str, str, str], kind: str) -> dict[str, Counter]:
        """Show all counters of a task from its first event on, so that a rate begins with zero."""
        found = self._known.setdefault(key, {})
        if kind == _SENT:  # anybody sends, so nothing else is shown for the sender's host
            found[_SENT] = self._counters[_SENT].labels(*key)
            if self._switches.worker_labels:
                return found
        for each, counter in self._counters.items():
            if each == _FAILED:
                counter.labels(*key, "")
            elif each not in found:
                found[each] = counter.labels(*key)
        return found

    def _workers_seen(self, event: WorkersSeen) -> None:
        hosts: dict[str, tuple[bool, int]] = {}
        for worker in event.workers:
            was_up, active = hosts.get(worker.host, (False, 0))
            hosts[worker.host] = (was_up or worker.is_alive, active + (worker.active if worker.is_alive else 0))
        for host, (is_up, active) in hosts.items():
            label = self._hosts(host)
            self._up.labels(label).set(is_up)
            self._active.labels(label).set(active)
        for host in self._shown_hosts - hosts.keys():
            self._forget(host)
        self._shown_hosts = set(hosts)

    def _forget(self, host: str) -> None:
        """Take away the series of a host whose workers have been gone for long."""
        label = self._hosts(host)
        if label != host:
            return  # it shares its series with others
        self._hosts.forget(host)
        for gauge in (self._up, self._active):
            _remove(gauge, label)
        for key in [key for key in self._known if key[1] == label]:
            del self._known[key]
            self._runtimes.pop(key, None)
            for kind, counter in self._counters.items():
                if kind != _FAILED:
                    _remove(counter, *key)
            for exception in ("", *self._exceptions.known):
                _remove(self._counters[_FAILED], *key, exception)
            _remove(self._runtime, *key)
            _remove(self._wait, *key)

    def _queues_seen(self, event: QueuesSeen) -> None:
        for queue in event.queues:
            label = self._queues(queue.name)
            self._consumers.labels(label).set(queue.consumers)
            self._workers.labels(label).set(queue.consumers)
            self._processes.labels(label).set(queue.processes)


class QueueMetrics:
    """Counts what waits in queues: under our names, and under the one that celery-exporter and others share."""

    def __init__(self, make: Making, theirs: Making, switches: Switches) -> None:
        """Make them; ``theirs`` has the prefix ``celery_``."""
        self._queues = Bounded(switches.labels_limit)
        self._oldest = make.gauge(
            "queue_oldest_seconds", "Age of the oldest message of a queue that tells it.", "queue"
        )
        self._consumers = make.gauge("queue_consumers", "Workers that take from a queue.", "queue")
        names = (["queue_name"] if switches.celery_exporter else []) + (["queue"] if switches.residency else [])
        self._length: Gauge | None = None
        if names:
            self._length = theirs.gauge("queue_length", "Messages that wait in a queue.", *names)
        self._width = len(names)

    def handlers(self) -> Handlers:
        """Say which event moves which number."""
        return {QueuesSeen: self._seen}

    def _seen(self, event: QueuesSeen) -> None:
        for queue in event.queues:
            label = self._queues(queue.name)
            self._consumers.labels(label).set(queue.consumers)
            self._oldest.labels(label).set(queue.oldest_s or 0.0)
            if self._length is not None:
                self._length.labels(*[label] * self._width).set(queue.waiting)


def _labels(kind: str) -> tuple[str, ...]:
    return ("name", "hostname", "queue_name", "exception") if kind == _FAILED else ("name", "hostname", "queue_name")


def _remove(metric: Counter | Gauge | Histogram, *labels: str) -> None:
    try:
        metric.remove(*labels)
    except KeyError:
        return
