"""What happens where messages are answered, as values; like ``daemon/events.py``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from daemon.public import Public


@dataclass(frozen=True, slots=True)
class AnsweredLate:
    """The application acknowledgement of a stored message was decided by what became of it, or by the time that took."""

    feed: Public
    ending: Enum
    took_s: float


@dataclass(frozen=True, slots=True)
class AnswerUndecided:
    """Its connection was closed instead: it was not known in time what became of a message."""

    feed: Public
    waited_s: float


@dataclass(frozen=True, slots=True)
class ControlIdReused:
    """A sender used a control id for a second message with other content."""

    feed: Public
    is_refused: bool


@dataclass(frozen=True, slots=True)
class OutOfSequence:
    """A message was refused for its sequence number."""

    feed: Public
    turn: Enum
    expected: int


@dataclass(frozen=True, slots=True)
class SequenceStuck:
    """A sender keeps sending numbers that are not expected; someone must bring the two sides together."""

    feed: Public
    refused: int
    expected: int


@dataclass(frozen=True, slots=True)
class AnsweredElsewhere:
    """A message of a shared feed was accepted by another daemon before; its answer was given again."""

    feed: Public
