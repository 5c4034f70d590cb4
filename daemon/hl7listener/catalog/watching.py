"""From a feed's keys to what is watched of it."""

from __future__ import annotations

from daemon.hl7listener.watching import Watching
from daemon.settings import Problem
from daemon.settings.feed import FeedSection
from daemon.settings.feed.watching import LEARNED
from daemon.settings.problems import KeyPath


def read_watching(path: KeyPath, section: FeedSection) -> tuple[Watching, list[Problem]]:
    """Read what is watched of the feed at ``path``."""
    del path
    watch = section.watch
    watching = Watching(
        silence_s=watch.silence if isinstance(watch.silence, float) else None,
        learns_silence=watch.silence == LEARNED,
        refused_share=watch.refused,
        slow_ack_s=watch.slow_ack,
        backlog_s=watch.backlog,
    )
    return watching, []
