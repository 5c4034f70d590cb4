"""Options and arguments of a call in beat as the keys of an entry in a site file."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from daemon.settings.entry_section import EntryOptions
from daemon.sources.celery_schedule import Keys, span
from daemon.sources.sourced import Unfit

HIGHEST_PRIORITY = 9
_SPANS = ("expires", "time_limit", "soft_time_limit")
_PLAIN = ("serializer", "compression", "ignore_result")
_OF_THE_SENDER = frozenset(
    ("connection", "producer", "publisher", "retry", "retry_policy", "add_to_parent", "reply_to", "periodic_task_name")
)
"""How beat itself sends; nothing of it reaches a worker that would mind."""


def option_keys(options: Mapping[str, Any]) -> Keys:
    """Write ``options`` of an entry of beat: those of ``apply_async``.

    Args:
        options: spans of time in seconds; a queue may be a mapping that declares one.
    """
    known = EntryOptions.model_fields
    left = {name: value for name, value in options.items() if value is not None and name not in _OF_THE_SENDER}
    data: dict[str, Any] = {}
    differences: list[str] = []
    _place(left, data, differences)
    if (priority := left.pop("priority", None)) is not None:
        data["priority"] = min(int(priority), HIGHEST_PRIORITY)
        if data["priority"] != priority:
            differences.append(f"priority {priority} becomes {HIGHEST_PRIORITY}, the highest number here")
    for name in _SPANS:
        value = left.pop(name, None)
        if name == "expires" and (at := _moment(value)) is not None:
            data[name] = at
        elif isinstance(value, (int, float)) and value > 0:
            data[name] = span(value)
        elif value is not None:
            differences.append(f"{name} is no length of time here and is left out")
    headers = left.pop("headers", None)
    if isinstance(headers, Mapping) and headers:
        data["headers"] = dict(headers)
    for name in _PLAIN:
        if name in left and name in known:
            data[name] = left.pop(name)
    differences += [f"the option {name} is left out" for name in sorted(left)]
    return Keys({"options": data} if data else {}, tuple(differences))


def _moment(value: Any) -> datetime | None:
    """Read an instant; Celery takes one without an offset for UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _place(left: dict[str, Any], data: dict[str, Any], differences: list[str]) -> None:
    """Say where messages go: by their queue, or where only a routing key is given, by the queue of that name."""
    queue, exchange, key = left.pop("queue", None), left.pop("exchange", None), left.pop("routing_key", None)
    if isinstance(queue, Mapping):
        queue = queue.get("name")
    if not queue and key:
        queue = key
        differences.append(f'the routing key "{key}" is written as the queue of that name')
    elif queue and (exchange not in (None, "", queue) or key not in (None, "", queue)):
        differences.append(f'the queue "{queue}" alone says where messages go, not exchange and routing key')
    elif exchange and not queue:
        differences.append(f'the exchange "{exchange}" is left out; the routes say where messages go')
    if queue:
        data["queue"] = str(queue)


def argument_keys(args: Sequence[Any], kwargs: Mapping[str, Any], unsaid: Sequence[str] = ()) -> dict[str, Any]:
    """Write the arguments.

    Args:
        args: of the task.
        kwargs: of the task.
        unsaid: classes of those that could not be written as JSON.

    Raises:
        Unfit: some are made only when the task is sent, or are nothing JSON can say.
    """
    if unsaid:
        lazy = [name for name in unsaid if name.endswith("BeatLazyFunc")]
        if lazy:
            raise Unfit(
                "arguments that are computed when the task is sent (BeatLazyFunc) need the application; use a template"
            )
        raise Unfit(f"arguments of {', '.join(sorted(set(unsaid)))} are nothing JSON can say")
    data: dict[str, Any] = {}
    if args:
        data["args"] = [_literal(one) for one in args]
    if kwargs:
        data["kwargs"] = {str(name): _literal(value) for name, value in kwargs.items()}
    return data


def _literal(value: Any) -> Any:
    """Have the mark of templates stand for itself, and typed objects of Celery's JSON be what they mean."""
    if isinstance(value, str):
        return value.replace("{{", "{{{{")
    if isinstance(value, Mapping):
        if value.keys() == {"__type__", "__value__"}:
            return _typed(str(value["__type__"]), value["__value__"])
        return {name: _literal(one) for name, one in value.items()}
    return [_literal(one) for one in value] if isinstance(value, (list, tuple)) else value


def _typed(kind: str, value: Any) -> Any:
    try:
        return _TYPES[kind](value)
    except (KeyError, TypeError, ValueError, ArithmeticError):
        raise Unfit(f'an argument of the type "{kind}" is none that can be written here') from None


_TYPES: Mapping[str, Callable[[Any], Any]] = {
    "datetime": datetime.fromisoformat,
    "date": lambda value: datetime.fromisoformat(value).date(),
    "time": time.fromisoformat,
    "decimal": Decimal,
    "uuid": lambda value: UUID(hex=value["hex"]),
    "bytes": lambda value: value.encode(),
    "base64": b64decode,
}
"""What kombu writes that JSON has no words for (``kombu/utils/json.py``)."""
