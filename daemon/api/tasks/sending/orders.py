"""What a caller asks for, as an order for the desk. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from daemon.api.http.asked import Asked
from daemon.api.tasks.bodies import SendBody, SendQuery
from daemon.api.tasks.sight import who_of
from daemon.desks import DeskRefused
from daemon.desks.tasks import TaskOrder

NAME_LIMIT = 255
HIDDEN = "<not shown>"
_NAMES = ("queue", "countdown", "eta", "expires", "priority", "time_limit", "soft_time_limit", "ignore_result")


class NameInvalid(DeskRefused):
    """That is no name a task could have."""

    code = "task-invalid"


def order_of(asked: Asked, task_id: str | None, *, is_harmless: bool) -> TaskOrder:
    """Read what is to be sent.

    Raises:
        NameInvalid: that is no name.
        DeskRefused: an instant without a zone.
    """
    name = checked_name(asked.parts["id"])
    body = asked.says(SendBody)
    options: dict[str, Any] = {key: getattr(body, key) for key in _NAMES if getattr(body, key) is not None}
    for key in ("eta", "expires"):
        value = options.get(key)
        if isinstance(value, datetime) and value.tzinfo is None:
            message = f"{key}: an instant with its zone is needed"
            raise DeskRefused(message, hint="2026-11-22T14:00:00Z", field=key)
    if body.headers:
        options["headers"] = dict(body.headers)
    query = asked.asks(SendQuery)
    return TaskOrder(
        name,
        who_of(asked.caller),
        str(asked.caller.who),
        body.args,
        body.kwargs,
        {**options, **shown_arguments(is_harmless=is_harmless)},
        task_id,
        print_of(asked) if task_id is not None else "",
        query.require_worker,
    )


def shown_arguments(*, is_harmless: bool) -> Mapping[str, Any]:
    """Say what logs and other monitors may show of the arguments: nothing, unless the site file says they are harmless."""
    return {} if is_harmless else {"argsrepr": HIDDEN, "kwargsrepr": HIDDEN}


def checked_name(name: str) -> str:
    """Refuse what no task could be called.

    Raises:
        NameInvalid: it is empty, too long or holds what cannot be printed.
    """
    if not 0 < len(name) <= NAME_LIMIT or not name.isprintable():
        message = f"a task's name has 1 to {NAME_LIMIT} printable characters"
        raise NameInvalid(message, field="name")
    return name


def print_of(asked: Asked) -> str:
    """Tell requests under one idempotency key apart."""
    pairs = "\0".join(f"{name}={value}" for name, value in asked.raw_query)
    return sha256(f"{asked.parts['id']}\0{pairs}\0".encode() + asked.raw_body).hexdigest()[:32]
