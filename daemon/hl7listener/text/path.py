"""HL7 paths such as ``PID-3.1``: places in a message.

    SEGMENT[n]-FIELD[n].COMPONENT.SUBCOMPONENT

``[n]`` counts occurrences of a segment and repetitions of a field from 1; left out, it is the first, and ``[*]`` is every
one. ``PID-3-1``, ``PID.3.1`` and ``PID-3(2)`` are read as what they are taken for elsewhere.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from daemon.hl7listener.errors import PathInvalid

_COUNT = r"(?:\[(\d{1,5}|\*)\]|\((\d{1,5}|\*)\))?"
_PATH = re.compile(
    rf"([A-Z][A-Z0-9]{{2}}){_COUNT}[-.](\d{{1,3}}){_COUNT}(?:[-.](\d{{1,3}}))?(?:[-.](\d{{1,3}}))?", re.ASCII
)
_HINT = 'write "PID-3", "PID-3.1", "PID-3[2].4.1", "PID-3[*].1" or "OBX[2]-5"'
EVERY = 0
"""Stands for every occurrence or repetition."""


class Hl7Path(NamedTuple):
    """A place in a message, or with ``EVERY`` several; every number counts from 1.

    Attributes:
        component, subcomponent: 0 stands for the whole.
    """

    segment: str
    occurrence: int
    field: int
    repetition: int
    component: int
    subcomponent: int

    @property
    def is_many(self) -> bool:
        """Say whether it names several places."""
        return EVERY in (self.occurrence, self.repetition)

    def __str__(self) -> str:
        """Write it in the one way we write it."""
        parts = "".join(f".{part}" for part in (self.component, self.subcomponent) if part)
        return f"{self.segment}{_count(self.occurrence)}-{self.field}{_count(self.repetition)}{parts}"


def _count(number: int) -> str:
    return "" if number == 1 else f"[{number or '*'}]"


def parse_path(text: str) -> Hl7Path:
    """Read a path.

    Raises:
        PathInvalid: it is none.
    """
    match = _PATH.fullmatch(text)
    if match is None:
        message = f'"{text[:64]}" is not an HL7 path'
        raise PathInvalid(message, hint=_HINT)
    segment, square, round_, field, square_, round__, component, subcomponent = match.groups()
    numbers = (square or round_ or "1", field, square_ or round__ or "1", component or "1", subcomponent or "1")
    if any(number != "*" and int(number) == 0 for number in numbers):
        message = f'"{text[:64]}" counts from 1'
        raise PathInvalid(message, hint=_HINT)
    occurrence, place, repetition = (EVERY if number == "*" else int(number) for number in numbers[:3])
    return Hl7Path(segment, occurrence, place, repetition, int(component or 0), int(subcomponent or 0))
