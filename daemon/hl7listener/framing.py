"""How a feed's bytes become blocks, and what its senders may use up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one feed, and one connection of it, may use."""

    frame_bytes: int = 16 * 1024 * 1024
    connections: int = 64
    idle_s: float = 86_400.0
    frame_s: float = 30.0
    write_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Framing:
    """How bytes become blocks."""

    limits: Limits = Limits()
