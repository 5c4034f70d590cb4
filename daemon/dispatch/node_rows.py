"""Workers as pages show them, made of what they answered and of what their events told. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from daemon.desks import ConsumedQueue, HeldTaskRow, NodeDetail, NodeLimits, NodeRow, NodeState, RegisteredTask
from shim.control import Answers, TaskRow, queue_rows, scheduled_rows, task_rows, worker_stats
from shim.events import Worker

GONE_AFTER = timedelta(minutes=10)
TASKS_LIMIT = 1000
"""Tasks of one kind that a page shows of a worker."""

_NO_ANSWERS = Answers()
_VERSION = re.compile(r"celery:(\S{1,40})")
_RATE = re.compile(r"rate_limit=([^\s\]]{1,40})")
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside a look.

    Attributes:
        workers: of the event stream.
        failed: failed tasks by worker.
        versions: of Celery, by worker.
        needed: queues the site sends to.
        is_complete: whether everyone has answered.
    """

    workers: Sequence[Worker]
    failed: Mapping[str, int]
    versions: Mapping[str, str]
    needed: frozenset[str]
    is_complete: bool = True


def consumers_of(answers: Answers) -> dict[str, tuple[str, ...]]:
    """Name the workers that take from each queue."""
    found: dict[str, list[str]] = {}
    for worker, rows in queue_rows(answers).items():
        for row in rows:
            found.setdefault(row.name, []).append(worker)
    return {queue: tuple(sorted(set(workers))) for queue, workers in found.items()}


def versions_of(reports: Answers) -> dict[str, str]:
    """Read the versions of Celery from what ``report`` gave."""
    found = {}
    for node, value in reports.by_node.items():
        text = value.get("ok") if isinstance(value, dict) else None
        version = _VERSION.search(text) if isinstance(text, str) else None
        if version is not None:
            found[node] = version[1]
    return found


def node_rows(answers: Mapping[str, Answers], known: Known, at: datetime) -> tuple[NodeRow, ...]:
    """Describe every worker that answered or was heard of, by name."""
    events = {one.hostname: one for one in known.workers}
    answered = {node for one in answers.values() for node in one.nodes}
    consumers = consumers_of(_of(answers, "active_queues"))
    required: dict[str, list[str]] = {}
    for queue in sorted(known.needed):
        if len(consumers.get(queue, ())) == 1:
            required.setdefault(consumers[queue][0], []).append(queue)
    doubled = {name for one in answers.values() for name in one.duplicates}
    made = _Making(answers, known, at)
    return tuple(
        made.row(
            name,
            events.get(name),
            has_answered=name in answered,
            required=tuple(required.get(name, ())),
            is_doubled=name in doubled,
        )
        for name in sorted(answered | events.keys())
    )


class _Making:
    """What the rows of one look share."""

    def __init__(self, answers: Mapping[str, Answers], known: Known, at: datetime) -> None:
        self._known = known
        self._at = at
        self._raw = _of(answers, "stats").by_node
        self._stats = worker_stats(_of(answers, "stats"))
        self._queues = queue_rows(_of(answers, "active_queues"))
        self._held = {kind: task_rows(_of(answers, kind)) for kind in ("active", "reserved")}
        self._scheduled = scheduled_rows(answers["scheduled"]) if "scheduled" in answers else None

    def row(
        self, name: str, worker: Worker | None, *, has_answered: bool, required: tuple[str, ...], is_doubled: bool
    ) -> NodeRow:
        stats = self._stats.get(name)
        usage = _object(_object(self._raw.get(name)).get("rusage"))
        active = self._held["active"].get(name)
        reserved = self._held["reserved"].get(name)
        scheduled = None if self._scheduled is None else len(self._scheduled.get(name, ()))
        peak = usage.get("maxrss")
        return NodeRow(
            name=name,
            state=_state(worker, self._at, has_answered=has_answered),
            heard_at=self._at if has_answered else worker.heard_at if worker else None,
            online_at=worker.online_at if worker else None,
            offline_at=worker.offline_at if worker else None,
            queues=tuple(row.name for row in self._queues.get(name, ())),
            pool=_pool(stats.pool) if stats else None,
            slots=(len(stats.processes) or stats.concurrency) if stats else None,
            active=len(active) if active is not None else worker.active if worker else None,
            reserved=len(reserved) if reserved is not None else None,
            scheduled=scheduled,
            processed=sum(stats.totals.values()) if stats else worker.processed if worker else None,
            failed=self._known.failed.get(name, 0),
            load=worker.loadavg if worker else (),
            peak_memory_bytes=peak * _KIB if isinstance(peak, int) else None,
            celery=(worker.sw_ver if worker else None) or self._known.versions.get(name),
            pid=stats.pid if stats else worker.pid if worker else None,
            uptime_s=stats.uptime_s if stats else None,
            clock_offset_s=-worker.drift_s if worker and worker.drift_s is not None else None,
            is_drifting=bool(worker and worker.is_drifting),
            prefetch=stats.prefetch_count if stats else None,
            required_for=required,
            is_doubled=is_doubled,
        )


