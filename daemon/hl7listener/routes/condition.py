"""Which messages a route is for: types, events, values at paths, and a share of them. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

from daemon.hl7listener.routes.words import ANY, Words
from daemon.hl7listener.text.header import Header
from daemon.hl7listener.text.message import Message
from daemon.hl7listener.text.path import Hl7Path

SHARES = 1 << 32


class ValueTest(NamedTuple):
    """What stands at a path, an absent value being empty, is among words; or, if ``is_wanted`` is false, is not."""

    path: Hl7Path
    words: Words
    is_wanted: bool = True

    def holds(self, message: Message) -> bool:
        """Ask a message; of a path to several places it is enough that one value is among the words."""
        found = message.get_all(self.path) if self.path.is_many else [message.get(self.path)]
        return any(self.words.match(value or "") for value in found or [None]) is self.is_wanted


class Evidence:
    """A message as conditions look at it; what none of them asks for is never made."""

    __slots__ = ("_data", "_header", "_message", "_share", "_text")

    def __init__(self, header: Header, text: str, data: bytes) -> None:
        """Keep what is there: the header, the decoded text, the bytes."""
        self._header = header
        self._text = text
        self._data = data
        self._message: Message | None = None
        self._share: int | None = None

    @property
    def message(self) -> Message:
        """The message, for values at paths."""
        if self._message is None:
            self._message = Message(self._text, self._header.delimiters)
        return self._message

    @property
    def share(self) -> int:
        """A number below ``SHARES``: of equal messages the same, over all messages even."""
        if self._share is None:
            self._share = int.from_bytes(hashlib.blake2b(self._data, digest_size=4).digest(), "big")
        return self._share


@dataclass(frozen=True, slots=True)
class Condition:
    """What a message must be.

    Attributes:
        types, events: MSH-9.1 and MSH-9.2.
        tests: all of which must hold.
        below: messages whose share is below it; ``None`` for all.
    """

    types: Words = ANY
    events: Words = ANY
    tests: tuple[ValueTest, ...] = ()
    below: int | None = None

    def holds_inside(self, evidence: Evidence) -> bool:
        """Say whether a message of a right type and event is one."""
        if self.below is not None and evidence.share >= self.below:
            return False
        return all(test.holds(evidence.message) for test in self.tests)


ALWAYS = Condition()
