r"""Escape sequences of HL7 text (v2.7 chapter 2, 2.7), resolved where a value is taken out of a message.

Resolved are the delimiters (``\F\ \S\ \R\ \E\ \T\ \P\``), hexadecimal ASCII (``\X0D0A\``), line breaks (``\.br\ \.sp\``)
and switched character sets (``\Cxxyy\ \Mxxyyzz\``). What has no text of its own (highlighting, indentation), is local to a
site, or cannot be read stays as it stands: nothing of a value is lost, and no value gets longer.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from daemon.hl7listener.text.designators import read_designated

_OTHER = re.compile(r"[HN]|[.CMXZ].*", re.ASCII | re.DOTALL)
"""Highlighting, formatting, other character sets, hex that is none, local ones: sequences, but not resolved."""
_SWITCH = re.compile(r"C([0-9A-Fa-f]{4})|M([0-9A-Fa-f]{4}(?:[0-9A-Fa-f]{2})?)", re.ASCII)
_BREAKS = frozenset((".br", ".BR", ".sp", ".SP"))


class Marks(NamedTuple):
    """The delimiters of a message as text; empty where it has none.

    Attributes:
        known: what each escape of one letter stands for.
    """

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str
    known: dict[str, str]


def marks_of(field: str, component: str, repetition: str, escape: str, subcomponent: str, truncation: str) -> Marks:
    """Gather the delimiters of a message."""
    known = {
        "F": field,
        "S": component,
        "R": repetition,
        "E": escape,
        "T": subcomponent,
        "P": truncation,
    }
    return Marks(
        field, component, repetition, escape, subcomponent, {name: mark for name, mark in known.items() if mark}
    )


def unescape(value: str, marks: Marks, codec: str | None = None) -> str:
    """Resolve the escape sequences of a value.

    ``codec`` is what the message was decoded with; ``None`` leaves sequences that switch the character set as they stand.
    """
    escape = marks.escape
    if not escape or escape not in value:
        return value
    parts = value.split(escape)
    text, place = [parts[0]], 1
    last = len(parts) - 1
    while place <= last:
        word = parts[place]
        resolved = _resolved(word, marks) if place < last else None
        if resolved is None:  # unterminated or unknown: kept as it stands
            text += (escape, word)
            place += 1
            continue
        following = parts[place + 1]
        if codec is not None and word[:1] in ("C", "M"):
            found = _switched(word, following, codec)
            if found is not None:
                resolved, following = "", found
        text += (resolved, following)
        place += 2
    return "".join(text)


def _resolved(word: str, marks: Marks) -> str | None:
    known = marks.known.get(word)
    if known is not None:
        return known
    if word in _BREAKS:
        return "\n"
    found = _hex(word)
    if found is None and _OTHER.fullmatch(word):
        return marks.escape + word + marks.escape
    return found


def _hex(word: str) -> str | None:
    digits = word[1:]
    if word[:1] != "X" or not digits.isalnum():  # a blank between digits would be passed over
        return None
    try:
        return bytes.fromhex(digits).decode("ascii")
    except ValueError:
        return None


def _switched(word: str, following: str, codec: str) -> str | None:
    match = _SWITCH.fullmatch(word)
    if match is None:
        return None
    try:
        return read_designated(bytes.fromhex(match[1] or match[2]), following.encode(codec), codec)
    except UnicodeError:
        return None
