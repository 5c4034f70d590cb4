"""What goes into the spool and what comes out. Values only; none of them shows what it holds.

Tuples, because some are made for each message and a frozen dataclass costs three times as much to make.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntFlag
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from daemon.hl7listener.judging.finding import Finding
from daemon.hl7listener.text.header import Header
from daemon.public import Public

CONTENT_BITS = 32
"""The lower half of an identity tells contents apart, the upper half senders and control ids."""

_CONTENT = (1 << CONTENT_BITS) - 1
_SIGN = 1 << 63


class Flag(IntFlag):
    """What else is known of a stored message."""

    REUSED_ID = 1
    """Its sender used its control id before, for another content."""
    DAMAGED_CHARSET = 2
    """Some of its bytes are not in its character set."""
    CARRIER = 4
    """It is a batch; its messages are rows of their own."""
    MEMBER = 8
    """It came in a batch, whose row is its origin."""
    MADE_ID = 16
    """It came without a control id."""
    REPLAY = 32
    """It is a copy of its origin, made by hand."""


NO_FLAG = Flag(0)


class SequenceNumber(NamedTuple):
    """The number of a message in the sequence number protocol, and whose count it is.

    Attributes:
        after: the number it follows; its message is stored only if that is the last one of its sender (``None``: if there is none).
    """

    sender: str
    number: int
    after: int | None = None


class Arrival(NamedTuple):
    """A judged block and the answer it will get once it is stored.

    Attributes:
        peer: the address it came from.
        members: the messages of a batch, each a row of its own beside that of the whole block, stored with it or not at all.
        sequence: kept as the last one of its sender, in the commit that stores the message.
        pending: what is needed to find the final answer after a restart, without anything of the message; empty if ``ack``
            is final.
        ack_if_reused: what is answered, and the message refused, if its control id is known with other content; empty if
            it is stored and flagged.
        origin_seq: of a replay, the message it repeats.
    """

    feed: Public
    received_us: int
    data: bytes
    ack: bytes
    finding: Finding
    peer: str = ""
    members: tuple[Arrival, ...] = ()
    flags: Flag = NO_FLAG
    sequence: SequenceNumber | None = None
    pending: str = ""
    ack_if_reused: bytes = b""
    origin_seq: int = 0

    def __repr__(self) -> str:
        """Show nothing of the message."""
        return f"Arrival(feed={self.feed!r})"


class Row(NamedTuple):
    """A message that waits to be handed on.

    Attributes:
        finding: there if it was stored a moment ago.
        is_whole: whether its bytes are what was stored; if not, there are none.
        origin_seq: the batch it came in, or the message it was made from by hand; 0 if neither.
    """

    seq: int
    epoch: str
    feed: Public
    received_us: int
    data: bytes
    finding: Finding | None = None
    is_whole: bool = True
    origin_seq: int = 0

    def __repr__(self) -> str:
        """Show nothing of the message."""
        return f"Row(seq={self.seq}, feed={self.feed!r})"


class Pending(NamedTuple):
    """A stored message whose final answer is still to come. ``note`` is what its arrival left; ``ack`` what was answered so far."""

    seq: int
    received_us: int
    note: str
    data: bytes
    ack: bytes

    def __repr__(self) -> str:
        """Show nothing of the message."""
        return f"Pending(seq={self.seq})"


class Stored(NamedTuple):
    """An arrival is on disk. ``ack`` is what to answer: of a resend, what was answered the first time.

    Attributes:
        is_reused: its control id is known with other content.
        is_pending: it is the resend of a message whose final answer is still to come.
    """

    seq: int
    ack: bytes
    is_resend: bool = False
    is_reused: bool = False
    is_pending: bool = False

    def __repr__(self) -> str:
        """Show nothing of the answer."""
        return f"Stored(seq={self.seq}, is_resend={self.is_resend})"


class WhyNot(Enum):
    """Why an arrival is not on disk."""

    FAILED = "spool-failed"
    FULL = "disk-full"
    CLOSED = "spool-not-open"


@dataclass(frozen=True, slots=True)
class NotStored:
    """An arrival is not on disk, or not surely; it must not be acknowledged."""

    why: WhyNot = WhyNot.FAILED


Done: TypeAlias = Callable[[Stored | NotStored], None]
"""Told on the event loop what became of an arrival."""


def identity_of(feed: str, data: bytes, header: Header | None, *, salt: str = "") -> int:
    """Give a number equal messages of a feed share, and others practically never; for a unique index of integers.

    Messages with the same MSH-3, MSH-4 and MSH-10 differ in its lower half only, so that the index finds a control id that
    is used again. ``salt`` sets apart what must not meet: a block that was refused is a new arrival when it is judged anew.
    """
    key, seed = _key(feed, salt)
    identity = int.from_bytes(hashlib.blake2b(data, digest_size=8, person=key).digest(), "big")
    if header is not None:
        fields = header.fields
        if fields[8]:  # a sum will do: a control id that seems to be used again is looked at
            sender = zlib.crc32(b"\0".join((fields[1], fields[2], fields[8])), seed)
            identity = (sender << CONTENT_BITS) | (identity & _CONTENT)
    return identity - _SIGN


@lru_cache(maxsize=1024)
def _key(feed: str, salt: str) -> tuple[bytes, int]:
    key = hashlib.blake2b(f"{feed}\n{salt}".encode(), digest_size=16).digest()
    return key, int.from_bytes(key[:4], "big")
