"""Keys of ``[feed.NAME.watch]``: when people are told that something is wrong with a feed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from daemon.settings.section import Section
from daemon.settings.values import Duration, parse_duration_s, wrong

LEARNED, OFF = "learned", "off"


def _silence(value: Any) -> float | str:
    if value in (LEARNED, OFF):
        return str(value)
    try:
        return parse_duration_s(value)
    except ValueError:
        raise wrong("not a silence", 'write "30m", "learned", or "off"') from None


class FeedWatchSection(Section):
    """``[feed.NAME.watch]``."""

    silence: Annotated[float | Literal["learned", "off"], PlainValidator(_silence)] = "learned"
    refused: float = Field(default=0.05, gt=0, le=1)
    slow_ack: Duration = 1.0
    backlog: Duration = 300.0


class WatchingKeys(Section):
    """What is watched, and when an alarm is due."""

    watch: FeedWatchSection = FeedWatchSection()
