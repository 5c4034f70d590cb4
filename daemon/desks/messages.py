"""What the API and the commands need of stored messages: a protocol, and the values that pass through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from daemon.public import Public


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


class MessageDesk(Protocol):
    """Stored messages, handed on once more."""

    async def replay(self, replay: Replay, who: Public) -> Replayed:
        """Store messages anew, as they came; each becomes a task of its own.

        Raises:
            NotThere: there is no such feed.
            NotNow: nothing can be stored at present.
        """
        ...

    async def release(self, sequences: Sequence[int], who: Public) -> Replayed:
        """Hand parked messages on once more.

        Raises:
            NotNow: nothing can be stored at present.
        """
        ...
