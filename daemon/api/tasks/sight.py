"""What of a task's contents a caller sees, and what stands in their place. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any

import orjson

from daemon.api.http.caller import Caller, Capability, Role
from daemon.desks.tasks import Standing

SIZE_LIMIT_BYTES = 4 * 1024 * 1024
"""Contents beyond are not shown."""

NAMES_SHOWN, NAME_LIMIT, DEPTH_LIMIT = 50, 64, 100
_INTEGERS = range(-(2**63), 2**64)
_DIGITS = 10**300


class Sight(Enum):
    """Whether contents are shown, and why."""

    HIDDEN = "hidden"
    HARMLESS = "harmless"
    """The site file says that nothing in them names a patient, or the caller sent the task itself."""
    RECORDED = "recorded"
    """The caller may see contents, and each look is kept in the audit trail first."""

    @property
    def shows(self) -> bool:
        """Say whether contents are shown."""
        return self is not Sight.HIDDEN


def who_of(caller: Caller) -> str:
    """Name a caller so that nobody else is named alike: a token that is made anew under the same name is another one."""
    return f"token {caller.credential}" if caller.credential else f"{caller.means.value} {caller.who}"


def is_own(caller: Caller, standing: Standing) -> bool:
    """Say whether the caller sent the task through this API."""
    return standing.sent is not None and standing.sent.who == who_of(caller)


def may_ask(caller: Caller, standing: Standing) -> bool:
    """Say whether the caller may know of a task at all: a token for an application alone knows what it sent."""
    return caller.may(Role.VIEWER) or is_own(caller, standing)


def sight_of(caller: Caller, standing: Standing, show_tasks: Sequence[str]) -> Sight:
    """Say what a caller sees of a task's contents."""
    if caller.has(Capability.RESULTS) and is_own(caller, standing):
        return Sight.HARMLESS
    name = standing.name
    if name is not None and is_harmless(name, show_tasks):
        return Sight.HARMLESS
    origin = standing.origin
    feed = origin.name if origin is not None and origin.kind == "feed" else ""
    return Sight.RECORDED if caller.may_see(feed) else Sight.HIDDEN


def is_harmless(name: str, show_tasks: Sequence[str]) -> bool:
    """Say whether the site file lets the contents of a task be seen by anyone who is signed in."""
    return any(fnmatchcase(name, glob) for glob in show_tasks)


@dataclass(frozen=True, slots=True)
class Shape:
    """What is said of contents that are not shown.

    Attributes:
        type: JSON's word.
        count: of items, keys or characters; ``None`` of what has none.
        size_bytes: as JSON; ``None`` if it cannot be written.
        names: of keyword arguments.
    """

    type: str
    count: int | None
    size_bytes: int | None
    names: tuple[str, ...] = ()


def shape_of(value: Any, *, with_names: bool = False) -> Shape | None:
    """Describe contents without showing them; ``None`` if there are none."""
    if value is None:
        return None
    names: tuple[str, ...] = ()
    if with_names and isinstance(value, Mapping):
        plain = (name for name in value if isinstance(name, str) and name.isidentifier() and len(name) <= NAME_LIMIT)
        names = tuple(sorted(plain)[:NAMES_SHOWN])
    count = len(value) if isinstance(value, (Mapping, Sequence)) else None
    return Shape(_word(value), count, _size(value), names)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, Sequence) else "object"


def _size(value: Any) -> int | None:
    try:
        return len(orjson.dumps(value))
    except TypeError:
        return None


def fragment(value: Any) -> orjson.Fragment | None:
    """Write contents as JSON, whatever they are; ``None`` for nothing, and a sentence for more than is shown."""
    if value is None:
        return None
    try:
        text = orjson.dumps(value)
    except TypeError:
        text = orjson.dumps(sound(value))
    if len(text) > SIZE_LIMIT_BYTES:
        text = orjson.dumps(f"({len(text)} bytes: too long to be shown)")
    return orjson.Fragment(text)


def sound(value: Any, depth: int = 0) -> Any:
    """Give the same with everything replaced that JSON has no form for: lone surrogates, great integers, bytes, depths."""
    if depth > DEPTH_LIMIT:
        return "…"
    if isinstance(value, Mapping):
        return {sound(str(key)): sound(one, depth + 1) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [sound(one, depth + 1) for one in value]
    return _sound_scalar(value)


def _sound_scalar(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        value = bytes(value).decode("utf-8", "replace")
    if isinstance(value, int) and value not in _INTEGERS:
        return str(value) if -_DIGITS < value < _DIGITS else "…"
    if not isinstance(value, str):
        try:
            orjson.dumps(value)
        except TypeError:
            value = str(value)
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(value, str) else value
