"""A task to be run by a worker: a link, a step of a chain, the body of a chord (``celery/canvas.py``, ``Signature``).

A worker makes a message of it long after it was sent, and a malformed one then fails a task whose work is already
done. So it is checked as strictly as a request, and an option nobody knows is refused: the worker would take it for a
property of the message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from shim import option
from shim.compression import COMPRESSIONS
from shim.custom_headers import custom_headers, stamps
from shim.encoding import check_keyword_values, check_mapping, check_positional_values
from shim.errors import RequestInvalid
from shim.serializer import SERIALIZERS
from shim.value import Value

SIGNATURE_DEPTH_LIMIT = 16
"""Signatures within signatures. Each level is four of JSON, and a worker's reader recurses."""

TASKS_LIMIT = 100_000
"""Signatures in one list."""

PRIORITY_MAX = 255
"""RabbitMQ's; the worker that sends the message knows its own broker."""

PARTS: Mapping[str, tuple[str, ...]] = {
    "chain": ("tasks",),
    "group": ("tasks",),
    "chord": ("header", "body"),
    "xmap": ("task", "it"),
    "xstarmap": ("task", "it"),
    "chunks": ("task", "it", "n"),
}
"""Keyword arguments that each kind of canvas needs; a chord may have ``kwargs`` too, for its header.

``tasks`` are signatures, ``header`` is a list of them or a group, ``body`` and ``task`` are one, ``it`` is a list of
arguments and ``n`` the size of a chunk.
"""

_MAY_FOLLOW_FAILURE = (None, "group", "chord")
_CANVAS_TASKS = ("celery.chain", "celery.chord", "celery.group")
_NO_TIME, _MINUTE = timedelta(0), timedelta(minutes=1)
_MAY_BE_NONE = frozenset(
    (
        *("chain", "chord", "countdown", "eta", "expires", "ignore_result", "link", "link_error", "priority", "shadow"),
        *("soft_time_limit", "time_limit"),
    )
)
"""Options for which a worker takes nothing as nothing said; of others it makes something, or fails."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A task with arguments and options, to be sent by a worker.

    Arguments and options are left out of the representation: they may hold what must not reach a log.

    Attributes:
        task: registered name of the task.
        args, kwargs: its arguments; a worker puts the result of what came before in front, unless ``immutable``.
            A canvas has the keyword arguments of ``PARTS`` and no others.
        options: options of Celery's ``apply_async`` by their names there: ``task_id``, ``queue``, ``countdown``, ``link`` …
            ``link``, ``link_error`` (one or a list), ``chord`` and ``chain`` (a list, the next one last) are signatures.
        immutable: whether the arguments are complete.
        subtask_type: ``None`` for a task, or the kind of canvas: a key of ``PARTS``.
    """

    task: str
    args: Sequence[Value] = field(default=(), repr=False)
    kwargs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    immutable: bool = False
    subtask_type: str | None = None

    def as_json(self) -> dict[str, Value]:
        """Write it as Celery does, with signatures inside it written too; typed values (datetime …) stay as they are.

        Raises:
            RequestInvalid: a worker could not send it.
        """
        return write_signature(self, "signature")


def write_signature(signature: object, where: str, depth: int = 1) -> dict[str, Value]:
    """Check a signature and write it; ``where`` is its place in the request, for a refusal.

    Raises:
        RequestInvalid: a worker could not send it.
    """
    if not isinstance(signature, Signature):
        message = f"{where}: a Signature is needed"
        raise RequestInvalid(message)
    if depth > SIGNATURE_DEPTH_LIMIT:
        message = f"{where}: signatures nested deeper than {SIGNATURE_DEPTH_LIMIT}"
        raise RequestInvalid(message)
    check_positional_values(signature.args, f"{where}.args")
    return {
        "task": option.name(signature.task, f"{where}.task"),
        "args": list(signature.args),
        "kwargs": _kwargs(signature, where, depth),
        "options": _options(signature.options, f"{where}.options", depth),
        "subtask_type": signature.subtask_type,
        "immutable": option.flag(signature.immutable, f"{where}.immutable"),
    }


