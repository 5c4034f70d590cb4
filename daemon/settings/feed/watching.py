"""Keys of ``[feed.NAME]`` about what is watched while it runs."""

from __future__ import annotations

from daemon.settings.section import Section


class WatchingKeys(Section):
    """What is watched, and when an alarm is due."""
