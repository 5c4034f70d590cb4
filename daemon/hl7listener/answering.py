"""What a feed accepts, and how and when it answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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
class Answering:
    """What is accepted, and how and when it is answered."""

    mode: AckMode = AckMode.MSH
