"""One task to be sent, in the words of Celery's ``apply_async``, and what becomes of its options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from shim.call_options import request_of
from shim.errors import RequestInvalid
from shim.request import TaskRequest
from shim.signature import Signature
from shim.value import Value


class Call(NamedTuple):
    """A task by name, its arguments and options.

    Arguments and options are left out of the representation.

    Attributes:
        task: registered name.
        args, kwargs: as in ``TaskRequest``.
        options: in the names of Celery's ``apply_async``; ``None`` means not given. ``countdown`` and ``expires`` are seconds,
            ``eta`` and ``expires`` aware instants; ``link`` and ``link_error`` are one signature or a list; ``chain`` is what
            follows, the next one last; ``stamps`` is a mapping.
        task_id: of the task; a new one if not given.
    """

    task: str
    args: Sequence[Value] = ()
    kwargs: Mapping[str, Value] = {}
    options: Mapping[str, Any] = {}
    task_id: str | None = None

    def __repr__(self) -> str:
        """Show which task it is, and nothing it is given."""
        return f"Call(task={self.task!r}, task_id={self.task_id!r})"


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a call that was sent.

    Attributes:
        task_id: of the task; its result is stored under it.
        queues: where copies of the message went: one, but for topic exchanges; empty for a fanout.
        was_sent_before: an earlier attempt with the same id had done it.
    """

    task_id: str
    queues: tuple[str, ...] = field(default=())
    was_sent_before: bool = False


def make_request(call: Call, options: Mapping[str, Any], *, task_id: str, at: datetime) -> TaskRequest:
    """Make the request of a call.

    Args:
        call: what is asked for.
        options: those of the task's class, its route and the call, merged; the router's own are passed over.
        task_id: of the task.
        at: now, aware; a countdown begins here.

    Raises:
        RequestInvalid: an option nobody knows or of the wrong kind, or both ``countdown`` and ``eta``.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if "countdown" in given and "eta" in given:
        message = "countdown and eta: give one of them"
        raise RequestInvalid(message)
    stamps = given.pop("stamps", None)
    request = request_of(Signature(call.task, call.args, call.kwargs), {**given, "task_id": task_id}, at=at)
    return request if stamps is None else request._replace(stamps=stamps)