def write_signatures(signatures: object, where: str, depth: int = 1) -> list[Value]:
    """Check signatures and write them.

    Raises:
        RequestInvalid: it is no list or tuple, or a worker could not send one of them.
    """
    if not isinstance(signatures, (list, tuple)) or len(signatures) > TASKS_LIMIT:
        message = f"{where}: a list of at most {TASKS_LIMIT} signatures is needed"
        raise RequestInvalid(message)
    return [write_signature(one, f"{where}[{place}]", depth) for place, one in enumerate(signatures)]


def check_error_links(given: object, where: str) -> None:
    """Refuse a chain or a map as an error link, alone or in a list.

    A worker calls it with the exception itself, which it then cannot send, so that nothing would run
    (``celery/backends/base.py``, ``_call_task_errbacks``).

    Raises:
        RequestInvalid: as it says.
    """
    for one in given if isinstance(given, (list, tuple)) else (given,):
        if isinstance(one, Signature) and one.subtask_type not in _MAY_FOLLOW_FAILURE:
            message = f"{where}: a {one.subtask_type} is never run as an error link"
            raise RequestInvalid(message, hint="link the first task of it, and the others to that one")


def _kwargs(signature: Signature, where: str, depth: int) -> dict[str, Value]:
    label, kind = f"{where}.kwargs", signature.subtask_type
    given = check_mapping(signature.kwargs, label)
    if kind is None:
        if signature.task in _CANVAS_TASKS:
            message = f"{where}: {signature.task} is a canvas and needs its subtask_type"
            raise RequestInvalid(message)
        check_keyword_values(given, label)
        return dict(given)
    if kind not in tuple(PARTS):  # one after the other: it may be something without a hash
        message = f"{where}.subtask_type: one of {', '.join(PARTS)} is needed, or nothing"
        raise RequestInvalid(message)
    may_have = ("kwargs",) if kind == "chord" else ()
    if not {*PARTS[kind]} <= given.keys() <= {*PARTS[kind], *may_have}:
        message = f"{label}: a {kind} has {', '.join(PARTS[kind])}"
        raise RequestInvalid(message)
    return {
        key: _PART[key](given[key], f"{label}[{key!r}]", depth + 1) for key in (*PARTS[kind], *may_have) if key in given
    }


def _error_links(given: object, where: str, depth: int) -> Value:
    check_error_links(given, where)
    return _one_or_list(given, where, depth)


def _plain_list(given: object, where: str, _: int) -> Value:
    check_positional_values(given, where)
    return list(cast("Sequence[Value]", given))


def _plain_mapping(given: object, where: str, _: int) -> Value:
    check_keyword_values(check_mapping(given, where), where)
    return dict(cast("Mapping[str, Value]", given))


def _size(given: object, where: str, _: int) -> Value:
    return option.count(given, where, least=1)


def _one_or_list(given: object, where: str, depth: int) -> Value:
    if isinstance(given, Signature):
        return write_signature(given, where, depth)
    return write_signatures(given, where, depth)


def _options(options: object, where: str, depth: int) -> dict[str, Value]:
    given = check_mapping(options, where)
    stamped = _stamps(given, where)
    written: dict[str, Value] = {}
    for key, value in given.items():
        label = f"{where}[{key!r}]"
        if key in stamped:
            written[key] = stamped[key]
        elif value is None and key in _MAY_BE_NONE:
            written[key] = None
        elif key in _LINKED:
            written[key] = _LINKED[key](value, label, depth + 1)
        elif key in _SIMPLE:
            _SIMPLE[key](value, label)
            written[key] = value
        elif key != "stamped_headers":
            message = f"{where}: {key!r} is no option of a task"
            raise RequestInvalid(message, hint="a stamp must be named in stamped_headers too")
        else:
            written[key] = list(stamped)
    if written.get("chord") is not None:
        check_chord_part(written.get("group_id"), written.get("ignore_result"), where)
    return written


