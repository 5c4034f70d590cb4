"""What a request of this machine asks for, read into values; what is wrong with it is said by name. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from daemon.desks import DeskRefused
from daemon.public import Public

TEXT_LIMIT = 1000
SEQUENCES_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: who asks, the names in its path, and the fields of its body."""

    who: Public
    parts: Mapping[str, str]
    fields: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Give a text field; empty if it is absent."""
        value = self.fields.get(name, "")
        if not isinstance(value, str) or len(value) > TEXT_LIMIT:
            raise _bad(name, f"a text of at most {TEXT_LIMIT} characters is needed")
        return value

    def word(self, name: str) -> str | None:
        """Give a text field, or ``None`` if it is absent or empty."""
        return self.text(name) or None if self.fields.get(name) is not None else None

    def number(self, name: str) -> int | None:
        """Give a whole number; ``None`` if it is absent."""
        value = self.fields.get(name)
        if value is None or type(value) is int:
            return value
        raise _bad(name, "a whole number is needed")

    def flag(self, name: str) -> bool:
        """Give a yes or no; no if it is absent."""
        value = self.fields.get(name, False)
        if not isinstance(value, bool):
            raise _bad(name, "true or false is needed")
        return value

    def sequences(self) -> tuple[int, ...]:
        """Give the sequence numbers of messages."""
        value = self.fields.get("sequences")
        if not isinstance(value, list) or not 0 < len(value) <= SEQUENCES_LIMIT:
            raise _bad("sequences", f"a list of 1 to {SEQUENCES_LIMIT} sequence numbers is needed")
        if not all(type(one) is int for one in value):
            raise _bad("sequences", "whole numbers are needed")
        return tuple(value)


def fields_of(body: bytes) -> Mapping[str, Any]:
    """Read a body: a JSON object, or nothing.

    Raises:
        DeskRefused: it is neither.
    """
    if not body:
        return {}
    try:
        value = orjson.loads(body)
    except ValueError:
        message = "the body is no JSON"
        raise DeskRefused(message) from None
    if not isinstance(value, dict):
        message = "the body is no JSON object"
        raise DeskRefused(message)
    return value


def _bad(name: str, needed: str) -> DeskRefused:
    return DeskRefused(f'"{name}": {needed}')
