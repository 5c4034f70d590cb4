"""A request of the shim in the terms of celery's ``app.send_task``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shim.encoding import in_full
from shim.envelope import build_envelope
from shim.pieces import holds_long_text
from shim.request import TaskRequest
from shim.routing import Target
from shim.value import Value

_SOME_INSTANT = datetime(2000, 1, 1, tzinfo=UTC)
_NOWHERE = Target("celery", 0)
_CELERYS_OWN = "json"


class ForeignCall(NamedTuple):
    """A request and where it goes.

    Attributes:
        request: what to run.
        target: queue and priority, which means what it means to that broker; ``None`` leaves it to celery's router and the
            settings it was given.
    """

    request: TaskRequest
    target: Target | None = None


def check_call(call: ForeignCall) -> None:
    """Refuse a request no worker could take, by the rules of every other message.

    Raises:
        RequestInvalid: as ``build_envelope``.
    """
    # What is built is not sent; there is no second set of rules.
    build_envelope(call.request, call.target or _NOWHERE, delivery_tag="checked", at=_SOME_INSTANT, origin="checked")


def send_options(call: ForeignCall) -> dict[str, Any]:
    """Write the keyword arguments of ``app.send_task``.

    An option that says nothing is left out, so that the settings of the application decide: a serializer of ``auth`` signs.
    """
    request, target = call
    options: dict[str, Any] = {
        "name": request.task,
        "task_id": request.task_id,
        "args": [_whole(one) for one in request.args],
        "kwargs": {name: _whole(one) for name, one in request.kwargs.items()},
        "eta": request.eta_at,
        "expires": request.expires_at,
        "time_limit": request.time_limit_s,
        "soft_time_limit": request.soft_time_limit_s,
        "ignore_result": request.ignore_result,
        "shadow": request.shadow,
        "root_id": request.root_id,
        "parent_id": request.parent_id,
        "headers": dict(request.headers),
        "argsrepr": request.argsrepr,
        "kwargsrepr": request.kwargsrepr,
        "retries": request.retries,
        "serializer": None if request.serializer == _CELERYS_OWN else request.serializer,
        "compression": request.compression,
        "link": [link.as_json() for link in request.links],
        "link_error": [link.as_json() for link in request.error_links],
        # Celery's own form: the next one last.
        "chain": [step.as_json() for step in reversed(request.chain)],
        "chord": None if request.chord is None else request.chord.as_json(),
        "group_id": request.group_id,
        "group_index": request.group_index,
        "reply_to": request.reply_to,
        "delivery_mode": request.delivery_mode,
        "replaced_task_nesting": request.replaced_task_nesting,
    }
    if request.stamps:
        options |= {"stamped_headers": list(request.stamps), **request.stamps}
    if target is not None:
        options |= {"queue": target.queue, "priority": target.priority}
    return {name: value for name, value in options.items() if value not in (None, [], {})}


def _whole(value: Value) -> Any:
    """Write long texts out, for celery knows none; leave all else to it."""
    if not holds_long_text(value):
        return value
    if isinstance(value, Mapping):
        return {name: _whole(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_whole(one) for one in value]
    return in_full(value)
