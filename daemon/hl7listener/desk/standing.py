"""What a feed does, in one word, and why. Pure."""

from __future__ import annotations

from typing import NamedTuple

from daemon.desks import FeedState, Pause
from daemon.public import Public


class Circumstances(NamedTuple):
    """What decides the word.

    Attributes:
        pause: if it is paused.
        is_open: whether its sockets listen, or its connection out is wanted.
        is_accepting: whether messages can be stored.
        quiet_why, refusing_why: what the watch found, if it found something.
        has_received: whether a message was answered since the start.
    """

    pause: Pause | None
    is_open: bool
    is_accepting: bool
    quiet_why: Public | None
    refusing_why: Public | None
    has_received: bool


def standing(found: Circumstances) -> tuple[FeedState, Public | None]:
    """Give the word, and the reason where it is not as it should be; the gravest first."""
    if found.pause is not None:
        return FeedState.PAUSED, Public(f"paused by {found.pause.who}")
    if not found.is_open:
        return FeedState.DOWN, Public("it does not listen; the log says why")
    if not found.is_accepting:
        return FeedState.WITHHOLDING, Public("nothing can be stored, so nothing is read; look at the disk")
    if found.refusing_why is not None:
        return FeedState.REFUSING, found.refusing_why
    if found.quiet_why is not None:
        return FeedState.QUIET, found.quiet_why
    return (FeedState.RECEIVING if found.has_received else FeedState.LISTENING), None
