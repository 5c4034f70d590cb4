"""The sequence-number protocol (HL7 v2.5 chapter 2, 2.10.1): MSH-13 counts, and what is out of turn is not processed.

The count of a sender (MSH-3 and MSH-4) goes up by one with each message. ``0`` begins a link: such a message is taken outside
the count, and MSA-4 tells what comes next. ``-1`` forgets the count: the next number is taken whatever it is. Where nothing is
known of a sender, its first number is taken as it is, and MSA-4 is ``-1``. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from hashlib import blake2b
from typing import NamedTuple

from daemon.hl7listener.text.header import Header

LARGEST = 10**15 - 1
"""Fifteen digits is what a number of HL7 may have; after it comes 1."""

BEGIN, FORGET, ANY = 0, -1, -1
_LONGEST = 16


class Turn(Enum):
    """How a number stands to the count."""

    NEXT = "next"
    BEGINS = "begins"
    FORGETS = "forgets"
    REPEATED = "repeated"
    GAP = "gap"
    NO_NUMBER = "no-number"

    @property
    def is_taken(self) -> bool:
        """Say whether a message with such a number is processed."""
        return self in (Turn.NEXT, Turn.BEGINS, Turn.FORGETS)


class Step(NamedTuple):
    """A number judged.

    Attributes:
        last: the count afterwards: the last number accepted, ``None`` if none is known.
        expected: what MSA-4 says: the number that comes next, or ``-1``: any.
    """

    turn: Turn
    last: int | None
    expected: int


def step(count: int | None, number: int | None) -> Step:
    """Judge the number of a message by the count of its sender; ``None`` is a number that could not be read."""
    expected = next_of(count)
    if number is None:
        return Step(Turn.NO_NUMBER, count, expected)
    if number == BEGIN:
        return Step(Turn.BEGINS, count, expected)
    if number == FORGET:
        return Step(Turn.FORGETS, None, ANY)
    if count is None or number == expected:
        return Step(Turn.NEXT, number, next_of(number))
    return Step(Turn.REPEATED if number <= count else Turn.GAP, count, expected)


def next_of(count: int | None) -> int:
    """Give the number that comes after a count; ``-1``, any, if there is none."""
    if count is None or count == FORGET:
        return ANY
    return 1 if count >= LARGEST else count + 1


def read_number(header: Header) -> int | None:
    """Read MSH-13; ``None`` if it is empty or no such number."""
    text = header.raw(13).strip()
    digits = text[1:] if text[:1] in (b"-", b"+") else text
    if len(text) > _LONGEST or not digits.isdigit():
        return None
    number = int(text)
    return number if FORGET <= number <= LARGEST else None


def sender_of(header: Header) -> str:
    """Give a name to the sender, of MSH-3 and MSH-4; nothing can be read from it."""
    name = header.raw(3) + b"\n" + header.raw(4)
    return blake2b(name, digest_size=16).hexdigest()


class Counts:
    """The counts of a feed's senders, as they will be once everything that is on its way to the disk is there."""

    def __init__(self, stored: Mapping[str, int]) -> None:
        """Begin with what the disk says; a count of ``-1`` has been forgotten."""
        self._stored = dict(stored)
        self._known = dict(stored)

    def take(self, sender: str, number: int | None) -> tuple[Step, int | None]:
        """Judge the next message of a sender and go on; give also what the disk must say before this step is written."""
        before = self._known.get(sender)
        found = step(None if before == FORGET else before, number)
        if found.turn in (Turn.NEXT, Turn.FORGETS):
            self._known[sender] = FORGET if found.last is None else found.last
        return found, before

    def confirm(self, sender: str, count: int) -> None:
        """A count is on disk."""
        self._stored[sender] = count

    def fall_back(self, sender: str) -> None:
        """Something was not stored: go on from what is on disk."""
        stored = self._stored.get(sender)
        if stored is None:
            self._known.pop(sender, None)
        else:
            self._known[sender] = stored
