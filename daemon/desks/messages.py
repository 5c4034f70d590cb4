"""What the API and the commands need of stored messages: a protocol, and the values that pass through it.

Values show headers, sizes and states; only ``Revealed`` and ``Exported`` hold contents, and both are given on the record alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from daemon.desks.by import By
from daemon.public import Public


class MessageState(Enum):
    """Where a message stands."""

    WAITING = "waiting"
    ENQUEUED = "enqueued"
    PARKED = "parked"
    QUARANTINED = "quarantined"
    FILTERED = "filtered"
    BATCH = "batch"
    """The block that a batch came in; its messages stand apart."""


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages are wanted; what is empty counts for all.

    Attributes:
        errors_only: those that were refused, or could not be handed on.
        patient: PID-3.1 of any repetition.
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
    state: MessageState | None = None
    errors_only: bool = False
    since_us: int | None = None
    until_us: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class MessageRow:
    """A message in one line: what its header says of itself, never what is in it.

    Attributes:
        code: of the answer.
        origin: the batch it came in, or the message it repeats; 0 if neither.
        is_whole: whether its bytes are what was stored.
        task_id: of its first task; empty if it becomes none.
    """

    sequence: int
    received_us: int
    feed: str
    type: str
    event: str
    control_id: str
    application: str
    facility: str
    version: str
    size_bytes: int
    state: MessageState
    reason: str
    code: str
    flags: Sequence[str]
    origin: int
    is_whole: bool
    is_answer_pending: bool
    peer: str
    task_id: str

    def __repr__(self) -> str:
        """Show nothing of the message."""
        return f"MessageRow(sequence={self.sequence}, feed={self.feed!r}, state={self.state})"


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages, the newest first. ``next_before`` asks for more: the search is bounded, so a page may be short and not the last."""

    rows: Sequence[MessageRow]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class HeaderField:
    """A field of the header that names systems, not people."""

    field: Public
    value: str


@dataclass(frozen=True, slots=True)
class FieldShape:
    """The outline of a field that is not empty."""

    number: int
    size_bytes: int
    repetitions: int
    components: int


@dataclass(frozen=True, slots=True)
class SegmentShape:
    """The outline of a segment. ``name`` is ``?`` if it is none that is known: then it may be anything."""

    name: Public
    size_bytes: int
    fields: Sequence[FieldShape]


@dataclass(frozen=True, slots=True)
class AnswerShape:
    """What an answer said: its codes, and the outline of the rest."""

    codes: Sequence[Public]
    size_bytes: int
    segments: Sequence[SegmentShape]


@dataclass(frozen=True, slots=True)
class MessageTask:
    """A task that a message becomes."""

    task_id: str
    route: Public
    name: Public
    queue: Public | None


@dataclass(frozen=True, slots=True)
class CopyRow:
    """A message made of another: one of a batch, or by hand."""

    sequence: int
    received_us: int
    state: MessageState
    is_replay: bool


@dataclass(frozen=True, slots=True)
class MessageDetail:
    """All that may be shown of a message.

    Attributes:
        segments_left_out: how many more there are.
        entries: those of the schedule that it rings.
    """

    row: MessageRow
    header: Sequence[HeaderField]
    segments: Sequence[SegmentShape]
    segments_left_out: int
    answer: AnswerShape
    tasks: Sequence[MessageTask]
    entries: Sequence[Public]
    copies: Sequence[CopyRow]


@dataclass(frozen=True, slots=True)
class Revealed:
    """Contents, after it was written down who sees them.

    Attributes:
        values: at the places a path names, in order; ``None`` where there is nothing.
        segments: the message or its answer, a segment each, where all of it was asked for.
        raw: the same as it came.
    """

    sequence: int
    scope: Public
    values: Sequence[str | None] = field(default=(), repr=False)
    segments: Sequence[str] = field(default=(), repr=False)
    raw: bytes = field(default=b"", repr=False)


class ExportForm(Enum):
    """How exported messages are written."""

    MLLP = "mllp"
    """The blocks as they are sent."""
    PLAIN = "plain"
    JSONL = "jsonl"
    """An object a line, with ``raw_b64``."""


@dataclass(frozen=True, slots=True)
class Exported:
    """Messages as a file, and how many could not be written so."""

    content: bytes = field(repr=False)
    count: int
    left_out: int


@dataclass(frozen=True, slots=True)
class Replay:
    """Have stored messages handed on once more.

    Attributes:
        sequences: of the messages, at most 1,000, in the order in which they are to be handed on.
        to_feed: whose routes judge them; ``None``: of the feed each came in by.
        is_deidentified: whether what could name a patient is replaced first; needs ``to_feed``.
    """

    sequences: Sequence[int]
    to_feed: str | None = None
    is_deidentified: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a replay: new sequence numbers by old ones, and why others were left out."""

    stored: Mapping[int, int]
    left_out: Mapping[int, Public]


class MessageArchive(Protocol):
    """Stored messages: found, shown, given. Every question raises ``Unavailable`` if the spool cannot be read."""

    async def find(self, wanted: MessageFilter, *, before: int | None, limit: int) -> MessagePage:
        """Find messages, the newest first."""
        ...

    async def find_patient(
        self, wanted: MessageFilter, by: By, reason: Public, *, before: int | None, limit: int
    ) -> MessagePage:
        """Find the messages of one patient, after it was written down who looks.

        Raises:
            AuditFailed: it could not be written down.
        """
        ...

    async def rows(self, sequences: Collection[int]) -> list[MessageRow]:
        """Give messages by their numbers; those that are not there are missing."""
        ...

    async def show(self, sequence: int) -> MessageDetail:
        """Describe one message.

        Raises:
            NotThere: there is no such message.
        """
        ...

    async def reveal(self, sequence: int, scope: str, by: By, reason: Public) -> Revealed:
        """Give a field (``PID-3``), the whole message (``whole``) or its answer (``answer``), after it was written down who sees it.

        Raises:
            NotThere: there is no such message.
            DeskRefused: the scope is none of these, or the message is damaged or cannot be read.
            AuditFailed: it could not be written down; nothing is given.
        """
        ...

    async def export(
        self, sequences: Sequence[int], form: ExportForm, by: By, reason: Public, *, is_deidentified: bool
    ) -> Exported:
        """Write messages into a file, after it was written down who takes them.

        Raises:
            DeskRefused: they are too large together.
            AuditFailed: it could not be written down; nothing is given.
        """
        ...


class MessageDesk(Protocol):
    """Stored messages, handed on once more."""

    async def replay(self, replay: Replay, by: By) -> Replayed:
        """Store messages anew, as they came; each becomes a task of its own.

        Raises:
            NotThere: there is no such feed.
            NotNow: nothing can be stored at present.
            AuditFailed: it could not be written down; nothing was done.
        """
        ...

    async def release(self, sequences: Sequence[int], by: By, reason: Public) -> Replayed:
        """Hand parked messages on once more.

        Raises:
            NotNow: nothing can be stored at present.
            AuditFailed: it could not be written down; nothing was done.
        """
        ...


@dataclass(frozen=True, slots=True)
class TaskSeen:
    """What is known of a task of a message; instants are ``None`` where no event told them."""

    state: Public
    worker: Public | None = None
    received_us: int | None = None
    started_us: int | None = None
    ended_us: int | None = None


class TaskStates(Protocol):
    """Where tasks stand."""

    async def seen(self, task_ids: Sequence[str]) -> Mapping[str, TaskSeen]:
        """Say what is known of tasks, within a few seconds; never fails, for the broker may be away."""
        ...
