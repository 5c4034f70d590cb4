"""How a feed reads the content of its messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from enum import Enum

from daemon.hl7listener.text.segments import SegmentEnd


class BatchReply(Enum):
    """What answers a batch: a batch of all acknowledgements, of those that refuse, or nothing."""

    ALL = "all"
    ERRORS = "errors"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Content:
    """How content is read.

    Attributes:
        charset: Python codec for messages that declare none and are not UTF-8.
        is_forced: whether it counts whatever a message declares.
        keeps_damaged: whether a message with bytes that are no text is taken, with these bytes shown as escape sequences.
        zone: of time stamps without an offset, in messages without one in MSH-7.
        batch_limit: how many messages of a batch are taken; they are judged in one go, before anything else of the feed.
        end: what ends a segment.
    """

    charset: str = "cp1252"
    is_forced: bool = False
    keeps_damaged: bool = False
    zone: tzinfo | None = None
    batch_reply: BatchReply = BatchReply.ALL
    batch_limit: int = 10_000
    end: SegmentEnd = SegmentEnd.AUTO
