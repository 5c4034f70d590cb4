"""One inbound HL7 interface, as the listener works with it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from daemon.hl7listener.routing import Route
from daemon.public import Public
from daemon.settings.values import Address


class AckMode(Enum):
    """How messages are acknowledged.

    ``MSH`` decides by MSH-15 and MSH-16 of each message; ``ORIGINAL`` and ``ENHANCED`` insist on one mode;
    ``ALWAYS_AA`` answers AA to everything that is stored, refused content included; ``NONE`` never answers.
    """

    MSH = "msh"
    ORIGINAL = "original"
    ENHANCED = "enhanced"
    ALWAYS_AA = "always-aa"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one feed, and one connection of it, may use."""

    frame_bytes: int = 16 * 1024 * 1024
    connections: int = 64
    idle_s: float = 86_400.0
    frame_s: float = 30.0
    write_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed.

    Attributes:
        parks_unrouted: whether messages no route matches are accepted and kept, instead of rejected.
        charset: Python codec for messages that declare none and are not UTF-8.
    """

    name: Public
    listen: Address
    routes: tuple[Route, ...]
    ack: AckMode = AckMode.MSH
    parks_unrouted: bool = False
    charset: str = "cp1252"
    limits: Limits = Limits()
