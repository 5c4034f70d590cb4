"""What was found, as checks in words. Pure.

What keeps work from being done is an error: no broker, no result back-end, no database, no scheduler. What keeps it from
being done in time, or is somebody else's to mend, is a warning: no worker, a queue nobody takes from, a page that does not answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from daemon.api.health.check import Check
from daemon.desks.health import HealthCheck, HealthState
from daemon.plural import counted
from daemon.public import Public, escaped

_ERROR, _WARNING, _OK = HealthState.ERROR, HealthState.WARNING, HealthState.OK
_SCHEDULER, _EVICTION = "schedule", "eviction"
QUEUES_SHOWN = 20
"""Queues that are not well are named one by one up to here."""


class Queue(Protocol):
    """A queue as it was seen."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        ...

    @property
    def consumers(self) -> tuple[str, ...]:
        """Workers that take from it."""
        ...

    @property
    def is_ok(self) -> bool:
        """Whether it can be used and somebody takes from it."""
        ...

    @property
    def is_unserved(self) -> bool:
        """Whether nobody takes from it."""
        ...


@dataclass(frozen=True, slots=True)
class Probe:
    """What became of a look at something outside: a page, or the database."""

    name: Public
    is_there: bool
    detail: Public


def own_checks(checks: Sequence[Check]) -> Iterator[HealthCheck]:
    """Say of the daemon's own parts how they are."""
    for check in checks:
        name = Public("scheduler") if check.name == _SCHEDULER else check.name
        bad = _WARNING if check.name == _EVICTION else _ERROR
        yield HealthCheck(name, _OK if check.ok else bad, check.detail)


def celery_checks(
    workers: Sequence[str],
    queues: Sequence[Queue],
    *,
    keeps_results: bool | None,
    require_workers: int,
    require_queues: Collection[str],
) -> Iterator[HealthCheck]:
    """Say of workers, queues and the result back-end how they are."""
    if keeps_results is not None:
        detail = Public("answers" if keeps_results else "does not answer")
        yield HealthCheck(Public("result back-end"), _OK if keeps_results else _ERROR, detail)
    yield _worker_check(workers, require_workers)
    bad = [row for row in queues if _is_unwell(row, require_queues)]
    for row in bad[:QUEUES_SHOWN]:
        yield _queue_check(row, require_queues)
    if len(bad) > QUEUES_SHOWN:
        more = Public(f"and {counted(len(bad) - QUEUES_SHOWN, 'more queue')} nobody takes from")
        yield HealthCheck(Public("queues"), _WARNING, more)
    elif not bad:
        yield HealthCheck(Public("queues"), _OK, Public(counted(len(queues), "queue")))


def outside_checks(probes: Sequence[Probe]) -> Iterator[HealthCheck]:
    """Say of what is outside how it is."""
    for probe in probes:
        bad = _ERROR if probe.name == "database" else _WARNING
        yield HealthCheck(probe.name, _OK if probe.is_there else bad, probe.detail)


def required(workers: Sequence[str], queues: Sequence[Queue], least: int, names: Collection[str]) -> list[Check]:
    """Say of what the site requires whether it is there: for readiness."""
    found = []
    if least:
        detail = Public(f"{counted(len(workers), 'worker')} of {least}")
        found.append(Check(Public("workers"), len(workers) >= least, detail))
    served = {row.name for row in queues if row.consumers}
    for name in sorted(names):
        detail = Public("a worker takes from it" if name in served else "nobody takes from it")
        found.append(Check(Public(f"queue {name}"), name in served, detail))
    return found


def _worker_check(workers: Sequence[str], least: int) -> HealthCheck:
    name = Public("workers")
    if len(workers) < least:
        detail = Public(f"{counted(len(workers), 'worker')}, {least} are required")
        return HealthCheck(name, _ERROR, detail, Public("start more: celery -A APP worker"))
    if not workers:
        return HealthCheck(name, _WARNING, Public("none answers"), Public("start one: celery -A APP worker"))
    return HealthCheck(name, _OK, Public(counted(len(workers), "worker")))


def _is_unwell(row: Queue, required_names: Collection[str]) -> bool:
    return (not row.consumers and (row.waiting > 0 or row.name in required_names)) or not (row.is_ok or row.is_unserved)


def _queue_check(row: Queue, required_names: Collection[str]) -> HealthCheck:
    shown = escaped(row.name)
    name = Public(f"queue {shown}")
    if not row.is_ok and not row.is_unserved:
        return HealthCheck(name, _ERROR, Public("a key of it holds something that is no queue"))
    state = _ERROR if row.name in required_names else _WARNING
    detail = Public(f"{row.waiting} waiting, nobody takes from it")
    return HealthCheck(name, state, detail, Public(f"start a worker: celery -A APP worker -Q {shown}"))
