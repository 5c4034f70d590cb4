"""What a feed's lane tells whoever waits for its messages to be handed on, and asks before it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from daemon.hl7listener.spool.rows import Row


class Handover(Protocol):
    """Is told how far a lane has come."""

    def enqueued(self, cursor: int) -> None:
        """Take note that everything up to ``cursor`` has been handed on, or told as parked before."""
        ...

    def parked(self, seq: int) -> None:
        """Take note that a message cannot be handed on."""
        ...

    async def owned_elsewhere(self, rows: Sequence[Row]) -> frozenset[int]:
        """Give the numbers of messages that another daemon enqueues.

        Raises:
            BrokerDown: that is not known.
        """
        ...
