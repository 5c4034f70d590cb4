"""Declared queues and single options, read from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shim.errors import RequestInvalid
from shim.routing.queues import Binding, Queue
from shim.routing.topic import DIRECT

_DELIVERY_MODES: Mapping[object, int] = {1: 1, 2: 2, "transient": 1, "persistent": 2}


def parse_queue(given: object, where: str) -> Queue:
    """Read one declared queue: a mapping in the names of kombu's ``Queue``, or a bare name.

    Raises:
        RequestInvalid: as it says.
    """
    if isinstance(given, str):
        return Queue(given)
    queue = mapping_of(given, where)
    name = text_of(queue, "name", where)
    if not name:
        message = f"{where}.name: a name is needed"
        raise RequestInvalid(message)
    bindings = queue.get("bindings") or ()
    expires_s = queue.get("expires")
    if expires_s is not None and (isinstance(expires_s, bool) or not isinstance(expires_s, (int, float))):
        message = f"{where}.expires: seconds are needed"
        raise RequestInvalid(message)
    return Queue(
        name,
        exchange=text_of(queue, "exchange", where) or "",
        exchange_type=text_of(queue, "exchange_type", where) or DIRECT,
        routing_key=text_of(queue, "routing_key", where) or text_of(queue, "binding_key", where) or "",
        alias=text_of(queue, "alias", where),
        bindings=tuple(_binding(mapping_of(one, f"{where}.bindings"), f"{where}.bindings") for one in bindings),
        arguments=mapping_of(queue.get("queue_arguments") or {}, f"{where}.queue_arguments"),
        expires_s=expires_s,
        max_priority=number_of(queue, "max_priority", where),
        delivery_mode=delivery_mode_of(queue, "delivery_mode", where),
        durable=queue.get("durable") is not False,
        auto_delete=queue.get("auto_delete") is True,
    )


def _binding(given: Mapping[str, Any], where: str) -> Binding:
    return Binding(
        text_of(given, "exchange", where) or "",
        text_of(given, "exchange_type", where) or DIRECT,
        text_of(given, "routing_key", where) or "",
    )


def mapping_of(given: object, where: str) -> dict[str, Any]:
    """Copy a mapping; anything else is refused."""
    if not isinstance(given, Mapping):
        message = f"{where}: a mapping is needed"
        raise RequestInvalid(message)
    return dict(given)


def text_of(given: Mapping[str, Any], name: str, where: str = "conf") -> str | None:
    """Read a text that may be missing."""
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        message = f"{where}.{name}: text is needed"
        raise RequestInvalid(message)
    return value


def number_of(given: Mapping[str, Any], name: str, where: str = "conf") -> int | None:
    """Read a whole number that may be missing."""
    value = given.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        message = f"{where}.{name}: a whole number is needed"
        raise RequestInvalid(message)
    return value


def delivery_mode_of(given: Mapping[str, Any], name: str, where: str = "conf") -> int | None:
    """Read a delivery mode, 1 or 2, that may be missing."""
    value = given.get(name)
    if value is None:
        return None
    mode = _DELIVERY_MODES.get(value) if isinstance(value, (str, int)) else None
    if mode is None:
        message = f"{where}.{name}: 1 (transient) or 2 (persistent)"
        raise RequestInvalid(message)
    return mode
