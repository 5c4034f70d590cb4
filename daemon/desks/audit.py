"""What the API asks of the audit trail: a protocol, and records as they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DeedRow:
    """A record of the trail: who did what to what, from where, why, and what it was before and after."""

    n: int
    at: datetime | None
    kind: str
    outcome: str
    who: str
    role: str
    address: str
    about: str
    reason: str
    note: str
    count: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class DeedChoice:
    """Which records are meant; what is empty leaves out nothing. Bounds in microseconds since the epoch."""

    since_us: int | None = None
    until_us: int | None = None
    who: str = ""
    kinds: frozenset[str] = frozenset()
    about: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class FlawRow:
    """Where the chain of hashes is broken."""

    file: str
    line: int
    what: str


@dataclass(frozen=True, slots=True)
class TrailStatus:
    """Whether the trail is whole: every record what its hash says, and following the one before."""

    is_whole: bool
    records: int
    first: int
    head: str
    flaws: Sequence[FlawRow]
    checked_at: datetime


class AuditDesk(Protocol):
    """The audit trail, to be looked at."""

    async def records(self, choice: DeedChoice, limit: int, before: int | None) -> list[DeedRow]:
        """Give records, the newest first; ``before``: older than the one of this number.

        Raises:
            Unavailable: the trail cannot be read.
        """
        ...

    async def status(self) -> TrailStatus:
        """Follow the chain.

        Raises:
            Unavailable: the trail cannot be read.
        """
        ...
