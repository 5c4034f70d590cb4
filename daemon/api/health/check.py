"""Health, as a pure reading of what the parts say of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from daemon.public import Public


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold for the daemon to be ready."""

    name: Public
    ok: bool
    detail: Public


def readiness(checks: Sequence[Check]) -> tuple[int, dict[str, Any]]:
    """Give the HTTP status and body of ``/readyz``: 200 if every check holds, else 503."""
    ready = all(check.ok for check in checks)
    body = {
        "status": "ready" if ready else "not-ready",
        "checks": {str(check.name): {"ok": check.ok, "detail": str(check.detail)} for check in checks},
    }
    return (200 if ready else 503), body
