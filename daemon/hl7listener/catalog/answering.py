"""From a feed's keys to what it accepts and how it answers."""

from __future__ import annotations

from daemon.hl7listener.answering import AckMode, Answering
from daemon.settings import Problem
from daemon.settings.feed import FeedSection
from daemon.settings.problems import KeyPath


def read_answering(path: KeyPath, section: FeedSection) -> tuple[Answering, list[Problem]]:
    """Read how the feed at ``path`` answers."""
    del path
    return Answering(AckMode(section.ack)), []
