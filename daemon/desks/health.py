"""How a site is: what the API and the commands ask, and what they get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from daemon.public import Public

_NOTHING = Public("")


class HealthState(Enum):
    """How one thing is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class HealthStatus(Enum):
    """How all of it is; as the exit codes of ``carillon health``: 0, 1, 2."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One thing that was looked at; ``hint`` says what to do where it is not well."""

    name: Public
    state: HealthState
    detail: Public
    hint: Public = _NOTHING


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Everything that was looked at."""

    status: HealthStatus
    site: Public
    version: Public
    up_s: float
    asked_at: datetime
    checks: tuple[HealthCheck, ...]


def status_of(checks: Sequence[HealthCheck]) -> HealthStatus:
    """Say how all of it is: as its worst part."""
    states = {check.state for check in checks}
    if HealthState.ERROR in states:
        return HealthStatus.UNHEALTHY
    return HealthStatus.DEGRADED if HealthState.WARNING in states else HealthStatus.HEALTHY


class HealthDesk(Protocol):
    """Tells how a site is."""

    async def report(self) -> HealthReport:
        """Look at everything; what takes long was looked at before."""
        ...
