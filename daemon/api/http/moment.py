"""Instants that a request gives: ISO 8601 with an offset, within the years this program reckons in. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from daemon.clock import microseconds

FIRST_YEAR, LAST_YEAR = 1971, 2199
_LENGTH_LIMIT = 64


def read_moment(value: Any) -> int:
    """Read an instant; give microseconds since the epoch.

    Raises:
        PydanticCustomError: it is none.
    """
    code = "instant"
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) and len(value) <= _LENGTH_LIMIT else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise PydanticCustomError(code, "an instant with an offset is needed, as 2026-01-31T08:00:00Z")
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise PydanticCustomError(code, "an instant of the years 1971 to 2199 is needed")
    return microseconds(found.astimezone(UTC))


MomentUs = Annotated[int, PlainValidator(read_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
"""An instant of a request, in microseconds since the epoch."""
