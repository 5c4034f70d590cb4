"""What is answered, before it becomes bytes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import Any

import orjson

JSON = "application/json"
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is more than a body.

    Attributes:
        body: dataclasses, mappings, sequences, texts, numbers, aware instants; or ``bytes`` of ``media_type``.
        etag: of the state that is shown, without its quotes; empty for none.
    """

    body: Any = None
    status: int = 200
    etag: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON

    def __repr__(self) -> str:
        """Show the status alone."""
        return f"Answer(status={self.status})"


def written(body: Any) -> bytes:
    """Write a body as JSON; instants in UTC with ``Z``, enumerations by their values, sets in order."""
    return orjson.dumps(body, option=_OPTIONS, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, tuple):
        names = getattr(value, "_fields", None)
        return dict(zip(names, value, strict=True)) if names else list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Enum):
        return value.value
    raise TypeError(type(value).__name__)  # the value itself stays out of the traceback's text


def tag_of(body: Any) -> str:
    """Make an entity tag of what is shown: equal bodies have equal ones."""
    return sha256(written(body)).hexdigest()[:20]


def is_one_of(etag: str, header: str) -> bool:
    """Say whether a tag is among those of ``If-Match`` or ``If-None-Match`` (RFC 9110 section 13.1); weak ones count."""
    if header.strip() == "*":
        return bool(etag)
    return any(one.strip().removeprefix("W/").strip('"') == etag for one in header.split(",")) and bool(etag)