def _stamps(given: Mapping[str, Any], where: str) -> dict[str, Value]:
    if "stamped_headers" not in given:
        return {}
    names = given["stamped_headers"]
    if not isinstance(names, (list, tuple)) or not all(isinstance(one, str) and one in given for one in names):
        message = f"{where}: stamped_headers is a list of names, and each must be given as an option too"
        raise RequestInvalid(message)
    return {**stamps({one: given[one] for one in names}, f"{where}.stamps")}


def check_chord_part(group_id: object, ignore_result: object, where: str) -> None:
    """Refuse a task of a chord's header that would never be counted, so that the body would never run.

    Raises:
        RequestInvalid: it is in no group, or its result is ignored.
    """
    if group_id is None:
        message = f"{where}: a chord needs a group id; its body would never run"
        raise RequestInvalid(message)
    if ignore_result:
        message = f"{where}: a task of a chord may not ignore its result; the body would never run"
        raise RequestInvalid(message)


def _known(*names: str) -> Callable[[object, str], None]:
    def check(value: object, label: str) -> None:
        if not isinstance(value, str) or value not in names:
            message = f"{label}: one of {', '.join(names)} is needed"
            raise RequestInvalid(message)

    return check


def _instant(value: object, label: str) -> None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            message = f"{label}: an instant is written like 2027-03-01T12:00:00+00:00"
            raise RequestInvalid(message) from None
    if not isinstance(value, datetime):
        message = f"{label}: an instant is needed"
        raise RequestInvalid(message)
    option.utc(value, label)
    if (value.utcoffset() or _NO_TIME) % _MINUTE:  # the worker writes it as it finds it, and the next cannot read it
        message = f"{label}: an offset with seconds cannot be read by a worker"
        raise RequestInvalid(message, hint="bring the instant to UTC")


def _end(value: object, label: str) -> None:
    if isinstance(value, (str, datetime)):
        _instant(value, label)
    else:
        option.duration(value, label)


def _text(value: object, label: str) -> None:
    if not isinstance(value, str):
        message = f"{label}: text is needed"
        raise RequestInvalid(message)


def _policy(value: object, label: str) -> None:
    """Read a ``retry_policy``: what ``kombu.Connection.ensure`` takes, as far as it is data."""
    for key, given in check_mapping(value, label).items():
        if key == "max_retries":
            option.count(given, f"{label}['max_retries']")
        elif key in ("interval_start", "interval_step", "interval_max"):
            option.duration(given, f"{label}[{key!r}]", least=0)
        else:
            message = f"{label}: {key!r} is no part of a retry policy"
            raise RequestInvalid(message)


def _mode(value: object, label: str) -> None:
    option.count(value, label, least=1, most=2)


def _priority(value: object, label: str) -> None:
    option.count(value, label, most=PRIORITY_MAX)


_PART: Mapping[str, Callable[[object, str, int], Value]] = {
    "tasks": write_signatures,
    "header": _one_or_list,
    "body": write_signature,
    "task": write_signature,
    "it": _plain_list,
    "n": _size,
    "kwargs": _plain_mapping,
}
_LINKED: Mapping[str, Callable[[object, str, int], Value]] = {
    "link": _one_or_list,
    "link_error": _error_links,
    "chord": write_signature,
    "chain": write_signatures,
}
_SIMPLE: Mapping[str, Callable[[Any, str], object]] = {
    **dict.fromkeys(
        (
            *("task_id", "root_id", "parent_id", "group_id", "reply_to", "queue", "exchange", "routing_key", "shadow"),
            *("origin", "route_name"),
        ),
        option.name,
    ),
    **dict.fromkeys(("time_limit", "soft_time_limit"), option.limit),
    **dict.fromkeys(("countdown", "interval"), option.duration),
    **dict.fromkeys(("retries", "group_index", "replaced_task_nesting", "max_retries"), option.count),
    **dict.fromkeys(("ignore_result", "retry", "add_to_parent", "use_link"), option.flag),
    **dict.fromkeys(("argsrepr", "kwargsrepr"), _text),
    "eta": _instant,
    "expires": _end,
    "headers": custom_headers,
    "retry_policy": _policy,
    "delivery_mode": _mode,
    "priority": _priority,
    "serializer": _known(*SERIALIZERS),
    "compression": _known(*COMPRESSIONS),
}
