"""How a feed's bytes become blocks, and what its senders may use up."""

from __future__ import annotations

from dataclasses import dataclass

CONNECTIONS_PER_PEER = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What one feed, and one connection of it, may use.

    Attributes:
        connections_per_peer: from one address; ``None`` is the usual number, and any number from this machine, where a TLS
            terminator or a proxy may stand in front.
        min_rate_bytes: what must come each second while a block is open, measured over ten seconds; 0 asks for nothing.
        in_flight_bytes: what the feed's open blocks and those that wait for the disk may hold in memory before most of its
            connections are not read for a while.
    """

    frame_bytes: int = 16 * 1024 * 1024
    connections: int = 64
    connections_per_peer: int | None = None
    idle_s: float = 86_400.0
    frame_s: float = 30.0
    write_s: float = 60.0
    min_rate_bytes: int = 64
    in_flight_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Framing:
    """How bytes become blocks.

    Attributes:
        is_strict: whether what strays from the standard is refused instead of understood.
        grace_s: how long an FS waits for its CR before it ends the block all the same; lenient feeds only.
        release: of MLLP, 1 or 2; with 2 each block is answered with a commit block first.
    """

    limits: Limits = Limits()
    is_strict: bool = False
    grace_s: float = 0.5
    release: int = 1
