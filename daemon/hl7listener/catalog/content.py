"""From a feed's keys to how it reads content."""

from __future__ import annotations

from daemon.hl7listener.charset import is_known_codec
from daemon.hl7listener.content import Content
from daemon.settings import Problem
from daemon.settings.feed import FeedSection
from daemon.settings.problems import KeyPath


def read_content(path: KeyPath, section: FeedSection) -> tuple[Content, list[Problem]]:
    """Read how the feed at ``path`` reads its messages."""
    problems = []
    if not is_known_codec(section.charset):
        text = f'"{section.charset}" is not a character set that keeps ASCII as it is'
        problems.append(Problem((*path, "charset"), text, 'write "cp1252", "iso8859-1" or "utf-8"'))
    return Content(section.charset), problems
