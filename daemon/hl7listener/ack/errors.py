"""Errors as an acknowledgement tells them: ERR, and MSA-3 and MSA-6 in the versions that have them.

Nothing here holds anything of a message but its delimiters, so that what was written once is remembered.
"""

from __future__ import annotations

from functools import lru_cache

from daemon.hl7listener.judging.verdict import Hl7Error, Reason
from daemon.hl7listener.text.header import Delimiters

_NEW_ERR = (2, 5)
_TEXT_UNTIL = (2, 7)
_CONDITION_FROM, _CONDITION_UNTIL = (2, 2), (2, 4)
_TABLE = "HL70357"
_TEXT_LENGTH = 80
_SEVERITY = b"E"
_KINDS = 256


@lru_cache(maxsize=_KINDS)
def error_segments(
    errors: tuple[Hl7Error, ...], reason: Reason | None, marks: Delimiters, version: tuple[int, ...]
) -> tuple[bytes, ...]:
    """Write ERR: up to 2.4 one segment with an error in each repetition, from 2.5 a segment for each."""
    if not errors:
        return ()
    if version < _NEW_ERR:
        return (b"ERR" + marks.field + marks.repetition.join(_old(error, marks) for error in errors),)
    return tuple(_new(error, reason, marks) for error in errors)


@lru_cache(maxsize=_KINDS)
def error_text(errors: tuple[Hl7Error, ...], marks: Delimiters, version: tuple[int, ...]) -> bytes:
    """Write MSA-3, which many senders read and nothing else; it was withdrawn in 2.7."""
    if not errors or version >= _TEXT_UNTIL:
        return b""
    first = errors[0]
    return _words(first.note or first.text, marks)[:_TEXT_LENGTH]


@lru_cache(maxsize=_KINDS)
def error_condition(errors: tuple[Hl7Error, ...], marks: Delimiters, version: tuple[int, ...]) -> bytes:
    """Write MSA-6, where ERR was not yet the place to look."""
    if not errors or not _CONDITION_FROM <= version < _CONDITION_UNTIL:
        return b""
    return marks.component.join(_coded(errors[0], marks))


def _old(error: Hl7Error, marks: Delimiters) -> bytes:
    coded = _coded(error, marks)
    inner = marks.subcomponent.join(coded) if marks.subcomponent else coded[0]
    return marks.component.join([*_place(error), inner])


def _new(error: Hl7Error, reason: Reason | None, marks: Delimiters) -> bytes:
    located = marks.component.join(_place(error)).rstrip(marks.component)
    own_code = b"" if reason is None else _words(reason.value, marks)
    fields = (b"ERR", b"", located, marks.component.join(_coded(error, marks)), _SEVERITY, own_code, b"", b"")
    return marks.field.join((*fields, _words(error.note, marks))).rstrip(marks.field)


def _place(error: Hl7Error) -> tuple[bytes, bytes, bytes]:
    return error.segment.encode(), b"1" if error.segment else b"", str(error.field or "").encode()


def _coded(error: Hl7Error, marks: Delimiters) -> tuple[bytes, bytes, bytes]:
    return str(error.code).encode(), _words(error.text, marks), _TABLE.encode()


def _words(text: str, marks: Delimiters) -> bytes:
    """Write our own words; whatever delimits in the sender's message becomes a blank."""
    delimiting = marks.field + marks.encoding
    return text.encode().translate(bytes(32 if byte in delimiting else byte for byte in range(256)))
