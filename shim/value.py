"""What may stand in the arguments of a task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Protocol, TypeAlias, runtime_checkable
from uuid import UUID

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
"""A value that travels in a JSON text as it is."""

Typed: TypeAlias = date | time | UUID | Decimal | bytes
"""A value that arrives as the same Python object; JSON has no form for it, kombu has (``datetime`` is a ``date``)."""


@runtime_checkable
class LongText(Protocol):
    """Text of which there is never more than a piece in memory; it arrives as any other text."""

    def pieces(self) -> Iterator[str]:
        """Make it; the same each time."""


Value: TypeAlias = "str | int | float | bool | Typed | LongText | Sequence[Value] | Mapping[str, Value] | None"
"""An argument of a task."""
