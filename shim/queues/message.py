"""A message that lies in a queue, as far as it can be shown without opening its body."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

UNREADABLE = "(unreadable)"
"""Stands for the task name of a list element that is no message."""

_TIMESTAMP = re.compile(rb'"timestamp": ?(\d{1,12}(?:\.\d{1,12})?) ?[,}]')
_LAST_TEXT = re.compile(rb'("(?:[^"\\]|\\.)*")\s*\]\s*$')


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """One element of a queue's list.

    Attributes:
        task: registered name, or ``UNREADABLE``.
        task_id: empty if the message has none.
        priority: 0…9, as the sender gave it.
        sent_at: aware UTC; only what the shim sent tells it.
        eta_at, expires_at: as written in the headers, ISO 8601 texts.
        size_bytes: of the whole element.
        was_redelivered: a worker had it and lost it.
        raw: the element; not part of the representation.
    """

    task: str
    task_id: str
    priority: int | None
    sent_at: datetime | None
    eta_at: str | None
    expires_at: str | None
    retries: int
    size_bytes: int
    was_redelivered: bool
    raw: bytes = field(repr=False)

    @property
    def is_readable(self) -> bool:
        """Say whether a worker could read it."""
        return self.task != UNREADABLE


def read_message(raw: bytes) -> QueuedMessage:
    """Read one list element; never raises, whatever lies there."""
    found = _object(raw)
    headers, properties = _mapping(found.get("headers")), _mapping(found.get("properties"))
    task = headers.get("task")
    priority = properties.get("priority")
    retries = headers.get("retries")
    return QueuedMessage(
        task=task if isinstance(task, str) and task else UNREADABLE,
        task_id=_text(headers.get("id")) or "",
        priority=priority if isinstance(priority, int) else None,
        sent_at=_instant(properties.get("timestamp")),
        eta_at=_text(headers.get("eta")),
        expires_at=_text(headers.get("expires")),
        retries=retries if isinstance(retries, int) else 0,
        size_bytes=len(raw),
        was_redelivered=headers.get("redelivered") is True,
        raw=raw,
    )


def read_sent_at(end: bytes) -> datetime | None:
    """Read when a message was sent, of the message or of its end; the properties stand last (``kombu``, and the shim)."""
    found = _TIMESTAMP.search(end, max(end.rfind(b'"properties"'), 0))
    return None if found is None else _instant(float(found[1]))


def readdress(raw: bytes, queue: str) -> bytes | None:
    """Write the message anew for ``queue``; ``None`` if it cannot be read.

    A worker that loses a message puts it back where ``delivery_info`` says (``kombu/transport/redis.py``,
    ``_restore``); a moved message that kept the old queue there would go back to it.
    """
    found = _object(raw)
    properties = found.get("properties")
    if not isinstance(properties, dict) or not isinstance(properties.get("delivery_info"), dict):
        return None
    properties["delivery_info"] = {**properties["delivery_info"], "exchange": "", "routing_key": queue}
    return json.dumps(found, separators=(",", ":")).encode()


def read_routing_key(end: bytes) -> str | None:
    """Read the routing key at the end of ``[message, exchange, routing key]``, as workers keep what they hold."""
    found = _LAST_TEXT.search(end)
    if found is None:
        return None
    try:
        return str(json.loads(found[1]))
    except ValueError:
        return None


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _instant(seconds: object) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not math.isfinite(seconds):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
