"""The only text that may leave the process: in a log line, a metric label, an error shown to an operator.

Patient data never gets out by accident because it never has this type. ``Public`` is minted where text is known to come
from the site file, from this program, or from the machine; nothing that arrived in a message is.
"""

from __future__ import annotations

import traceback
from datetime import datetime
from enum import Enum
from typing import Any, TypeAlias

from pydantic_core import core_schema

from daemon.errors import DaemonError, unwrapped


class Public(str):
    """Text that is safe to show: a configured name, an address, a code, our own words."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Describe itself to pydantic, for documents of what is shown; it is read from nothing."""
        del source, handler
        return core_schema.json_or_python_schema(core_schema.str_schema(), core_schema.is_instance_schema(cls))


Field: TypeAlias = Public | int | float | bool | Enum | datetime | None
"""A value a log line may hold. A plain ``str`` is not among them."""

WITHHELD = Public("<withheld>")
_FRAMES_SHOWN = 6


def escaped(text: str) -> str:
    """Write what is not printable (controls, line ends, bidi marks, lone surrogates) as escapes, so that a line stays one."""
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


def shown(value: object) -> Public:
    """Turn a field into text; anything that is not a ``Field`` is withheld, whatever the type checker was told."""
    if isinstance(value, Public):
        return Public(escaped(value))
    if isinstance(value, bool) or value is None:
        return Public(str(value).lower() if value is not None else "-")
    if isinstance(value, (int, float)):
        return Public(f"{value:.6g}" if isinstance(value, float) else str(value))
    if isinstance(value, Enum):
        return Public(value.value)
    if isinstance(value, datetime):
        return Public(value.isoformat())
    return WITHHELD


def reason(error: BaseException) -> Public:
    """Describe an error: our own in its words, any other by its type alone, for its text may quote what it failed on."""
    error = unwrapped(error)
    if isinstance(error, DaemonError):
        return Public(f"{error}; {error.hint}" if error.hint else str(error))
    if isinstance(error, OSError) and error.strerror:
        return Public(f"{type(error).__name__}: {error.strerror}")
    return Public(type(error).__name__)


def frames(error: BaseException) -> Public:
    """Name the places an error passed, innermost first: file, line and function; no values, no source lines."""
    stack = traceback.extract_tb(unwrapped(error).__traceback__)[-_FRAMES_SHOWN:]
    places = (
        f"{'/'.join(frame.filename.rsplit('/', 2)[-2:])}:{frame.lineno} {frame.name}" for frame in reversed(stack)
    )
    return Public(" < ".join(places) or "no frames")
