"""Acknowledgements, as bytes ready to be sent (HL7 v2.5 chapter 2, 2.9 and 2.15.8).

Everything is written in the sender's own delimiters; its fields are echoed byte for byte, so its character set is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import cast

from daemon.hl7listener.ack.answering import AckMode, AckType
from daemon.hl7listener.ack.codes import Code, codes_of
from daemon.hl7listener.ack.errors import error_condition, error_segments, error_text
from daemon.hl7listener.judging.finding import Finding
from daemon.hl7listener.text.header import Header, parse_header
from daemon.hl7listener.wire.framer import frame

__all__ = ["Code", "acknowledge", "codes_due", "time_stamp"]

_NEVER = b"NE"
_PLAIN_TYPE = (2, 3)
_EVENT_TYPE = (2, 3, 1)
_UNKNOWN_VERSION = (2, 5)
_ACCEPTED = "A"


def codes_due(finding: Finding, mode: AckMode) -> tuple[Code, ...]:
    """Decide which acknowledgements of a judged block are due."""
    return codes_of(finding.verdict, finding.header, mode)


def acknowledge(
    finding: Finding,
    codes: Sequence[Code],
    *,
    stamp: bytes,
    new_control_id: Callable[[], str],
    ack_type: AckType = AckType.AUTO,
    expected: int | None = None,
) -> bytes:
    """Write what the sender gets, framed: nothing, one acknowledgement, or an accept and an application one.

    Args:
        finding: the judged block.
        codes: what is due, from ``codes_due``.
        stamp: MSH-7 of the acknowledgement, from ``time_stamp``.
        new_control_id: gives the MSH-10 of an acknowledgement, unique, at most 20 characters.
        ack_type: how MSH-9 is written.
        expected: MSA-4, the sequence number that should come next; ``None`` outside the sequence-number protocol.
    """
    if len(codes) == 1:  # nearly all there are
        return frame(_message(finding, codes[0], stamp, new_control_id(), ack_type, expected))
    return b"".join([frame(_message(finding, code, stamp, new_control_id(), ack_type, expected)) for code in codes])


@lru_cache(maxsize=4)
def time_stamp(at_s: int) -> bytes:
    """Write a second since the epoch as an HL7 time stamp with its offset."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y%m%d%H%M%S%z").encode()


_UNKNOWN = cast("Header", parse_header(b"MSH|^~\\&|"))
"""Stands in for the header of a block that has none."""


def _message(
    finding: Finding, code: Code, stamp: bytes, control_id: str, ack_type: AckType, expected: int | None
) -> bytes:
    header = finding.header or _UNKNOWN
    version = header.version or _UNKNOWN_VERSION
    msh = _msh(header, stamp, control_id, _type(header, version, ack_type), is_enhanced=code.family == "C")
    if b"\n" in msh:  # to lenient readers it ends a segment, and what follows it may look like an MSA
        msh = msh.replace(b"\n", b"")
    segments = [msh]
    if code.letter == _ACCEPTED:
        fields = [b"MSA", code.text, header.control_id]
        if expected is not None:
            fields += (b"", str(expected).encode())
        segments.append(header.delimiters.field.join(fields))
    else:
        segments.append(_refusing_msa(header, code, version, finding, expected))
        segments += error_segments(finding.errors, finding.reason, header.delimiters, version)
    segments.append(b"")
    text = b"\r".join(segments)
    if b"\x1c" in text or b"\x0b" in text:  # echoed, either would end or begin a block
        text = text.translate(None, b"\x0b\x1c")
    return text


def _msh(header: Header, stamp: bytes, control_id: str, kind: bytes, *, is_enhanced: bool) -> bytes:
    separator = header.delimiters.field
    fields = header.fields
    condition = _NEVER if is_enhanced or fields[13] or fields[14] else b""
    if b"+" in separator + fields[0]:  # the sign of the offset would delimit
        stamp = stamp.partition(b"+")[0]
    return separator.join(
        (
            b"MSH" + separator + fields[0],
            fields[3],  # MSH-5 and 6 become 3 and 4, whole
            fields[4],
            fields[1],
            fields[2],
            stamp,
            b"",
            kind,
            control_id.encode(),
            fields[9],
            fields[10] or b"2.5",
            b"",
            b"",
            condition,
            condition,
            b"",
            fields[16],
        )
    ).rstrip(separator)


def _type(header: Header, version: tuple[int, ...], ack_type: AckType) -> bytes:
    event = header.trigger_event.encode("latin-1")
    if ack_type is AckType.AUTO:
        if version <= _PLAIN_TYPE:
            return b"ACK"
        ack_type = AckType.EVENT if version <= _EVENT_TYPE else AckType.FULL
    if ack_type is AckType.PLAIN or not event:
        return b"ACK"
    parts = (b"ACK", event) if ack_type is AckType.EVENT else (b"ACK", event, b"ACK")
    return header.delimiters.component.join(parts)


def _refusing_msa(
    header: Header, code: Code, version: tuple[int, ...], finding: Finding, expected: int | None
) -> bytes:
    marks = header.delimiters
    number = b"" if expected is None else str(expected).encode()
    text = error_text(finding.errors, marks, version)
    condition = error_condition(finding.errors, marks, version)
    fields = (b"MSA", code.text, header.control_id, text, number, b"", condition)
    last = max(place for place, value in enumerate(fields) if value or place == 2)  # noqa: PLR2004 - MSA-2 is always there
    return marks.field.join(fields[: last + 1])
