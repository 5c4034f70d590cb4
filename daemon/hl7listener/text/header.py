"""The MSH segment: delimiters, and the fields every later decision rests on (HL7 v2.5 chapter 2, 2.15.9).

Fields stay bytes until the character set is known. The fields that matter here are ASCII in practice; splitting the
header on bytes is safe because no multi-byte character set of table 0211 is allowed before MSH-18 has been read.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from string import punctuation
from typing import NamedTuple

from daemon.hl7listener.text.segments import SegmentEnd, line_ends

BOM = b"\xef\xbb\xbf"
_MSH = b"MSH"
_SHORTEST_ENCODING, _LONGEST_ENCODING = 2, 5
_LINE_ENDS = b"\r\n"
_LONGEST_VERSION = 16
_AUTO = SegmentEnd.AUTO  # an enum's member is looked up slowly, and this is asked for each message
_FIELDS = 20
"""Fields are cut or padded to this many, so that the ones we read are always there, and no more."""


class HeaderFault(Enum):
    """Why no header could be read."""

    EMPTY = "empty-block"
    NO_MSH = "no-msh"
    DELIMITERS = "bad-delimiters"


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The characters of MSH-1 and MSH-2, as single bytes, and what ends a segment; a sender may leave the last ones out."""

    field: bytes
    component: bytes
    repetition: bytes
    escape: bytes = b""
    subcomponent: bytes = b""
    truncation: bytes = b""
    end: SegmentEnd = SegmentEnd.AUTO

    @property
    def encoding(self) -> bytes:
        """MSH-2 as it stood."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation


STANDARD = Delimiters(b"|", b"^", b"~", b"\\", b"&")


class Header(NamedTuple):
    """The fields of an MSH segment. The representation shows none of them.

    Attributes:
        fields: MSH-2 to MSH-21, as they stood.
        message_type, trigger_event: MSH-9.1 and MSH-9.2, such as ``ADT`` and ``A01``.
        version: MSH-12.1 as numbers, ``(2, 5, 1)``; empty if it is absent or not a version.
    """

    delimiters: Delimiters
    fields: tuple[bytes, ...]
    message_type: str
    trigger_event: str
    version: tuple[int, ...]

    def __repr__(self) -> str:
        """Show nothing of the message."""
        return "Header(…)"

    def raw(self, number: int) -> bytes:
        """Give MSH-``number`` as it stood, from 2 to 21; empty if it is absent."""
        return self.fields[number - 2]

    def component(self, number: int, component: int) -> bytes:
        """Give one component of the first repetition of a field, from 1; empty if it is absent."""
        first = self.fields[number - 2].split(self.delimiters.repetition, 1)[0]
        parts = first.split(self.delimiters.component, component)
        return parts[component - 1] if component <= len(parts) else b""

    @property
    def control_id(self) -> bytes:
        """MSH-10."""
        return self.fields[8]


def parse_header(data: bytes, end: SegmentEnd = _AUTO) -> Header | HeaderFault:
    """Read the MSH segment at the front of a message; a byte order mark or line ends before it are passed over."""
    data = data.removeprefix(BOM)
    data = data.lstrip(_LINE_ENDS) if data[:1] in (b"\r", b"\n") else data
    if not data:
        return HeaderFault.EMPTY
    if not data.startswith(_MSH) or len(data) < 8:  # noqa: PLR2004 - MSH, a separator, four encoding characters
        return HeaderFault.NO_MSH
    fields = data[4 : _segment_end(data, end)].split(data[3:4], _FIELDS)[:_FIELDS]
    if not _SHORTEST_ENCODING <= len(fields[0]) <= _LONGEST_ENCODING:
        return HeaderFault.DELIMITERS
    delimiters = _delimiters(data[3:4], fields[0]) if end is _AUTO else _delimiters(data[3:4], fields[0], end)
    if delimiters is None:
        return HeaderFault.DELIMITERS
    if len(fields) < _FIELDS:
        fields += (b"",) * (_FIELDS - len(fields))
    kind = fields[7].split(delimiters.repetition, 1)[0].split(delimiters.component, 2)
    version = fields[10].split(delimiters.component, 1)[0]
    return Header(
        delimiters,
        tuple(fields),
        kind[0].decode("latin-1"),
        kind[1].decode("latin-1") if len(kind) > 1 else "",
        _version(version) if len(version) <= _LONGEST_VERSION else (),
    )


def _segment_end(data: bytes, ends: SegmentEnd) -> int:
    """Find the end of the first segment, by the same rule as ``segments.first_segment``."""
    if ends is not _AUTO:
        found = [place for mark in line_ends(ends) if (place := data.find(mark.encode())) >= 0]
        return min(found) if found else len(data)
    end = data.find(b"\r")
    line = data.find(b"\n", 0, end if end >= 0 else len(data))
    if end < 0 or line < 0:
        return max(end, line) if max(end, line) >= 0 else len(data)
    while line >= 0:
        name = data[line + 1 : line + 5]
        if name[3:] == data[3:4] and name[:3].isalnum() and name[:3].upper() == name[:3]:
            end = line
            break
        line = data.find(b"\n", line + 1, end)
    return len(data[:end].rstrip(b"\n"))


# What is remembered is short: nothing of a message may outlive it in a cache.


@lru_cache(maxsize=64)
def _delimiters(separator: bytes, encoding: bytes, end: SegmentEnd = _AUTO) -> Delimiters | None:
    marks = separator + encoding
    if len(set(marks)) != len(marks) or not all(chr(mark) in punctuation for mark in marks):
        return None
    component, repetition, escape, subcomponent, truncation = (encoding[place : place + 1] for place in range(5))
    return Delimiters(separator, component, repetition, escape, subcomponent, truncation, end)


@lru_cache(maxsize=64)
def _version(text: bytes) -> tuple[int, ...]:
    parts = text.strip().split(b".")
    if not all(part.isdigit() and len(part) <= 3 for part in parts):  # noqa: PLR2004
        return ()
    return tuple(int(part) for part in parts)
