"""What a stored message is searched by: its header, its answer's code, its patients' numbers. Pure; nothing is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from daemon.hl7listener.text.header import Header, HeaderFault, parse_header

LONGEST = 200
"""Of a value of a header; longer ones are cut."""

MOST_PATIENTS = 16
BUCKET_BITS = 18
"""Messages of one bucket lie together in the index, so that writing to it stays in one place."""

_PID_3 = 3


class Facts(NamedTuple):
    """The header of a message as text. The representation shows none of it."""

    type: str = ""
    event: str = ""
    control_id: str = ""
    application: str = ""
    facility: str = ""
    version: str = ""

    def __repr__(self) -> str:
        """Show nothing of the message."""
        return "Facts(…)"


_NOTHING = Facts()


def facts_of(data: bytes) -> Facts:
    """Read the header of a message; all is empty if there is none."""
    header = parse_header(data)
    if isinstance(header, HeaderFault):
        return _NOTHING
    return Facts(
        type=header.message_type[:LONGEST],
        event=header.trigger_event[:LONGEST],
        control_id=_text(header.control_id),
        application=_text(header.component(3, 1)),
        facility=_text(header.component(4, 1)),
        version=_text(header.component(12, 1)),
    )


def code_of(ack: bytes) -> str:
    """Read MSA-1 of an answer; empty if there is none."""
    start = ack.find(b"\rMSA")
    if not 0 <= start < len(ack) - 4:
        return ""
    code = ack[start + 5 :].split(ack[start + 4 : start + 5], 1)[0]
    return code.decode("latin-1") if len(code) == 2 and code.isalpha() else ""  # noqa: PLR2004 - as AA


def patients_of(data: bytes) -> list[bytes]:
    """Give the first component of each repetition of each PID-3, as it stands."""
    return patients_in((data,))


def patients_in(pieces: Iterable[bytes]) -> list[bytes]:
    """Give what ``patients_of`` does, of a message in pieces; each but the first begins with the line end before a segment."""
    header: Header | HeaderFault | None = None
    found: dict[bytes, None] = {}
    for piece in pieces:
        header = header or parse_header(piece)
        if isinstance(header, HeaderFault):
            return []
        lines = piece.replace(b"\n", b"\r") if b"\n" in piece else piece
        name = b"\rPID" + header.delimiters.field
        start = lines.find(name)
        while start >= 0 and len(found) < MOST_PATIENTS:
            end = lines.find(b"\r", start + 1)
            end = end if end >= 0 else len(lines)
            for patient in _numbers(lines[start + 1 : end], header):
                found[patient] = None
            start = lines.find(name, end)
        if len(found) >= MOST_PATIENTS:
            break
    return list(found)[:MOST_PATIENTS]


def cut_at_segments(parts: Iterable[bytes], most_bytes: int) -> Iterator[bytes]:
    """Cut a message anew, so that no segment is in two pieces; of one of more than ``most_bytes`` only the front is sure to be there."""
    rest = b""
    for part in parts:
        joined = rest + part
        cut = max(joined.rfind(b"\r"), joined.rfind(b"\n"), 0)
        if cut:
            yield joined[:cut]
        rest = joined[cut : cut + most_bytes]
    yield rest


def _numbers(segment: bytes, header: Header) -> list[bytes]:
    fields = segment.split(header.delimiters.field, _PID_3 + 1)
    if len(fields) <= _PID_3:
        return []
    numbers = (
        repetition.split(header.delimiters.component, 1)[0].strip()
        for repetition in fields[_PID_3].split(header.delimiters.repetition, MOST_PATIENTS)
    )
    return [number for number in numbers if number]


def term_of(secret: bytes, kind: str, value: bytes) -> int:
    """Give the number a control id (``control``) or a patient's number (``patient``) is found by."""
    digest = hashlib.blake2b(value, digest_size=8, key=secret, person=kind.encode()).digest()
    return int.from_bytes(digest, "big", signed=True)


def bucket_of(seq: int) -> int:
    """Give the bucket of a message."""
    return seq >> BUCKET_BITS


def _text(value: bytes) -> str:
    try:
        return value[:LONGEST].decode("utf-8")
    except UnicodeDecodeError:
        return value[:LONGEST].decode("latin-1")
