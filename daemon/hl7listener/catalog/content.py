"""From a feed's keys to how it reads content."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from daemon.hl7listener.text.charset import codec_name
from daemon.hl7listener.text.content import BatchReply, Content
from daemon.hl7listener.text.segments import SegmentEnd
from daemon.settings import Problem
from daemon.settings.feed import FeedSection
from daemon.settings.problems import KeyPath


def read_content(path: KeyPath, section: FeedSection) -> tuple[Content, list[Problem]]:
    """Read how the feed at ``path`` reads its messages."""
    problems = []
    codec = codec_name(section.charset)
    if codec is None:
        text = f'"{section.charset}" is not a character set that keeps ASCII as it is'
        problems.append(Problem((*path, "charset"), text, 'write "cp1252", "iso8859-1" or "utf-8"'))
    content = Content(
        charset=codec or "cp1252",
        is_forced=section.charset_force,
        end=SegmentEnd(section.segment_end),
        keeps_damaged=section.charset_invalid == "keep",
        zone=None if section.timezone is None else ZoneInfo(section.timezone),
        batch_reply=BatchReply(section.batch_reply),
        batch_limit=section.batch_limit,
    )
    return content, problems
