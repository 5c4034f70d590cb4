"""When a feed is not as it should be: decided from counts and times. Pure."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from daemon.clock import SECOND_US
from daemon.hl7listener.watching import Watching
from daemon.public import Public

FEWEST = 20
"""A share of fewer messages says nothing."""

SLOW_SHARE = 0.01


class FeedAlarm(Enum):
    """What is wrong with a feed."""

    QUIET = "feed-quiet"
    REFUSING = "feed-refusing"
    SLOW = "feed-acks-slow"
    BACKLOG = "feed-backlog"


class Recent(NamedTuple):
    """A feed's last ten minutes, and how it stands.

    Attributes:
        silent_us: since the last message, or since the feed began to listen.
        usual_us: how long it may be silent now; ``None``: nobody knows yet.
        is_listened: whether its senders could reach it all that time.
    """

    messages: int
    refused: int
    slow: int
    oldest_s: float
    silent_us: int
    usual_us: int | None
    is_listened: bool


def alarms(watching: Watching, recent: Recent) -> dict[FeedAlarm, Public]:
    """Say what is wrong, each with its figures."""
    found: dict[FeedAlarm, Public] = {}
    limit_us = round(watching.silence_s * SECOND_US) if watching.silence_s is not None else None
    if watching.learns_silence:
        limit_us = recent.usual_us
    if limit_us is not None and recent.is_listened and recent.silent_us > limit_us:
        usual = "usual at this hour" if watching.learns_silence else "allowed"
        found[FeedAlarm.QUIET] = Public(
            f"nothing for {_minutes(recent.silent_us)} min, up to {_minutes(limit_us)} min are {usual}"
        )
    if recent.messages >= FEWEST:
        if recent.refused > recent.messages * watching.refused_share:
            found[FeedAlarm.REFUSING] = Public(f"{recent.refused} of the last {recent.messages} messages were refused")
        if recent.slow > recent.messages * SLOW_SHARE:
            text = f"{recent.slow} of the last {recent.messages} answers took more than {watching.slow_ack_s:g} s"
            found[FeedAlarm.SLOW] = Public(text)
    if recent.oldest_s > watching.backlog_s:
        found[FeedAlarm.BACKLOG] = Public(f"the oldest message has waited for {recent.oldest_s / 60:.0f} min")
    return found


def _minutes(span_us: int) -> int:
    return span_us // (60 * SECOND_US)
