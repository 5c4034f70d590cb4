"""A task request to the bytes of one Redis list element that any stock worker of Celery 5.3 to 5.7 runs.

The form is protocol 2, lean: only headers a worker needs or a reader wants, the body as plain JSON text instead of
base64 (``body_encoding`` is left out, which kombu reads as "text as it is"). A malformed message kills the worker that
meets it, or makes it restore the message and die again, so everything is checked here and nothing else builds one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from shim.encoding import as_json_text, check_header, check_mapping, dump, encode_body
from shim.errors import RequestInvalid
from shim.request import NOT_SHOWN, Json, TaskRequest
from shim.routing import Target

NAME_LIMIT = 255
REPR_LIMIT = 1024
"""Celery cuts its own representations here."""

ENVELOPE_LIMIT_BYTES = 128 * 1024 * 1024
"""Larger messages are refused; the server's own limit for one element is 512 MB."""

TIME_LIMIT_MAX_S = 10**9
"""Longer limits (over thirty years) are refused: a worker adds them to its clock."""

EARLIEST_AT = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_AT = datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
"""A worker converts instants to its own time zone, and near the ends of the calendar that overflows."""

_MILLISECOND = timedelta(milliseconds=1)

RESERVED_HEADERS = frozenset(
    (
        "args", "argsrepr", "as_execution_options", "callbacks", "called_directly", "chain", "children", "chord", "clear",
        "compression", "correlation_id", "delivery_info", "errbacks", "eta", "expires", "get", "group", "group_index",
        "groups", "headers", "hostname", "id", "ignore_result", "is_eager", "kwargs", "kwargsrepr", "lang", "logfile",
        "loglevel", "meth", "origin", "parent_id", "properties", "redelivered", "replaced_task_nesting", "reply_to",
        "retries", "root_id", "shadow", "soft_time_limit", "stamped_headers", "stamps", "task", "taskset", "time_limit",
        "timelimit", "update", "utc",
    )
)  # fmt: skip
"""Header names a caller may not set: each steers the worker, or hides an attribute of the task's ``self.request``.

Names that begin with an underscore are refused as well: that object has private attributes too.
"""


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
        left_ms = -((_utc(at, "at") - _utc(request.expires_at, "expires")) // _MILLISECOND)  # rounded up
        properties["expiration"] = str(max(left_ms, 0))
    payload = b"".join(
        (
            b'{"body":"',
            as_json_text(encode_body(request.args, request.kwargs)),
            b'","content-encoding":"utf-8","content-type":"application/json","headers":',
            dump(headers, "headers"),
            b',"properties":',
            dump(properties, "properties"),
            b"}",
        )
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
        # Never empty: the worker would take that for none and log the arguments themselves.
        "argsrepr": request.argsrepr[:REPR_LIMIT] or NOT_SHOWN,
        "kwargsrepr": request.kwargsrepr[:REPR_LIMIT] or NOT_SHOWN,
        "origin": origin,
    }
    if request.eta_at is not None:
        headers["eta"] = _utc(request.eta_at, "eta").isoformat()
    if request.expires_at is not None:
        headers["expires"] = _utc(request.expires_at, "expires").isoformat()
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
    check_mapping(custom, "headers")
    for given, value in custom.items():
        name = str(_name(given, "header name"))  # a plain one: the fast encoder takes no other key
        if name in RESERVED_HEADERS or name.startswith("_"):
            message = f"headers[{name!r}]: the name belongs to Celery's protocol"
            raise RequestInvalid(message, hint="choose another name")
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


def _name(value: object, label: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= NAME_LIMIT or not value.isprintable():
        message = f"{label}: 1 to {NAME_LIMIT} printable characters are needed"
        raise RequestInvalid(message)
    return value


def _utc(instant: datetime, label: str) -> datetime:
    # In UTC, because a worker reads no offset that has seconds (dateutil's isoparse), and old local times have them.
    if instant.utcoffset() is None:
        message = f"{label}: an instant needs a time zone; a worker would read it in its own"
        raise RequestInvalid(message)
    if not EARLIEST_AT <= instant <= LATEST_AT:
        message = f"{label}: the year must be {EARLIEST_AT.year} to {LATEST_AT.year}"
        raise RequestInvalid(message)
    return instant.astimezone(UTC)


def _limit(seconds: float | None, label: str) -> float | None:
    if seconds is not None and not 0 < seconds <= TIME_LIMIT_MAX_S:
        message = f"{label}: seconds must be above zero and at most {TIME_LIMIT_MAX_S}"
        raise RequestInvalid(message)
    return seconds
