"""Where the broker's mark and our own cursor agree on how far a feed is. Pure.

The mark of a feed and epoch is the number of the last message pushed under its claim; the cursor is our note of the same.
"""

from __future__ import annotations

from typing import NamedTuple

from daemon.public import Public

LONGEST_MARK = 19


class Agreement(NamedTuple):
    """Go on after ``cursor``; messages up to ``suspect_until`` were pushed before, and the broker forgot them."""

    cursor: int
    suspect_until: int | None = None


class Foreign(NamedTuple):
    """The mark cannot be one of ours: another spool's, or another program's."""

    code: Public
    what: Public


def parse_mark(text: str | None) -> int | Foreign | None:
    """Read a mark; ``None`` if the broker has none."""
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= LONGEST_MARK:
        return int(text)
    return Foreign(Public("mark-is-no-number"), Public("the broker's mark is no number"))


def agree(
    mark: int | None, *, cursor: int, pushed: int | None, newest: int | None, repeat_from: int
) -> Agreement | Foreign:
    """Compare the broker's mark of an epoch with what we know of it.

    Args:
        mark: what the broker remembers; ``None``: nothing.
        cursor: our note.
        pushed: the last message of the epoch up to our note; ``None``: none.
        newest: the last message of the epoch that is stored at all; ``None``: none.
        repeat_from: the last message too old to be repeated, should the broker remember nothing.
    """
    known = max(newest or 0, cursor)  # what the cursor has passed was there, whatever became of the rows
    if mark is not None and mark > known:
        what = Public(f"the broker's mark {mark} is ahead of everything stored")
        return Foreign(Public("mark-ahead-of-spool"), what)
    if mark is not None and (pushed is None or mark >= pushed):
        return Agreement(max(cursor, mark))
    start = mark if mark is not None else repeat_from
    if pushed is not None and start < pushed:
        return Agreement(start, pushed)
    return Agreement(cursor)
