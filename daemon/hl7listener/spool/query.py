"""What is asked of the spool, and what is found. Values only; none of them shows what it holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from daemon.hl7listener.judging.verdict import Disposition
from daemon.hl7listener.lanes.parking import COPY, VOID
from daemon.hl7listener.spool.rows import NO_FLAG, Flag


class State(Enum):
    """Where a message stands."""

    WAITING = "waiting"
    ENQUEUED = "enqueued"
    PARKED = "parked"
    QUARANTINED = "quarantined"
    FILTERED = "filtered"
    BATCH = "batch"
    """The block that a batch came in; its messages stand apart."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which messages are wanted; what is empty counts for all.

    Attributes:
        type, event: MSH-9.1 and MSH-9.2.
        application, facility: MSH-3.1 and MSH-4.1.
        code: of the answer, such as ``AA``.
        patient: PID-3.1 of any repetition.
        is_trouble: whether only those are meant that were refused, or could not be handed on.
        since_us, until_us: when they came; the end is not part of it.
    """

    feed: str = ""
    type: str = ""
    event: str = ""
    control_id: str = field(default="", repr=False)
    application: str = ""
    facility: str = ""
    code: str = ""
    peer: str = ""
    patient: str = field(default="", repr=False)
    state: State | None = None
    is_trouble: bool = False
    since_us: int | None = None
    until_us: int | None = None

    @property
    def common(self) -> dict[str, str]:
        """What the sources of the index tell apart."""
        names = ("feed", "type", "event", "application", "facility", "code", "peer")
        return {name: getattr(self, name) for name in names if getattr(self, name)}


class Found(NamedTuple):
    """A stored message without its content."""

    seq: int
    epoch: str
    feed: str
    received_us: int
    state: State
    reason: str
    peer: str
    type: str
    event: str
    control_id: str
    application: str
    facility: str
    version: str
    code: str
    size_bytes: int
    flags: Flag = NO_FLAG
    origin_seq: int = 0
    is_whole: bool = True
    is_answer_pending: bool = False

    def __repr__(self) -> str:
        """Show nothing of the message."""
        return f"Found(seq={self.seq}, feed={self.feed!r}, state={self.state})"


class Page(NamedTuple):
    """What was found, the newest first. ``next_before`` asks for more; ``None`` at the end."""

    found: list[Found]
    next_before: int | None


class StoredMessage(NamedTuple):
    """A stored message and its answer, as they stand."""

    found: Found
    data: bytes
    ack: bytes

    def __repr__(self) -> str:
        """Show nothing of the message."""
        return f"StoredMessage(seq={self.found.seq})"


def state_of(disposition: int, seq: int, cursor: int, parked_reason: str | None) -> State:
    """Say where a message stands."""
    if disposition == Disposition.QUARANTINED.value:
        return State.QUARANTINED
    if disposition == Disposition.FILTERED.value:
        return State.FILTERED
    if parked_reason in VOID:
        return State.FILTERED if parked_reason == COPY else State.ENQUEUED
    if disposition != Disposition.ROUTED.value or parked_reason is not None:
        return State.PARKED
    return State.ENQUEUED if seq <= cursor else State.WAITING
