"""Options of a signature, in Celery's names, to a request (``send_task`` in ``celery/app/base.py``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from shim.errors import RequestInvalid
from shim.option import after
from shim.request import TaskRequest
from shim.signature import Signature

DESTINATION = frozenset(("queue", "exchange", "exchange_type", "routing_key", "priority", "delivery_mode"))
"""Options a router reads."""

_OF_THE_SENDER = frozenset(
    ("add_to_parent", "interval", "max_retries", "retry", "retry_policy", "route_name", "use_link")
)
"""Options that tell celery how to send; they leave no mark in a message, and nothing is sent twice here."""

_SAME = (
    "argsrepr", "compression", "group_id", "group_index", "headers", "ignore_result", "kwargsrepr", "parent_id",
    "replaced_task_nesting", "reply_to", "retries", "root_id", "serializer", "shadow",
)  # fmt: skip
"""Options with a field of their name."""

_CONTENT_TYPES = {
    "application/json": "json",
    "application/x-yaml": "yaml",
    "application/x-msgpack": "msgpack",
}

_OTHERS = frozenset(
    (
        "chain", "chord", "countdown", "eta", "expires", "link", "link_error", "soft_time_limit", "stamped_headers",
        "task_id", "time_limit",
    )
)  # fmt: skip


def request_of(signature: Signature, options: Mapping[str, Any], *, at: datetime) -> TaskRequest:
    """Make a request of a signature that is the first to run.

    Args:
        signature: the task and its arguments.
        options: its options merged with those of its route; ``task_id`` is among them. Those of ``DESTINATION`` say nothing here.
        at: now, aware; what ``countdown`` and a number in ``expires`` count from.

    Raises:
        RequestInvalid: an option that is not known; the others are checked when the message is built.
    """
    given = {name: value for name, value in options.items() if value is not None}
    stamped = _stamped(given.get("stamped_headers"))
    for name in given:
        if name not in DESTINATION | _OF_THE_SENDER | _OTHERS and name not in _SAME and name not in stamped:
            message = f"task {signature.task!r}: {name!r} is no option of a message"
            raise RequestInvalid(message, hint="it may come from the route of the task; put data into headers")
    request = TaskRequest(
        signature.task,
        given["task_id"],
        signature.args,
        signature.kwargs,
        eta_at=_eta(given, at),
        expires_at=_instant(given.get("expires"), at, "expires"),
        time_limit_s=given.get("time_limit"),
        soft_time_limit_s=given.get("soft_time_limit"),
        links=listed(given.get("link")),
        error_links=listed(given.get("link_error")),
        chain=listed(given.get("chain"))[::-1],  # Celery's has the next one last
        chord=given.get("chord"),
        stamps={name: options.get(name) for name in stamped},
    )
    for name in ("argsrepr", "kwargsrepr"):
        if not isinstance(given.get(name, ""), str):
            message = f"{name}: text is needed"
            raise RequestInvalid(message)
    return request._replace(**{name: given[name] for name in _SAME if name in given})


def check_accepted(request: TaskRequest, accept_content: Iterable[str] | None) -> None:
    """Refuse what workers drop unread.

    Args:
        request: about to be sent.
        accept_content: the workers' setting of that name: serializers or content types; ``None`` if nobody knows it.

    Raises:
        RequestInvalid: the serializer is not among them.
    """
    if accept_content is None:
        return
    names = {_CONTENT_TYPES.get(one, one) for one in accept_content}
    if request.serializer not in names:
        message = (
            f"task {request.task!r}: serializer {request.serializer} is not in accept_content; workers would drop it"
        )
        raise RequestInvalid(message, hint=f"the application accepts {', '.join(sorted(names))}")


def listed(value: object) -> list[Any]:
    """Read an option that holds one signature or a list of them."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _stamped(names: object) -> tuple[str, ...]:
    if names is None:
        return ()
    if not isinstance(names, (list, tuple, set, frozenset)) or not all(isinstance(name, str) for name in names):
        message = "stamped_headers: a list of names is needed"
        raise RequestInvalid(message)
    return tuple(names)


def _eta(given: Mapping[str, Any], at: datetime) -> datetime | None:
    # A countdown wins, and one of zero is none (as_task_v2 in celery/app/amqp.py).
    countdown = given.get("countdown")
    return after(countdown, at=at) if countdown else _written(given.get("eta"), "eta")


def _instant(value: Any, at: datetime, label: str) -> datetime | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return after(value, at=at, label=label) if is_number else _written(value, label)


def _written(value: Any, label: str) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    if isinstance(value, str):
        with suppress(ValueError):
            return datetime.fromisoformat(value)
    message = f"{label}: not an instant"
    raise RequestInvalid(message, hint="a datetime with a time zone, or such a text as 2026-10-25T00:00:00+01:00")
