"""HL7 messages out of a file's bytes: bare, framed, one or many. Pure."""

from __future__ import annotations

import re
from itertools import pairwise

from daemon.hl7listener.wire.framer import START, Block, Framer

_START = re.compile(rb"(?:\A(?:\xef\xbb\xbf)?|(?<=[\r\n]))(MSH(?=[^\w\s])|[FB][HT]S(?=[^\w\s]|[\r\n]|\Z))")
"""Where a message begins, or a segment of the envelope of a batch (HL7 2.10.3); before the first, a byte order mark."""

_ENVELOPE = re.compile(rb"[FB]HS[^\w\s]")


class UnfinishedBlock(ValueError):
    """A file ends within an MLLP block: what is missing cannot be guessed."""


def blocks_in(content: bytes, *, as_it_is: bool = False, keeps_batches: bool = False) -> list[bytes]:
    """Find what is to go into blocks: the messages of a file, or with ``keeps_batches`` the whole of a file that is a batch.

    Raises:
        UnfinishedBlock: the last block has no end.
    """
    bare = content.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    if keeps_batches and START not in content and _ENVELOPE.match(bare):
        return [bare if as_it_is else _with_cr(bare.rstrip(b"\r\n"))]
    return messages_in(content, as_it_is=as_it_is)


def messages_in(content: bytes, *, as_it_is: bool = False) -> list[bytes]:
    """Find the messages of a file.

    A file with MLLP blocks gives their data. Any other is cut before each line that begins with MSH; what stands before the
    first is left out, and so is the envelope of a batch (FHS, BHS, BTS, FTS). Where a message has no CR, its line ends
    become CR, which is what the standard wants; ``as_it_is`` leaves them.

    Raises:
        UnfinishedBlock: the last block has no end.
    """
    if START in content:
        framer = Framer(max(len(content), 1))
        found = [event.data for event in framer.feed(content) if isinstance(event, Block)]
        if framer.is_open:
            found += [event.data for event in framer.feed(b"\r") if isinstance(event, Block)]  # only the CR after FS
        if framer.is_open:
            raise UnfinishedBlock
    else:
        starts = [match.start(1) for match in _START.finditer(content)]
        found = [
            content[start:end].rstrip(b"\r\n") + _last_end(content[start:end])
            for start, end in pairwise([*starts, len(content)])
            if content.startswith(b"MSH", start)
        ]
    return found if as_it_is else [_with_cr(data) for data in found]


def _last_end(data: bytes) -> bytes:
    for end in (b"\r\n", b"\r", b"\n"):
        if data.endswith(end):
            return end
    return b""


def _with_cr(data: bytes) -> bytes:
    unix = data.replace(b"\r\n", b"\n")
    if b"\r" not in unix:
        data = unix.replace(b"\n", b"\r")
    return data if data.endswith(b"\r") else data + b"\r"
