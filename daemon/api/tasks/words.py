"""States of tasks in words and numbers, as DocWiz's clients know them. Pure."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

from daemon.desks.tasks import READY, Failure, Outcome, Standing

PROCESSING = "PROCESSING"
_PERCENT = 100
_NAME_LIMIT = 255
_WITH_NAMES = ("TimeLimitExceeded", "SoftTimeLimitExceeded")
"""Exceptions whose text begins with their name."""

_TEXTS: Mapping[str, str] = {
    "PENDING": "Task is waiting to be processed",
    "SUCCESS": "Task completed successfully",
    "FAILURE": "Task failed",
    "RETRY": "Task is being retried",
    "REVOKED": "Task was cancelled",
}
_OURS: Mapping[str, str] = {
    "RECEIVED": "Task is waiting to be processed",
    "STARTED": "Task is running",
    "REJECTED": "Task was rejected by a worker",
    "UNREADABLE": "Something is stored that cannot be read",
}


def docwiz_text(state: str) -> str:
    """Say a state in DocWiz's words."""
    return _TEXTS.get(state) or f"Unknown state: {state}"


def text_of(standing: Standing, *, shows: bool) -> str:
    """Say how a task stands; in its own words where it has some and they may be shown."""
    outcome = standing.outcome
    if outcome is not None and outcome.is_custom:
        return (outcome.said if shows else None) or "Processing"
    state = standing.state
    return _TEXTS.get(state) or _OURS.get(state) or f"Unknown state: {state}"


def percent_of(standing: Standing) -> int:
    """Say how far a task is, of 100."""
    if standing.state == "SUCCESS":
        return _PERCENT
    fraction = standing.outcome.fraction if standing.outcome is not None else None
    return 0 if fraction is None else round(fraction * _PERCENT)


def successful(state: str) -> bool | None:
    """Say whether it returned; ``None`` before its end."""
    return state == "SUCCESS" if state in READY else None


def plain_result(value: Any) -> Any:
    """Give what a client means by the result: what stands under ``result``, or all of it."""
    return value["result"] if isinstance(value, Mapping) and "result" in value else value


def type_shown(failure: Failure | None) -> str | None:
    """Name the class of an exception; ``None`` without one, and for what is no name: a task may have stored any text there."""
    if failure is None or len(failure.error_type) > _NAME_LIMIT:
        return None
    is_name = all(part.isidentifier() or part == "<locals>" for part in failure.error_type.split("."))
    return failure.error_type if is_name else None


def exception_text(failure: Failure) -> str:
    """Write an exception as Python does, from what is stored; no class but Python's own is made."""
    if failure.module == "billiard.exceptions" and failure.error_type in _WITH_NAMES:
        return f"{failure.error_type}{tuple(failure.message)}"
    kind = getattr(builtins, failure.error_type, None) if failure.module == "builtins" else None
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return str(kind(*failure.message))
        except Exception:  # noqa: BLE001 - of whatever arguments others stored
            return _joined(failure.message)
    if len(failure.message) == 1:
        return _joined(failure.message)
    return str(tuple(failure.message)) if failure.message else ""


def _joined(message: tuple[Any, ...]) -> str:
    return ", ".join(str(part) for part in message)


def error_text(outcome: Outcome) -> str | None:
    """Write why a task failed; ``None`` if it did not."""
    return None if outcome.failure is None or outcome.state != "FAILURE" else exception_text(outcome.failure)
