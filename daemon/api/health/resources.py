"""``/healthz``, ``/readyz``, ``/metrics`` and ``/api/health``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from anyio import to_thread

from daemon.api.health.check import Check, readiness
from daemon.api.http.answer import Answer
from daemon.api.http.asked import Asked
from daemon.api.http.caller import Role
from daemon.api.http.resource import Resource
from daemon.desks.health import HealthDesk, HealthReport

_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """One thing that must hold."""

    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the daemon can do its work: ``ready`` or ``not-ready``, and why."""

    status: str
    checks: Mapping[str, CheckAnswer]


def health_resources(
    checks: Callable[[], Sequence[Check]], exposition: Callable[[], bytes], desk: HealthDesk | None = None
) -> tuple[Resource, ...]:
    """List what probes ask, and with a desk what people do."""

    async def healthz(asked: Asked) -> Any:
        del asked  # that it runs is the answer
        return b"alive\n"

    async def readyz(asked: Asked) -> Any:
        del asked
        status, body = readiness(checks())
        return Answer(body, status)

    turn = anyio.Lock()

    async def metrics(asked: Asked) -> Any:
        del asked
        async with turn:  # it takes milliseconds, which nothing else shall wait for
            return await to_thread.run_sync(exposition)

    probes = (
        Resource(
            "GET", "/healthz", healthz, "Say whether the event loop lives", "health", Role.NOBODY, media_type=_TEXT
        ),
        Resource(
            "GET",
            "/readyz",
            readyz,
            "Say whether the daemon can do its work: 200 or 503",
            "health",
            Role.NOBODY,
            answers=Readiness,
        ),
        Resource("GET", "/metrics", metrics, "Metrics for Prometheus", "health", Role.NOBODY, media_type=_METRICS),
    )
    return probes if desk is None else (*probes, _detailed(desk))


def _detailed(desk: HealthDesk) -> Resource:
    async def health(asked: Asked) -> Any:
        del asked
        return await desk.report()

    return Resource(
        "GET",
        "/api/health",
        health,
        "Say how the site is, and what to do about what is not well",
        "health",
        Role.VIEWER,
        answers=HealthReport,
        description="The status is that of the worst check. Pages and database are asked at most once in 15 seconds.",
    )
