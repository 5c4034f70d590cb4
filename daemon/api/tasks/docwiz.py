"""The answers of DocWiz's backend, byte for byte: for its clients, which ask with ``?compat=docwiz``. Pure.

Where that backend breaks down (a failure stored without its exception, a result that is no object) the answer has the shape of
its neighbours instead of a status 500.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any

from daemon.api.tasks.sight import sound
from daemon.api.tasks.words import PROCESSING, docwiz_text, exception_text, successful
from daemon.desks.tasks import PENDING, READY, Outcome

NOT_THERE = {"detail": "Task result not available. Task may still be running or failed."}
_PERCENT = 100


def status(task_id: str, outcome: Outcome | None, *, shows: bool) -> dict[str, Any]:
    """Describe a task; without ``shows`` what it holds stays empty."""
    state = PENDING if outcome is None else outcome.state
    found: dict[str, Any] = {
        "task_id": task_id,
        "state": state,
        "ready": state in READY,
        "successful": successful(state),
        "status": docwiz_text(state),
        "progress": 0,
    }
    if outcome is None:
        return found
    value = outcome.value if shows else None
    if state == PROCESSING:
        meta = value if isinstance(value, Mapping) else {}
        found["status"] = meta.get("status", "Processing")
        found["progress"] = meta.get("progress", 0) if shows else round((outcome.fraction or 0) * _PERCENT)
        found["meta"] = value or {}
    elif state == "SUCCESS":
        found["progress"] = _PERCENT
        found["result"] = value.get("result") if isinstance(value, Mapping) else (value or None)
    elif state == "FAILURE":
        found["error"] = _error(outcome) if shows else ""
    return found


def result(task_id: str, outcome: Outcome | None, *, shows: bool) -> dict[str, Any] | None:
    """Give what a task returned; ``None`` if there is nothing of it."""
    if outcome is None or outcome.state != "SUCCESS":
        return None
    value = outcome.value
    found = value.get("result") if isinstance(value, Mapping) else value
    return None if found is None else {"task_id": task_id, "result": found if shows else ""}


def cancelled(task_id: str) -> dict[str, Any]:
    """Say that workers were told."""
    return {"task_id": task_id, "status": "cancelled", "message": "Task cancellation requested"}


def written(body: Any) -> bytes:
    """Write JSON as that backend's framework does."""
    try:
        return _dumped(body)
    except (ValueError, UnicodeEncodeError, RecursionError):
        return _dumped(json.loads(json.dumps(sound(body), default=_plain), parse_constant=lambda _: None))


def _dumped(body: Any) -> bytes:
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
    return text.encode()


def _error(outcome: Outcome) -> str:
    failure = outcome.failure
    return "None" if failure is None or not (failure.error_type or failure.message) else exception_text(failure)


def _plain(value: Any) -> Any:
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value.as_tuple().exponent == 0 else float(value)
    if isinstance(value, (bytes, bytearray)):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    return list(value) if isinstance(value, (set, frozenset, tuple)) else str(value)
