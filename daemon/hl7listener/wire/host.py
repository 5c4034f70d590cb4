"""What a connection needs of its feed."""

from __future__ import annotations

from enum import Enum
from typing import Any, Protocol

from daemon.clock import Clock
from daemon.hl7listener.ack.answers import Waiting
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.judging.verdict import Reason
from daemon.hl7listener.peers.identity import Identity, Transport
from daemon.hl7listener.spool import Arrival, Stored
from daemon.hl7listener.spool.rows import Done
from daemon.hl7listener.wire.report import Habits
from daemon.hl7listener.wire.taking import Taking
from daemon.ports import Emit, FaultPoint
from daemon.public import Public


class Host(Protocol):
    """What a connection needs of its listener."""

    feed: Feed
    clock: Clock
    emit: Emit
    at: FaultPoint
    taking: Taking
    waiting: Waiting | None
    habits: Habits
    refusing: Reason | None
    """Why every block is refused just now, if it is."""

    def store(self, arrival: Arrival, done: Done) -> None:
        """Pass an arrival to the spool."""
        ...

    def settled(self, arrival: Arrival, answer: Stored, sender: Identity) -> None:
        """Count a block that is stored, and tell what is to be told of it."""
        ...

    def answered(self, code: Public, took_s: float) -> None:
        """Count an answer; ``code`` is empty if none was due."""
        ...

    def may_read(self, connection: Any) -> bool:
        """Say whether a connection may be read."""
        ...

    def hold(self, delta_bytes: int) -> bool:
        """Account for bytes held in memory; say whether there is still room."""
        ...

    def opened(self, connection: Any, *, is_open: bool) -> None:
        """Note that a connection has an unfinished block, or has it no more."""
        ...

    def deviated(self, connection: Any, kind: Enum, count: int, opening: bytes = b"") -> None:
        """Note that a sender strays; ``opening`` is how its stream began, if that is no MLLP."""
        ...

    def joined(self, connection: Any, transport: Transport) -> Identity | None:
        """Admit a connection and say who it is; ``None`` if it is refused."""
        ...

    def left(self, connection: Any, reason: Enum, opening: bytes) -> None:
        """Forget a connection; ``opening`` is what came before its first block."""
        ...
