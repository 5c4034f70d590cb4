"""What went wrong in a task, as a value: no class is looked up, imported or made from what a back-end holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_TEXT_KEYS = ("error", "exc_message", "message", "detail", "reason")


@dataclass(frozen=True, slots=True)
class TaskError:
    """The exception of a failed, retried or revoked task.

    Attributes:
        exc_type: qualified name of its class; empty if none is stored.
        exc_module: where the class is defined.
        message: its arguments, in order; not part of the representation.
        is_poisoned: the task itself stored something in place of its exception (``update_state`` with a failed state).
            Celery's own reader raises on it.
    """

    exc_type: str
    exc_module: str | None = None
    message: tuple[Any, ...] = field(default=(), repr=False)
    is_poisoned: bool = False

    @property
    def text(self) -> str:
        """Write the arguments one after the other, as far as they are plain."""
        return ", ".join(_plain(part) for part in self.message if isinstance(part, (str, int, float)))


def parse_error(stored: object) -> TaskError:
    """Read the ``result`` of a meta in an exception state, whatever lies there (``prepare_exception``, ``exception_to_python``)."""
    if isinstance(stored, Mapping):
        exc_type, exc_module = stored.get("exc_type"), stored.get("exc_module")
        if isinstance(exc_type, str):
            return TaskError(exc_type, exc_module if isinstance(exc_module, str) else None, _message(stored))
    if not stored:
        return TaskError("")  # Celery reads these as "no exception known"
    return TaskError("", None, _found_message(stored), is_poisoned=True)


def exception_as_stored(error: BaseException) -> dict[str, Any]:
    """Write an exception the way Celery stores it, for readers that have turned it into an object already."""
    kind = type(error)
    return {"exc_type": kind.__qualname__, "exc_message": list(error.args), "exc_module": kind.__module__}


def _plain(part: float | str) -> str:
    try:
        return str(part)
    except ValueError:  # an integer of more digits than Python writes
        return "…"


def _message(stored: Mapping[Any, Any]) -> tuple[Any, ...]:
    message = stored.get("exc_message", ())
    return tuple(message) if isinstance(message, (list, tuple)) else (message,)


def _found_message(stored: object) -> tuple[Any, ...]:
    if isinstance(stored, (list, tuple)):
        return tuple(stored)
    if isinstance(stored, Mapping):
        texts = (stored.get(key) for key in _TEXT_KEYS)
        return next(((text,) for text in texts if isinstance(text, str)), ())
    return (stored,)
