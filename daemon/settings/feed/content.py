"""Keys of ``[feed.NAME]`` about what is in a message: character sets, segment ends, times, batches."""

from __future__ import annotations

from daemon.public import Public
from daemon.settings.section import Section
from daemon.settings.values import Label


class ContentKeys(Section):
    """How the content of messages is read."""

    charset: Label = Public("cp1252")
