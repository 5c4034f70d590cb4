"""Tasks and the options their classes give them, known from an app or declared by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shim.request import Json

EXECUTION = (
    "queue", "routing_key", "exchange", "priority", "expires", "serializer", "delivery_mode", "compression", "time_limit",
    "soft_time_limit",
)  # fmt: skip
"""Options of a task's class that go with each call (``extract_exec_options`` in ``celery/app/task.py``)."""

_FROM_CONF = {
    "serializer": "task_serializer",
    "priority": "task_default_priority",
    "time_limit": "task_time_limit",
    "soft_time_limit": "task_soft_time_limit",
    "ignore_result": "task_ignore_result",
}
"""Where Celery takes an option from that the class leaves open (``Task.from_config``)."""

_NOTHING: Mapping[str, Json] = {}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a task's function; ``kind`` is the name Python's ``inspect`` gives it."""

    name: str
    kind: str
    has_default: bool


@dataclass(frozen=True, slots=True)
class KnownTask:
    """A task of an app, or one declared by hand.

    Attributes:
        name: registered name.
        options: of its class, in Celery's names, without those that are ``None``.
        parameters: of its function; ``None`` if nobody knows.
    """

    name: str
    options: Mapping[str, Json] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] | None = None


def DeclaredTask(name: str, **options: Json) -> KnownTask:  # noqa: N802 - reads as the value it makes
    """Declare a task that no app was asked for."""
    return KnownTask(name, {option: value for option, value in options.items() if value is not None})


def declared_tasks(tasks: Iterable[KnownTask], conf: Mapping[str, Json] = _NOTHING) -> dict[str, KnownTask]:
    """Gather declared tasks by name; what one leaves open comes from Celery's settings, as if its class had been bound."""
    usual = {option: conf[setting] for option, setting in _FROM_CONF.items() if conf.get(setting) is not None}
    return {task.name: KnownTask(task.name, {**usual, **task.options}, task.parameters) for task in tasks}


def task_options(tasks: Mapping[str, KnownTask], name: str, call: Mapping[str, Json] = _NOTHING) -> dict[str, Json]:
    """Merge the options of a task's class with those of a call, as ``apply_async`` and ``send_task`` of 5.7 do.

    The result goes to ``Router.route`` as the options of the call: in Celery an option of the class goes before the route's,
    and one the call gives goes before both; ``None`` in a call clears the class's.

    ``ignore_result`` is taken from the class only if it is true. False would override the worker's own setting.
    """
    task = tasks.get(name)
    if task is None:
        return dict(call)
    options = {option: task.options[option] for option in EXECUTION if task.options.get(option) is not None}
    if task.options.get("ignore_result") is True:
        options["ignore_result"] = True
    return {**options, **call}
