"""The state of a chord while its header runs, for display (``celery/backends/redis.py``, ``on_chord_part_return``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shim.results.payload import JSON_RESULTS, ResultFormat, decode_payload

_PART_LENGTH = 4
_DIGITS = 18


class Callback(StrEnum):
    """How far the body of a chord is."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    """A worker is about to send it, or has died doing so (5.7)."""
    DONE = "done"
    """Sent within the last minutes (5.7)."""


@dataclass(frozen=True, slots=True)
class ChordPart:
    """A task of the header that has come back; its result is not part of the representation."""

    task_id: str
    state: str
    result: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChordState:
    """What a server knows of a chord.

    Attributes:
        size: tasks in the header, with those added since; ``None`` before the publisher has written it and after the body was sent.
        returned: how many of them have come back.
        parts: the first of those, in order of their index.
        unreadable: how many of the first could not be read.
    """

    group_id: str
    size: int | None
    returned: int
    parts: tuple[ChordPart, ...]
    unreadable: int
    callback: Callback

    @property
    def missing(self) -> int | None:
        """Say how many tasks are still out, if the size is known."""
        return None if self.size is None else max(self.size - self.returned, 0)


def parse_chord(
    group_id: str,
    *,
    size: bytes | None,
    added: bytes | None,
    callback: bytes | None,
    returned: int,
    parts: Sequence[bytes],
    form: ResultFormat = JSON_RESULTS,
) -> ChordState | None:
    """Read the keys of a chord; ``None`` if there are none; never raises."""
    if size is None and callback is None and not returned:
        return None
    total = _number(size)
    known = [part for stored in parts if (part := _part(stored, form)) is not None]
    return ChordState(
        group_id,
        None if total is None else total + (_number(added) or 0),
        returned,
        tuple(known),
        len(parts) - len(known),
        Callback.WAITING if callback is None else Callback.DONE if callback == b"done" else Callback.CLAIMED,
    )


def _number(stored: bytes | None) -> int | None:
    text = (stored or b"").removeprefix(b"-")
    return int(stored or b"") if text.isdigit() and len(text) <= _DIGITS else None


def _part(stored: bytes, form: ResultFormat) -> ChordPart | None:
    found = decode_payload(stored, form)
    if not isinstance(found, (list, tuple)) or len(found) != _PART_LENGTH:
        return None
    _, task_id, state, result = found
    return ChordPart(task_id, state, result) if isinstance(task_id, str) and isinstance(state, str) else None