def node_detail(name: str, row: NodeRow, answers: Mapping[str, Answers], at: datetime) -> NodeDetail:
    """Describe one worker by all it tells."""
    raw = _object(_of(answers, "stats").by_node.get(name))
    stats = worker_stats(_of(answers, "stats")).get(name)
    pool, usage = _object(raw.get("pool")), _object(raw.get("rusage"))
    active = task_rows(_of(answers, "active")).get(name, ())
    reserved = task_rows(_of(answers, "reserved")).get(name, ())
    later = scheduled_rows(_of(answers, "scheduled")).get(name, ())
    revoked = _of(answers, "revoked").by_node.get(name)
    consumed = queue_rows(_of(answers, "active_queues")).get(name, ())
    return NodeDetail(
        node=row,
        asked_at=at,
        active=tuple(_held(one, at) for one in active[:TASKS_LIMIT]),
        reserved=tuple(_held(one, at) for one in reserved[:TASKS_LIMIT]),
        scheduled=tuple(_held(one.task, at, one.eta_at) for one in later[:TASKS_LIMIT]),
        revoked=len(revoked) if isinstance(revoked, list) else 0,
        registered=registered_tasks(_of(answers, "registered").by_node.get(name)),
        limits=_limits(pool),
        consumes=tuple(ConsumedQueue(one.name, one.exchange, one.exchange_type, one.routing_key) for one in consumed),
        totals=dict(sorted(stats.totals.items())) if stats else {},
        processes=stats.processes if stats else (),
        cpu_user_s=_seconds(usage.get("utime")),
        cpu_system_s=_seconds(usage.get("stime")),
        broker=stats.broker if stats else None,
    )


def registered_tasks(told: Any) -> tuple[RegisteredTask, ...]:
    """Read the tasks a worker knows, with their rate limits: ``name [rate_limit=10/m]``."""
    found = []
    for text in told if isinstance(told, list) else ():
        if isinstance(text, str):
            name, _, more = text.partition(" [")
            rate = _RATE.search(more)
            found.append(RegisteredTask(name, rate[1] if rate is not None else None))
    return tuple(sorted(found, key=lambda one: one.name))


def task_names(registered: Answers) -> frozenset[str]:
    """Name every task that some worker knows."""
    return frozenset(one.name for told in registered.by_node.values() for one in registered_tasks(told))


def answers_by_node(answers: Mapping[str, Answers], methods: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Turn answers round: by worker, then by method."""
    found: dict[str, dict[str, Any]] = {}
    for method in methods:
        for node, value in _of(answers, method).by_node.items():
            if value is not None:
                found.setdefault(node, {})[method] = value
    return found


def _of(answers: Mapping[str, Answers], method: str) -> Answers:
    return answers.get(method, _NO_ANSWERS)


def _state(worker: Worker | None, at: datetime, *, has_answered: bool) -> NodeState:
    if has_answered or worker is None or worker.is_alive:
        return NodeState.ONLINE
    said_goodbye = worker.offline_at is not None and (worker.online_at is None or worker.offline_at >= worker.online_at)
    if said_goodbye or worker.heard_at is None or at - worker.heard_at > GONE_AFTER:
        return NodeState.OFFLINE
    return NodeState.SILENT


def _held(row: TaskRow, at: datetime, eta_at: datetime | None = None) -> HeldTaskRow:
    running = None if row.started_at is None else max((at - row.started_at).total_seconds(), 0.0)
    return HeldTaskRow(
        row.task_id,
        row.name,
        row.queue,
        row.priority,
        row.started_at,
        eta_at,
        running,
        row.pid,
        row.is_acknowledged,
        row.is_redelivered,
    )


def _limits(pool: Mapping[str, Any]) -> NodeLimits:
    timeouts = pool.get("timeouts")
    soft, hard = timeouts if isinstance(timeouts, list) and len(timeouts) == _TIMEOUTS else (None, None)
    most = pool.get("max-tasks-per-child")
    return NodeLimits(_seconds(soft) or None, _seconds(hard) or None, most if type(most) is int else None)


_TIMEOUTS = 2


def _pool(implementation: str | None) -> str | None:
    """Shorten ``celery.concurrency.prefork:TaskPool`` to what one writes behind ``-P``."""
    return None if implementation is None else implementation.partition(":")[0].rpartition(".")[2] or implementation


def _seconds(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) else None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
