"""HL7 messages out of a file's bytes: bare, framed, one or many. Pure."""

from __future__ import annotations

import re
from itertools import pairwise

from daemon.hl7listener.framer import START, Block, Framer

_MESSAGE_START = re.compile(rb"(?:\A|(?<=[\r\n]))MSH(?=[^\w\s])")


def messages_in(content: bytes, *, as_it_is: bool = False) -> list[bytes]:
    """Find the messages of a file.

    A file with MLLP blocks gives their data. Any other is cut before each line that begins with MSH; what stands before the
    first is left out. Where a message has no CR, its line ends become CR, which is what the standard wants; ``as_it_is``
    leaves them.
    """
    if START in content:
        framer = Framer(max(len(content), 1))
        found = [event.data for event in framer.feed(content) if isinstance(event, Block)]
    else:
        starts = [match.start() for match in _MESSAGE_START.finditer(content)]
        found = [
            content[start:end].rstrip(b"\r\n") + _last_end(content[start:end])
            for start, end in pairwise([*starts, len(content)])
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
