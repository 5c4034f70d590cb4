"""HL7 paths such as ``PID-3.1``: which value of a message a task gets.

    SEGMENT[n]-FIELD[n].COMPONENT.SUBCOMPONENT

``[n]`` counts occurrences of a segment and repetitions of a field from 1; left out, it is the first. A value without parts
is given with its escape sequences resolved; a field or component that has parts is given as it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from daemon.hl7listener.errors import PathInvalid
from daemon.hl7listener.header import Delimiters

_PATH = re.compile(
    r"([A-Z][A-Z0-9]{2})(?:\[(\d{1,4})\])?-(\d{1,3})(?:\[(\d{1,4})\])?(?:\.(\d{1,3}))?(?:\.(\d{1,3}))?", re.ASCII
)
_HINT = 'write "PID-3", "PID-3.1", "PID-3[2].4.1" or "OBX[2]-5"'
_CONTROL_SEGMENTS = frozenset(("MSH", "FHS", "BHS"))
_OTHER_ESCAPE = re.compile(r"[HN]|[.CMXZ].*", re.ASCII | re.DOTALL)
"""Highlighting, formatting, other character sets, hex that is none, local ones: escape sequences, but not resolved."""


@dataclass(frozen=True, slots=True)
class Hl7Path:
    """A place in a message; every number counts from 1, 0 stands for "the whole"."""

    segment: str
    occurrence: int
    field: int
    repetition: int
    component: int
    subcomponent: int


def parse_path(text: str) -> Hl7Path:
    """Read a path.

    Raises:
        PathInvalid: it is none.
    """
    match = _PATH.fullmatch(text)
    if match is None:
        message = f'"{text[:64]}" is not an HL7 path'
        raise PathInvalid(message, hint=_HINT)
    segment, occurrence, field, repetition, component, subcomponent = match.groups()
    path = Hl7Path(
        segment, int(occurrence or 1), int(field), int(repetition or 1), int(component or 0), int(subcomponent or 0)
    )
    numbers = (path.occurrence, path.field, path.repetition)
    if 0 in numbers or component == "0" or subcomponent == "0":
        message = f'"{text[:64]}" counts from 1'
        raise PathInvalid(message, hint=_HINT)
    return path


class Segments:
    """A decoded message, cut into segments and fields as they are asked for."""

    def __init__(self, text: str, delimiters: Delimiters) -> None:
        """Cut ``text`` at its segment ends."""
        self._marks = tuple(
            mark.decode("ascii")
            for mark in (
                delimiters.field, delimiters.component, delimiters.repetition, delimiters.escape, delimiters.subcomponent
            )
        )  # fmt: skip
        self._lines = split_segments(text, self._marks[0])

    def get(self, path: Hl7Path) -> str | None:
        """Give the value at ``path``; ``None`` if the message does not reach that far, or the value is empty."""
        separator, component, repetition, escape, subcomponent = self._marks
        line = self._line(path.segment, path.occurrence)
        if line is None:
            return None
        place = path.field
        if path.segment in _CONTROL_SEGMENTS:  # the separator itself is field 1
            if place == 1:
                return separator
            place -= 1
        fields = line.split(separator, place + 1)
        if place >= len(fields):
            return None
        value = fields[place]
        if path.segment in _CONTROL_SEGMENTS and path.field == 2:  # noqa: PLR2004 - MSH-2 holds the delimiters themselves
            return value or None
        value = _part(value, repetition, path.repetition)
        if path.component:
            value = _part(value, component, path.component)
            value = _part(value, subcomponent, path.subcomponent) if path.subcomponent else value
            if not subcomponent or subcomponent not in value:
                value = self._unescape(value, escape)
        elif component not in value and (not subcomponent or subcomponent not in value):
            value = self._unescape(value, escape)
        return value or None

    def _line(self, segment: str, occurrence: int) -> str | None:
        for line in self._lines:
            if line.startswith(segment) and line[3:4] in (self._marks[0], ""):
                occurrence -= 1
                if not occurrence:
                    return line
        return None

    def _unescape(self, value: str, escape: str) -> str:
        if not escape or escape not in value:
            return value
        separator, component, repetition, _, subcomponent = self._marks
        known = {"F": separator, "S": component, "R": repetition, "E": escape, "T": subcomponent}
        parts = value.split(escape)
        text, place = [parts[0]], 1
        while place < len(parts):
            word = parts[place]
            resolved = None
            if place + 1 < len(parts):
                resolved = known.get(word) or _hex(word)
                if resolved is None and _OTHER_ESCAPE.fullmatch(word):
                    resolved = escape + word + escape
            if resolved is None:  # unterminated or unknown: kept as it stands
                text += (escape, word)
                place += 1
            else:
                text += (resolved, parts[place + 1])
                place += 2
        return "".join(text)


def split_segments(text: str, separator: str) -> list[str]:
    """Cut a message into segments.

    CR ends a segment. LF ends one where the message has no CR at all, where a segment name and the field separator follow
    it, or beside a CR; anywhere else it is data.
    """
    text = text.lstrip("\r\n")
    if "\r" not in text:
        return text.split("\n")
    segments = text.split("\r")
    if "\n" not in text:
        return segments
    return [segment for line in segments for segment in _split_at_lf(line, separator)]


def first_segment(text: str, separator: str) -> str:
    """Give the first segment of a message, without looking at the others."""
    text = text.lstrip("\r\n")
    end = text.find("\r") + 1
    return split_segments(text[:end] if end else text, separator)[0]


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
    name = text[:3]
    return len(name) == 3 and name.isascii() and name.isalnum() and name.upper() == name and text[3:4] == separator  # noqa: PLR2004


def _part(value: str, mark: str, number: int) -> str:
    if not mark:
        return value if number == 1 else ""
    parts = value.split(mark, number)
    return parts[number - 1] if number <= len(parts) else ""


def _hex(word: str) -> str | None:
    digits = word[1:]
    if word[:1] != "X" or not digits.isalnum():  # a blank between digits would be passed over
        return None
    try:
        return bytes.fromhex(digits).decode("ascii")
    except ValueError:
        return None
