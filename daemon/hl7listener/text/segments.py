"""Where the segments of a message end."""

from __future__ import annotations

from enum import Enum

NAME_LENGTH = 3


class SegmentEnd(Enum):
    """What ends a segment."""

    AUTO = "auto"
    """CR. LF where the message has no CR at all, where a segment name and the field separator follow it, or beside a CR;
    anywhere else it is data."""
    CR = "cr"
    """CR alone; LF is data."""
    LF = "lf"
    """LF, and a CR before it is part of it; any other CR is data."""
    ANY = "any"
    """CR, LF, or both."""


_AUTO = SegmentEnd.AUTO


def split_segments(text: str, separator: str, end: SegmentEnd = SegmentEnd.AUTO) -> list[str]:
    """Cut a message into segments."""
    text = text.lstrip("\r\n")
    if end is not SegmentEnd.AUTO:
        return _cut_plainly(text, end)
    if "\r" not in text:
        return text.split("\n")
    segments = text.split("\r")
    if "\n" not in text:
        return segments
    return [segment for line in segments for segment in _split_at_lf(line, separator)]


def first_segment(text: str, separator: str, ends: SegmentEnd = SegmentEnd.AUTO) -> str:
    """Give the first segment of a message, without looking at the others."""
    text = text.lstrip("\r\n")
    if ends is not _AUTO:
        found = [place for mark in line_ends(ends) if (place := text.find(mark)) >= 0]
        return text[: min(found)] if found else text
    end = text.find("\r") + 1
    return split_segments(text[:end] if end else text, separator)[0]


def with_lf_ends(text: str) -> str:
    """Give a message whose segments end in LF, with no CR before one."""
    return text.lstrip("\r\n").replace("\r\n", "\n")


def line_ends(end: SegmentEnd) -> tuple[str, ...]:
    """Give the characters that end the header, where nothing but CR or LF is expected."""
    return ("\r",) if end is SegmentEnd.CR else ("\r", "\n")


def with_cr_ends(text: str, separator: str, end: SegmentEnd = SegmentEnd.AUTO) -> str:
    """Give a message in which every segment ends in CR, and CR is nowhere else."""
    if text[:1] in ("\r", "\n"):
        text = text.lstrip("\r\n")
    if end is not _AUTO:
        return text if end is SegmentEnd.CR else text.replace("\r\n", "\r").replace("\n", "\r")
    if "\n" not in text:
        return text
    if "\r" not in text:
        return text.replace("\n", "\r")
    if text.count("\r\n") == text.count("\n"):
        return text.replace("\r\n", "\r")
    return "\r".join(split_segments(text, separator))


def _cut_plainly(text: str, end: SegmentEnd) -> list[str]:
    if end is SegmentEnd.CR:
        return text.split("\r")
    text = text.replace("\r\n", "\n")
    return (text if end is SegmentEnd.LF else text.replace("\r", "\n")).split("\n")


def _split_at_lf(line: str, separator: str) -> list[str]:
    first, *rest = line.strip("\n").split("\n")
    found = [[first]]
    for piece in rest:
        if _begins_segment(piece, separator):
            found.append([piece])
        else:
            found[-1].append(piece)
    return ["\n".join(pieces).rstrip("\n") for pieces in found]


def _begins_segment(text: str, separator: str) -> bool:
    name = text[:NAME_LENGTH]
    return (
        len(name) == NAME_LENGTH
        and name.isascii()
        and name.isalnum()
        and name.upper() == name
        and text[NAME_LENGTH : NAME_LENGTH + 1] == separator
    )
