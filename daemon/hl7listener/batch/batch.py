"""Batches (HL7 v2.7 chapter 2, 2.10.3): one block that holds many messages.

    [FHS] { [BHS] { messages } [BTS] } [FTS]

Cut on bytes, whatever character set the messages are in: no set that can travel in MLLP has CR or LF inside a character. The
messages are exact slices of the block, each with delimiters of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from daemon.hl7listener.text.header import BOM, Header, parse_header
from daemon.hl7listener.text.segments import SegmentEnd

_OPENINGS = (b"FHS", b"BHS")
_NAMES = rb"(FHS|BHS|MSH|BTS|FTS)"
_BEHIND = rb"(?=[!-/:-@\[-`{-~\r\n]|\Z)"
_AT_LF = re.compile(rb"(?:\A|\n)" + _NAMES + _BEHIND)
_AT_CR = re.compile(rb"(?:\A|\r\n*)" + _NAMES + _BEHIND)
_AT = {
    SegmentEnd.CR: _AT_CR,
    SegmentEnd.LF: _AT_LF,
    SegmentEnd.ANY: re.compile(rb"(?:\A|[\r\n]+)" + _NAMES + _BEHIND),
}
_LINE_END = re.compile(rb"[\r\n]")
_NAME_END = re.compile(_BEHIND)
_NAME = 3
_LONGEST_COUNT = 9


class BatchFault(Enum):
    """Why a block that begins as a batch is none that can be taken."""

    COUNT = "count"
    """BTS-1 or FTS-1 is not the number of messages or batches there are."""
    CUT = "cut"
    """Its segments are not in the order of a batch, or belong to no message."""
    TRAILER = "trailer"
    """BTS or FTS is missing, or all segments of a batch are."""
    LIMIT = "limit"
    """It holds more messages than the feed takes at once."""


class Group(NamedTuple):
    """Messages between one BHS and its BTS.

    Attributes:
        header: the fields of BHS, numbered as it numbers them; ``None`` if there is none.
    """

    header: Header | None
    messages: tuple[bytes, ...]

    def __repr__(self) -> str:
        """Show nothing of the messages."""
        return f"Group({len(self.messages)} messages)"


class Batch(NamedTuple):
    """A block cut into its messages.

    Attributes:
        file: the fields of FHS; ``None`` if there is none.
        fault: why it is not to be taken; then its groups are those that were found before.
        lacks_trailer: whether a BTS or FTS that is due is missing.
    """

    file: Header | None
    groups: tuple[Group, ...]
    fault: BatchFault | None = None
    lacks_trailer: bool = False

    @property
    def is_bare(self) -> bool:
        """Say whether it is messages and nothing around them."""
        return self.file is None and not any(group.header for group in self.groups)

    @property
    def messages(self) -> Iterator[bytes]:
        """Give the messages in their order."""
        return (message for group in self.groups for message in group.messages)

    def __repr__(self) -> str:
        """Show nothing of the messages."""
        return f"Batch({len(self.groups)} groups, {self.fault})"


def split_batch(
    data: bytes, *, limit: int = 1_000_000, is_strict: bool = False, end: SegmentEnd = SegmentEnd.AUTO
) -> Batch | None:
    """Cut a block into messages; ``None`` if it is a single message, or none.

    A block of several messages without FHS and BHS is a batch too: the standard has them optional.

    Args:
        data: what was between VT and FS.
        limit: how many messages are taken.
        is_strict: whether a missing BTS or FTS is a fault.
        end: what ends a segment.
    """
    data = data.removeprefix(BOM).lstrip(b"\r\n")
    is_bare = data[:_NAME] == b"MSH"
    if not (is_bare or data[:_NAME] in _OPENINGS) or not _NAME_END.match(data, _NAME):
        return None
    if is_bare and not (may_be_several(data) and sum(name == b"MSH" for name, _ in _pieces(data, end)) > 1):
        return None
    cut = _Cut(limit)
    for name, piece in _pieces(data, end):
        cut.take(name, piece)
        if cut.fault is not None:
            break
    return cut.batch(is_strict=is_strict)


def may_be_several(data: bytes) -> bool:
    """Say at little cost whether a block that begins with MSH may hold a second one."""
    # From behind, because Python looks for three bytes so five times as fast as for four from the front.
    return data.rfind(b"MSH") > 0 and (b"\rMSH" in data or b"\nMSH" in data)


def _pieces(data: bytes, end: SegmentEnd) -> Iterator[tuple[bytes, bytes]]:
    starts = [
        (found[found.lastindex or 1], found.start(found.lastindex or 1)) for found in _starts(data, end).finditer(data)
    ]
    ends = [start for _, start in starts[1:]] + [len(data)]
    return ((name, data[start:end]) for (name, start), end in zip(starts, ends, strict=True))


def _starts(data: bytes, end: SegmentEnd) -> re.Pattern[bytes]:
    """Say where a segment of a batch begins: by the rule of ``segments.split_segments`` for what LF is."""
    if end is not SegmentEnd.AUTO:
        return _AT[end]
    if b"\r" not in data:
        return _AT_LF
    if data[:_NAME] == b"MSH":  # what follows LF may be the text of a field, and nothing says that this is a batch
        return _AT_CR
    separator = re.escape(data[_NAME : _NAME + 1])
    return re.compile(rb"(?:\A|\r\n*)" + _NAMES + _BEHIND + rb"|\n" + _NAMES + rb"(?=" + separator + rb")")


@dataclass(slots=True)
class _Cut:
    """The batch as far as it has been read."""

    limit: int
    file: Header | None = None
    groups: list[Group] = field(default_factory=list)
    fault: BatchFault | None = None
    lacks_trailer: bool = False
    _count: int = 0
    _begun: bool = False
    _ended: bool = False
    _is_open: bool = False
    _header: Header | None = None
    _messages: list[bytes] = field(default_factory=list)

    def take(self, name: bytes, piece: bytes) -> None:
        """Go on by a segment of the batch, or a message."""
        if self._ended or (name == b"FHS" and self._begun):
            self.fault = BatchFault.CUT
        elif name == b"MSH":
            self._count += 1
            self._is_open = True
            self._messages.append(piece)
            if self._count > self.limit:
                self.fault = BatchFault.LIMIT
        else:
            self._take_segment(name, piece.rstrip(b"\r\n"))
        self._begun = True

    def batch(self, *, is_strict: bool) -> Batch:
        """Give what was read."""
        if self._is_open:
            self._close(is_trailed=False)
        if self.file is not None and not self._ended:
            self.lacks_trailer = True
        is_bare = self.file is None and not any(group.header for group in self.groups)
        if is_strict and (self.lacks_trailer or is_bare):
            self.fault = self.fault or BatchFault.TRAILER
        return Batch(self.file, tuple(self.groups), self.fault, self.lacks_trailer)

    def _take_segment(self, name: bytes, segment: bytes) -> None:
        if b"\r" in segment or b"\n" in segment:  # something stands behind it that belongs to no message
            if name in _OPENINGS:
                self._open(name, _LINE_END.split(segment, 1)[0])  # the sender is still to be told
            self.fault = BatchFault.CUT
        elif name in _OPENINGS:
            self._open(name, segment)
        elif name == b"BTS":
            self._count_is(segment, len(self._messages), is_due=self._is_open)
            self._close(is_trailed=True)
        else:
            if self._is_open:
                self._close(is_trailed=False)
            self._count_is(segment, len(self.groups), is_due=self.file is not None)
            self._ended = True

    def _open(self, name: bytes, segment: bytes) -> None:
        header = parse_header(b"MSH" + segment[_NAME:])
        if not isinstance(header, Header):
            self.fault = BatchFault.CUT
        elif name == b"FHS":
            self.file = header
        else:
            if self._is_open:
                self._close(is_trailed=False)
            self._is_open, self._header = True, header

    def _close(self, *, is_trailed: bool) -> None:
        if not is_trailed and self._header is not None:
            self.lacks_trailer = True
        self.groups.append(Group(self._header, tuple(self._messages)))
        self._is_open, self._header, self._messages = False, None, []

    def _count_is(self, segment: bytes, found: int, *, is_due: bool) -> None:
        said = segment[_NAME + 1 :].split(segment[_NAME : _NAME + 1] or b"|", 1)[0].strip()
        if not is_due:
            self.fault = BatchFault.CUT
        elif said and not (said.isdigit() and len(said) <= _LONGEST_COUNT and int(said) == found):
            self.fault = BatchFault.COUNT
