"""Keys of ``[feed.NAME]`` about what is in a message: character sets, times, batches."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from daemon.public import Public
from daemon.settings.section import Section
from daemon.settings.values import Label, Zone


class ContentKeys(Section):
    """How the content of messages is read."""

    charset: Label = Public("cp1252")
    charset_force: bool = False
    charset_invalid: Literal["refuse", "keep"] = "refuse"
    segment_end: Literal["auto", "cr", "lf", "any"] = "auto"
    timezone: Zone | None = None
    batch_reply: Literal["all", "errors", "none"] = "all"
    batch_limit: int = Field(default=10_000, ge=1, le=100_000)
