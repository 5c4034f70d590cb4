"""A time in which events may have been missed."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Gap(NamedTuple):
    """What happened meanwhile is known only as far as later events tell.

    Attributes:
        began_at: the last instant at which something arrived; from then on nothing is sure.
        ended_at: when the server confirmed that it listens again; ``None`` while it does not.
        reason: what the cause was, for people.
    """

    began_at: datetime
    ended_at: datetime | None
    reason: str
