"""What goes into the spool and what comes out. Values only; none of them shows what it holds.

Tuples, because some are made for each message and a frozen dataclass costs three times as much to make.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from daemon.hl7listener.finding import Finding
from daemon.public import Public


class Arrival(NamedTuple):
    """A judged block and the answer it will get once it is stored.

    Attributes:
        peer: the address it came from.
        members: the messages of a batch, each a row of its own beside that of the whole block, stored with it or not at all.
    """

    feed: Public
    received_us: int
    data: bytes
    ack: bytes
    finding: Finding
    peer: str = ""
    members: tuple[Arrival, ...] = ()

    def __repr__(self) -> str:
        """Show nothing of the message."""
        return f"Arrival(feed={self.feed!r})"


class Row(NamedTuple):
    """A message that waits to be handed on.

    Attributes:
        finding: there if it was stored a moment ago.
        is_whole: whether its bytes are what was stored; if not, there are none.
    """

    seq: int
    epoch: str
    feed: Public
    received_us: int
    data: bytes
    finding: Finding | None = None
    is_whole: bool = True

    def __repr__(self) -> str:
        """Show nothing of the message."""
        return f"Row(seq={self.seq}, feed={self.feed!r})"


class Stored(NamedTuple):
    """An arrival is on disk. ``ack`` is what to answer: of a resend, what was answered the first time."""

    seq: int
    ack: bytes
    is_resend: bool = False

    def __repr__(self) -> str:
        """Show nothing of the answer."""
        return f"Stored(seq={self.seq}, is_resend={self.is_resend})"


@dataclass(frozen=True, slots=True)
class NotStored:
    """An arrival is not on disk, or not surely; it must not be acknowledged."""


Done: TypeAlias = Callable[[Stored | NotStored], None]
"""Told on the event loop what became of an arrival."""


def identity_of(feed: str, data: bytes, *, refused_for: str = "") -> int:
    """Give a number equal messages of a feed share, and others practically never; for a unique index of integers.

    A refused block has another identity than an accepted one: judged anew under other settings, it is a new arrival.
    """
    salt = _salt(feed, refused_for)
    return int.from_bytes(hashlib.blake2b(data, digest_size=8, key=salt).digest(), "big", signed=True)


@lru_cache(maxsize=1024)
def _salt(feed: str, refused_for: str) -> bytes:
    return hashlib.blake2b(f"{feed}\n{refused_for}".encode(), digest_size=32).digest()
