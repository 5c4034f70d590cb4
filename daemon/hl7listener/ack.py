"""Acknowledgements, as bytes ready to be sent (HL7 v2.5 chapter 2, 2.9 and 2.15.8).

Everything is written in the sender's own delimiters; its fields are echoed byte for byte, so its character set is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import cast

from daemon.hl7listener.answering import AckMode
from daemon.hl7listener.finding import Finding, Hl7Error, Verdict
from daemon.hl7listener.framer import frame
from daemon.hl7listener.header import Header, parse_header

_ALWAYS, _NEVER, _SUCCESS, _ERROR = b"AL", b"NE", b"SU", b"ER"
_PLAIN_TYPE = (2, 3)
_EVENT_TYPE = (2, 3, 1)
_OLD_ERR = (2, 5)
_NO_TEXT = (2, 7)
_UNKNOWN_VERSION = (2, 5)


@dataclass(frozen=True, slots=True)
class Code:
    """An acknowledgement code of table 0008: ``A`` application or ``C`` accept, then ``A``, ``E`` or ``R``."""

    family: str
    letter: str

    def __str__(self) -> str:
        """Write the two letters."""
        return self.family + self.letter


_ORIGINAL = {verdict: (Code("A", verdict.value),) for verdict in Verdict if verdict is not Verdict.SILENT}


def acknowledge(finding: Finding, codes: Sequence[Code], *, stamp: bytes, new_control_id: Callable[[], str]) -> bytes:
    """Write what the sender gets, framed: nothing, one acknowledgement, or an accept and an application one.

    Args:
        finding: the judged block.
        codes: what is due, from ``codes_due``.
        stamp: MSH-7 of the acknowledgement, from ``time_stamp``.
        new_control_id: gives the MSH-10 of an acknowledgement, unique, at most 20 characters.
    """
    return b"".join(frame(_message(finding, code, stamp, new_control_id())) for code in codes)


@lru_cache(maxsize=4)
def time_stamp(at_s: int) -> bytes:
    """Write a second since the epoch as an HL7 time stamp with its offset."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y%m%d%H%M%S%z").encode()


def codes_due(finding: Finding, mode: AckMode) -> tuple[Code, ...]:
    """Decide which acknowledgements are due.

    Both MSH-15 and MSH-16 empty means original mode. Else MSH-15 rules the accept acknowledgement and MSH-16 the
    application one; an empty one counts as NE, an unknown word as AL (table 0155).
    """
    verdict = finding.verdict
    if verdict is Verdict.SILENT or mode is AckMode.NONE:
        return ()
    if mode is AckMode.ALWAYS_AA:
        return _ORIGINAL[Verdict.ACCEPT]
    accept, application = (b"", b"") if finding.header is None else finding.header.fields[13:15]
    if mode is AckMode.ENHANCED and not accept and not application:
        accept = _ALWAYS
    if mode is AckMode.ORIGINAL or (not accept and not application):
        return _ORIGINAL[verdict]
    due = []
    if _is_due(accept, verdict):
        due.append(Code("C", verdict.value))
    if _is_due(application, verdict):
        due.append(Code("A", verdict.value))
    return tuple(due)


def _is_due(condition: bytes, verdict: Verdict) -> bool:
    if condition in (b"", _NEVER):
        return False
    if condition == _SUCCESS:
        return verdict is Verdict.ACCEPT
    if condition == _ERROR:
        return verdict is not Verdict.ACCEPT
    return True


_UNKNOWN = cast("Header", parse_header(b"MSH|^~\\&|"))
"""Stands in for the header of a block that has none."""


def _message(finding: Finding, code: Code, stamp: bytes, control_id: str) -> bytes:
    header = finding.header or _UNKNOWN
    version = header.version or _UNKNOWN_VERSION
    shown = finding.error if code.letter != "A" else None
    segments = [
        _msh(header, stamp, control_id, version, is_enhanced=code.family == "C"),
        _msa(header, str(code), version, shown),
    ]
    if shown is not None:
        segments.append(_err(header, version, shown))
    return b"".join(segment + b"\r" for segment in segments)


def _msh(header: Header, stamp: bytes, control_id: str, version: tuple[int, ...], *, is_enhanced: bool) -> bytes:
    separator = header.delimiters.field
    fields = header.fields
    condition = _NEVER if is_enhanced else b""
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
            _type(header, version),
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


def _type(header: Header, version: tuple[int, ...]) -> bytes:
    event = header.trigger_event.encode("latin-1")
    if version <= _PLAIN_TYPE or not event:
        return b"ACK"
    parts = (b"ACK", event) if version <= _EVENT_TYPE else (b"ACK", event, b"ACK")
    return header.delimiters.component.join(parts)


def _msa(header: Header, code: str, version: tuple[int, ...], error: Hl7Error | None) -> bytes:
    fields = [b"MSA", code.encode(), header.control_id]
    if error is not None and version < _NO_TEXT:  # MSA-3 is what many senders read; it was withdrawn in 2.7
        fields.append(error.text.encode())
    return header.delimiters.field.join(fields)


def _err(header: Header, version: tuple[int, ...], error: Hl7Error) -> bytes:
    marks = header.delimiters
    place = [error.segment.encode(), b"1" if error.segment else b"", str(error.field or "").encode()]
    words = [str(error.code).encode(), error.text.encode(), b"HL70357"]
    if version < _OLD_ERR:
        inner = marks.subcomponent.join(words) if marks.subcomponent else words[0]
        return b"ERR" + marks.field + marks.component.join([*place, inner])
    located = marks.component.join(place).rstrip(marks.component)
    return marks.field.join((b"ERR", b"", located, marks.component.join(words), b"E"))
