"""What a feed accepts, and how and when it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

ACCEPT_S = 30.0
PENDING = 1000


class AckMode(Enum):
    """How messages are acknowledged.

    ``MSH`` decides by MSH-15 and MSH-16 of each message; ``ORIGINAL`` and ``ENHANCED`` insist on one mode;
    ``ALWAYS_AA`` answers AA to everything that is stored, refused content included; ``NONE`` never answers.
    """

    MSH = "msh"
    ORIGINAL = "original"
    ENHANCED = "enhanced"
    ALWAYS_AA = "always-aa"
    NONE = "none"


class AckWhen(Enum):
    """What must have happened before a message is acknowledged for good."""

    STORED = "stored"
    ENQUEUED = "enqueued"
    SUCCEEDED = "succeeded"


class Fallback(Enum):
    """What is answered when that has not happened in time."""

    ACCEPT = "accept"
    ERROR = "error"
    CLOSE = "close"


class AckType(Enum):
    """How MSH-9 of an acknowledgement is written; ``AUTO`` goes by the version of the message."""

    AUTO = "auto"
    PLAIN = "ACK"
    EVENT = "ACK^event"
    FULL = "full"


class NoHeader(Enum):
    """What a block gets that has no header, or none that can be read."""

    ANSWER = "answer"
    SILENCE = "silence"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Answering:
    """What is accepted, and how and when it is answered.

    Attributes:
        processing_ids: what MSH-11.1 may be, ``b""`` for none at all; ``None``: anything.
        versions: what MSH-12.1 may be, ``b""`` for none at all; ``None``: any 2.x, and none at all.
        makes_control_id: whether a message without MSH-10 gets one made from its bytes, instead of being refused.
        refuses_same_id: whether a message is refused that has the sender and control id of another with other content.
        rejects_when_full: whether messages are rejected while the disk is full, instead of not being read.
        deadline_s: how long ``when`` is waited for.
        pending: how many messages may wait for it; beyond that the feed is not read.
        is_shared: whether daemons on other machines have the same feed, and a message both get is enqueued once.
        has_sequence: whether MSH-13 is held to the sequence-number protocol.
        is_simple: whether every answer is known, and final, before its message is stored.
    """

    mode: AckMode = AckMode.MSH
    when: AckWhen = AckWhen.STORED
    deadline_s: float = ACCEPT_S
    fallback: Fallback = Fallback.ACCEPT
    pending: int = PENDING
    ack_type: AckType = AckType.AUTO
    processing_ids: frozenset[bytes] | None = None
    versions: frozenset[bytes] | None = None
    makes_control_id: bool = False
    no_header: NoHeader = NoHeader.ANSWER
    refuses_same_id: bool = False
    rejects_when_full: bool = False
    is_shared: bool = False
    has_sequence: bool = False
    is_simple: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        """Say once what is asked for each message."""
        is_simple = not (self.is_late or self.refuses_same_id or self.has_sequence)
        object.__setattr__(self, "is_simple", is_simple)

    @property
    def is_late(self) -> bool:
        """Say whether the final answer comes after the message is stored."""
        return self.when is not AckWhen.STORED
