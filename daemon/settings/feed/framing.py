"""Keys of ``[feed.NAME]`` about blocks and connections: how bytes become blocks, and what a sender may use up."""

from __future__ import annotations

from pydantic import Field, field_validator

from daemon.settings.section import Section
from daemon.settings.values import Duration, Size, wrong

SMALLEST_FRAME_LIMIT_BYTES = 1024
LARGEST_FRAME_LIMIT_BYTES = 32 * 1024 * 1024
"""A task's message holds the text and the bytes of an HL7 message, and may have 128 MiB in all."""


class FramingKeys(Section):
    """How bytes become blocks, and what a sender may use up."""

    frame_limit: Size = 16 * 1024 * 1024
    connections: int = Field(default=64, ge=1, le=10_000)
    idle_timeout: Duration = 86_400.0
    frame_timeout: Duration = 30.0
    write_timeout: Duration = 60.0

    @field_validator("frame_limit")
    @classmethod
    def _holds_a_message(cls, value: int) -> int:
        if value < SMALLEST_FRAME_LIMIT_BYTES:
            raise wrong("no message would fit", 'write at least "1KiB"; the default is "16MiB"')
        if value > LARGEST_FRAME_LIMIT_BYTES:
            raise wrong("larger messages could be stored and not be handed on", 'write at most "32MiB"')
        return value
