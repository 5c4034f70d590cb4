"""From a feed's keys to how its bytes become blocks."""

from __future__ import annotations

from daemon.hl7listener.framing import Framing, Limits
from daemon.settings import Problem
from daemon.settings.feed import FeedSection
from daemon.settings.problems import KeyPath


def read_framing(path: KeyPath, section: FeedSection) -> tuple[Framing, list[Problem]]:
    """Read framing and limits of the feed at ``path``."""
    del path
    limits = Limits(
        frame_bytes=section.frame_limit,
        connections=section.connections,
        idle_s=section.idle_timeout,
        frame_s=section.frame_timeout,
        write_s=section.write_timeout,
    )
    return Framing(limits), []
