"""Keys of ``[feed.NAME]`` about blocks and connections: how bytes become blocks, and what a sender may use up."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from daemon.settings.section import Section
from daemon.settings.values import Duration, Size, wrong

SMALLEST_FRAME_LIMIT_BYTES = 1024
LARGEST_FRAME_LIMIT_BYTES = 32 * 1024 * 1024
"""A task's message holds the text and the bytes of an HL7 message, and may have 128 MiB in all."""
LONGEST_GRACE_S = 30.0
SMALLEST_IN_FLIGHT_BYTES = 1024 * 1024


class FramingKeys(Section):
    """How bytes become blocks, and what a sender may use up."""

    framing: Literal["lenient", "strict"] = "lenient"
    frame_grace: Duration = 0.5
    frame_limit: Size = 16 * 1024 * 1024
    connections: int = Field(default=64, ge=1, le=10_000)
    connections_per_peer: int | None = Field(default=None, ge=1, le=10_000)
    in_flight: Size = 64 * 1024 * 1024
    idle_timeout: Duration = 86_400.0
    frame_timeout: Duration = 30.0
    write_timeout: Duration = 60.0
    min_rate: Size = 64
    mllp_release: Literal[1, 2] = 1

    @field_validator("frame_limit")
    @classmethod
    def _holds_a_message(cls, value: int) -> int:
        if value < SMALLEST_FRAME_LIMIT_BYTES:
            raise wrong("no message would fit", 'write at least "1KiB"; the default is "16MiB"')
        if value > LARGEST_FRAME_LIMIT_BYTES:
            raise wrong("larger messages could be stored and not be handed on", 'write at most "32MiB"')
        return value

    @field_validator("frame_grace")
    @classmethod
    def _is_short(cls, value: float) -> float:
        if value > LONGEST_GRACE_S:
            raise wrong("a sender would have given up by then", 'write at most "30s"; the default is "500ms"')
        return value

    @field_validator("in_flight")
    @classmethod
    def _has_room(cls, value: int) -> int:
        if value < SMALLEST_IN_FLIGHT_BYTES:
            raise wrong("too little for a feed", 'write at least "1MiB"; the default is "64MiB"')
        return value
