"""A task request to a message that any stock worker of Celery 5.3 to 5.7 runs, before a broker's own wrapping.

The form is protocol 2, lean: only headers a worker needs or a reader wants. A malformed message kills the worker that
meets it, or makes it restore the message and die again, so everything is checked here and nothing else builds one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias, cast

from shim.compression import compress
from shim.custom_headers import custom_headers, stamps
from shim.encoding import NO_EMBED, encode_body
from shim.errors import RequestInvalid
from shim.option import count, flag, limit, name, utc
from shim.request import NOT_SHOWN, PERSISTENT, TaskRequest
from shim.routing import Target
from shim.serializer import Body, serialize
from shim.signature import check_chord_part, check_error_links, write_signature, write_signatures
from shim.value import Json, Value

REPR_LIMIT = 1024
"""Celery cuts its own representations here."""

BODY_LIMIT_BYTES = 128 * 1024 * 1024
"""Larger bodies are refused: RabbitMQ's own limit has been as low, Redis' for one element is 512 MB."""

Parts: TypeAlias = tuple[dict[str, Json], dict[str, Json], bytes, str, str]
"""Headers, properties, body, content type and content encoding."""

_MILLISECOND = timedelta(milliseconds=1)
_DEFAULTS = TaskRequest(task="", task_id="")
# Most requests set few fields: neighbours are compared with their defaults all at once.
_USUAL = slice(TaskRequest._fields.index("eta_at"), TaskRequest._fields.index("headers"))
_RARE = slice(TaskRequest._fields.index("retries"), None)
_NO_USUAL, _NO_RARE, _NO_HEADERS = _DEFAULTS[_USUAL], _DEFAULTS[_RARE], _DEFAULTS.headers


class Message(NamedTuple):
    """One message, ready for a broker's wrapping.

    Headers, properties and body are left out of the representation.

    Attributes:
        task_id: id the worker stores the result under.
        target: where it goes.
        headers: JSON; ``null`` and empty ones of Celery's are left out.
        properties: ``correlation_id``, ``delivery_mode`` (1 or 2) and ``priority``, always; ``reply_to`` and ``expiration``
            (milliseconds as text) only if there is something to say.
        body: as ``content_type`` and ``content_encoding`` say, and compressed if there is a header ``compression``.
        content_type: ``application/json``, ``application/x-yaml`` or ``application/x-msgpack``.
        content_encoding: ``utf-8`` or ``binary``.
    """

    task_id: str
    target: Target
    headers: dict[str, Json]
    properties: dict[str, Json]
    body: bytes
    content_type: str
    content_encoding: str

    def __repr__(self) -> str:
        """Show where it goes, and nothing it holds."""
        return f"Message(task_id={self.task_id!r}, target={self.target!r})"


def is_plain(request: TaskRequest) -> bool:
    """Say whether a request sets nothing but its task, its id, its arguments and how they are shown."""
    return request[_USUAL] == _NO_USUAL and request[_RARE] == _NO_RARE and not request.headers


def is_usual(request: TaskRequest) -> bool:
    """Say whether the body of a request is plain JSON that nothing follows."""
    return request[_RARE] == _NO_RARE


def build_message(request: TaskRequest, target: Target, *, at: datetime, origin: str) -> Message:
    """Build the message of ``request`` for ``target``.

    Args:
        request: what to run.
        target: where it goes, from the router.
        at: now, aware; only for the ``expiration`` property.
        origin: who sends, free text such as ``carillon@host``.

    Raises:
        RequestInvalid: anything a worker could not take.
    """
    return Message(request.task_id, target, *message_parts(request, target, at, origin))


def message_parts(request: TaskRequest, target: Target, at: datetime, origin: str) -> Parts:
    """Do the work of ``build_message``, for a caller who has no use for the message itself.

    Raises:
        RequestInvalid: as ``build_message``.
    """
    task_id = name(request.task_id, "task_id")
    headers: dict[str, Json] = {
        "lang": "py",
        "task": name(request.task, "task"),
        "id": task_id,
        "root_id": task_id,
        "parent_id": None,
        "retries": 0,
        # Never empty: the worker would take that for none and log the arguments themselves.
        "argsrepr": request.argsrepr[:REPR_LIMIT] or NOT_SHOWN,
        "kwargsrepr": request.kwargsrepr[:REPR_LIMIT] or NOT_SHOWN,
        "origin": origin,
    }
    properties: dict[str, Json] = {
        "correlation_id": task_id,
        "delivery_mode": PERSISTENT,
        "priority": target.priority,
    }
    if request[_USUAL] != _NO_USUAL:
        _add_usual(request, headers, properties, at)
    if request[_RARE] == _NO_RARE:
        body, content_type, content_encoding = encode_body(request.args, request.kwargs), "application/json", "utf-8"
    else:
        body, content_type, content_encoding = _add_rare(request, headers, properties)
    if request.headers is not _NO_HEADERS:
        headers.update(custom_headers(request.headers))
    if len(body) > BODY_LIMIT_BYTES:
        message = f"body of {len(body)} bytes: more than {BODY_LIMIT_BYTES}"
        raise RequestInvalid(message, hint="store the data elsewhere and send a reference")
    return headers, properties, body, content_type, content_encoding


def _add_usual(request: TaskRequest, headers: dict[str, Json], properties: dict[str, Json], at: datetime) -> None:
    """Add times, limits and what else a request may say of itself."""
    if request.root_id is not None:
        headers["root_id"] = name(request.root_id, "root_id")
    if request.parent_id is not None:
        headers["parent_id"] = name(request.parent_id, "parent_id")
    if request.eta_at is not None:
        headers["eta"] = utc(request.eta_at, "eta").isoformat()
    if request.expires_at is not None:
        expires_at = utc(request.expires_at, "expires")
        headers["expires"] = expires_at.isoformat()
        left_ms = -((utc(at, "at") - expires_at) // _MILLISECOND)  # rounded up
        properties["expiration"] = str(max(left_ms, 0))
    hard_s, soft_s = request.time_limit_s, request.soft_time_limit_s
    if hard_s is not None or soft_s is not None:
        # Hard limit first; a worker unpacks two values and dies of a scalar (celery/worker/request.py).
        headers["timelimit"] = [
            None if hard_s is None else limit(hard_s, "time_limit"),
            None if soft_s is None else limit(soft_s, "soft_time_limit"),
        ]
    if request.shadow is not None:
        headers["shadow"] = name(request.shadow, "shadow")
    if request.ignore_result is not None:
        headers["ignore_result"] = flag(request.ignore_result, "ignore_result")


def _add_rare(request: TaskRequest, headers: dict[str, Json], properties: dict[str, Json]) -> Body:
    """Add what few requests set; give the body, which most of it goes into."""
    headers["retries"] = count(request.retries, "retries")
    if request.group_id is not None:
        headers["group"] = name(request.group_id, "group_id")
    if request.group_index is not None:
        headers["group_index"] = count(request.group_index, "group_index")
    if count(request.replaced_task_nesting, "replaced_task_nesting"):
        headers["replaced_task_nesting"] = request.replaced_task_nesting
    marks = stamps(request.stamps)
    if marks:
        headers["stamped_headers"] = list(marks)
        headers["stamps"] = marks
    if request.reply_to is not None:
        properties["reply_to"] = name(request.reply_to, "reply_to")
    properties["delivery_mode"] = count(request.delivery_mode, "delivery_mode", least=1, most=2)
    body = serialize(request.serializer, request.args, request.kwargs, _embed(request))
    if request.compression is None:
        return body
    content, headers["compression"] = compress(body.content, request.compression)
    return body._replace(content=content)


def _embed(request: TaskRequest) -> dict[str, Value]:
    links = write_signatures(request.links, "links")
    check_error_links(request.error_links, "error_links")
    error_links = write_signatures(request.error_links, "error_links")
    chain = write_signatures(request.chain, "chain")
    if request.chord is not None:
        check_chord_part(request.group_id, request.ignore_result, "chord")
    chord = None if request.chord is None else write_signature(request.chord, "chord")
    if not (links or error_links or chain or chord):
        return cast("dict[str, Value]", NO_EMBED)
    # The worker takes the next step from the end.
    return {"callbacks": links or None, "errbacks": error_links or None, "chain": chain[::-1] or None, "chord": chord}
