"""A task request to the bytes of one Redis list element that any stock worker of Celery 5.3 to 5.7 runs.

The form is protocol 2, lean: only headers a worker needs or a reader wants, the body as plain JSON text instead of
base64 (``body_encoding`` is left out, which kombu reads as "text as it is"). A malformed message kills the worker that
meets it, or makes it restore the message and die again, so everything is checked here and nothing else builds one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from shim.encoding import check_header, dump, encode_body
from shim.errors import RequestInvalid
from shim.request import Json, TaskRequest
from shim.routing import Target

NAME_LIMIT = 255
REPR_LIMIT = 1024
"""Celery cuts its own representations here."""

ENVELOPE_LIMIT_BYTES = 128 * 1024 * 1024
"""Larger messages are refused; the server's own limit for one element is 512 MB."""

RESERVED_HEADERS = frozenset(
    (
        "argsrepr", "chain", "chord", "compression", "correlation_id", "delivery_info", "errbacks", "eta", "expires",
        "group", "group_index", "id", "ignore_result", "kwargsrepr", "lang", "meth", "origin", "parent_id",
        "redelivered", "replaced_task_nesting", "reply_to", "retries", "root_id", "shadow", "stamped_headers", "stamps",
        "task", "timelimit",
    )
)  # fmt: skip
"""Header names a caller may not set: each steers the worker."""


class Envelope(NamedTuple):
    """One message, ready to be pushed.

    Attributes:
        task_id: id the worker stores the result under.
        target: queue and priority.
        payload: the list element, UTF-8 JSON; not part of the representation.
    """

    task_id: str
    target: Target
    payload: bytes

    def __repr__(self) -> str:
        """Show where it goes, and nothing it holds."""
        return f"Envelope(task_id={self.task_id!r}, target={self.target!r})"


def build_envelope(request: TaskRequest, target: Target, *, delivery_tag: str, at: datetime, origin: str) -> Envelope:
    """Build the message of ``request`` for ``target``.

    Args:
        request: what to run.
        target: where it goes, from the router.
        delivery_tag: unique for each message; two in flight with the same tag would share one ``unacked`` entry and a
            worker crash would lose one of them.
        at: now, aware; only for the ``expiration`` property.
        origin: who sends, free text such as ``carillon@host``.

    Raises:
        RequestInvalid: anything a worker could not take.
    """
    _check_names(request, delivery_tag)
    headers = _headers(request, origin)
    properties: dict[str, Json] = {
        "correlation_id": request.task_id,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": target.queue},
        "priority": target.priority,
        "delivery_tag": delivery_tag,
    }
    if request.expires_at is not None:
        left_ms = math.ceil((_aware(request.expires_at, "expires") - _aware(at, "at")).total_seconds() * 1000)
        properties["expiration"] = str(max(left_ms, 0))
    payload = dump(
        {
            "body": encode_body(request.args, request.kwargs),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": headers,
            "properties": properties,
        },
        "envelope",
    )
    if len(payload) > ENVELOPE_LIMIT_BYTES:
        message = f"message of {len(payload)} bytes: more than {ENVELOPE_LIMIT_BYTES}"
        raise RequestInvalid(message, hint="store the data elsewhere and send a reference")
    return Envelope(request.task_id, target, payload)


def _headers(request: TaskRequest, origin: str) -> dict[str, Json]:
    headers: dict[str, Json] = {
        "lang": "py",
        "task": request.task,
        "id": request.task_id,
        "root_id": request.root_id or request.task_id,
        "parent_id": request.parent_id,
        "retries": 0,
        "argsrepr": request.argsrepr[:REPR_LIMIT],
        "kwargsrepr": request.kwargsrepr[:REPR_LIMIT],
        "origin": origin,
    }
    if request.eta_at is not None:
        headers["eta"] = _aware(request.eta_at, "eta").isoformat()
    if request.expires_at is not None:
        headers["expires"] = _aware(request.expires_at, "expires").isoformat()
    if request.time_limit_s is not None or request.soft_time_limit_s is not None:
        # Hard limit first; a worker unpacks two values and dies of a scalar (celery/worker/request.py).
        headers["timelimit"] = [
            _limit(request.time_limit_s, "time_limit"),
            _limit(request.soft_time_limit_s, "soft_time_limit"),
        ]
    if request.shadow is not None:
        headers["shadow"] = _name(request.shadow, "shadow")
    if request.ignore_result is not None:
        headers["ignore_result"] = request.ignore_result
    return _with_custom(headers, request.headers)


def _with_custom(headers: dict[str, Json], custom: Mapping[str, Json]) -> dict[str, Json]:
    for name, value in custom.items():
        if name in RESERVED_HEADERS or name in headers:
            message = f"headers[{name!r}]: the name belongs to Celery's protocol"
            raise RequestInvalid(message, hint="choose another name")
        _name(name, "header name")
        check_header(name, value)
        headers[name] = value
    return headers


def _check_names(request: TaskRequest, delivery_tag: str) -> None:
    _name(request.task, "task")
    _name(request.task_id, "task_id")
    _name(delivery_tag, "delivery_tag")
    for label, value in (("root_id", request.root_id), ("parent_id", request.parent_id)):
        if value is not None:
            _name(value, label)


def _name(value: str, label: str) -> str:
    if not 0 < len(value) <= NAME_LIMIT or not value.isprintable():
        message = f"{label}: 1 to {NAME_LIMIT} printable characters are needed"
        raise RequestInvalid(message)
    return value


def _aware(instant: datetime, label: str) -> datetime:
    if instant.tzinfo is None:
        message = f"{label}: an instant needs a time zone; a worker would read it in its own"
        raise RequestInvalid(message)
    return instant


def _limit(seconds: float | None, label: str) -> float | None:
    if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
        message = f"{label}: seconds must be above zero"
        raise RequestInvalid(message)
    return seconds
