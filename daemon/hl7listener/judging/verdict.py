"""What can be said of a block: what happens to it, how its sender is answered, why, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Disposition(Enum):
    """What happens to a stored block."""

    ROUTED = 1
    """It becomes a task."""
    PARKED = 2
    """It is kept; no route wants it."""
    QUARANTINED = 3
    """It is refused, and kept for whoever looks into it."""
    FILTERED = 4
    """It is kept; a route says that nothing is to be done with it."""


class Verdict(Enum):
    """How the sender is answered (HL7 table 0008, the letter after A or C)."""

    ACCEPT = "A"
    ERROR = "E"
    REJECT = "R"
    SILENT = ""


class Reason(Enum):
    """Why a block was not routed; kept with it."""

    EMPTY = "empty-block"
    NO_MSH = "no-msh"
    DELIMITERS = "bad-delimiters"
    NO_CONTROL_ID = "no-control-id"
    VERSION = "version-not-2"
    CHARSET = "not-in-its-charset"
    CHARSET_UNSUPPORTED = "charset-not-supported"
    TOO_LARGE = "over-the-limit"
    TYPE = "type-not-routed"
    EVENT = "event-not-routed"
    CONTENT = "content-not-routed"
    FILTERED = "filtered"
    ACKNOWLEDGEMENT = "is-an-acknowledgement"
    PROCESSING_ID = "processing-id-not-taken"
    SENDER = "sender-not-permitted"
    REUSED = "control-id-reused"
    SEQUENCE = "out-of-sequence"
    FRAMING = "framing-not-strict"
    UNFINISHED = "block-not-completed"
    PAUSED = "feed-paused"
    BATCH = "batch"
    BATCH_COUNT = "batch-count-wrong"
    BATCH_CUT = "batch-not-cut"
    BATCH_LIMIT = "batch-over-the-limit"


@dataclass(frozen=True, slots=True)
class Hl7Error:
    """An error as ERR carries it: a code of table 0357, its text, and where it is (segment, field), if anywhere.

    Attributes:
        note: for whoever reads the answer, where the text of the table says too little; our own words, never a value.
    """

    code: int
    text: str
    segment: str = ""
    field: int = 0
    note: str = ""
