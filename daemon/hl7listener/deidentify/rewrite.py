"""A message rewritten without what could name a patient. Pure; the same message and secret give the same result.

Only what is listed in ``fields.py`` stays or is replaced, everything else goes: unknown segments, Z-segments, free text, embedded
documents. In the end whatever still contains a value that named someone is emptied too, wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from daemon.hl7listener.deidentify.fields import FIELDS, NAMES_SOMEONE, OF_A_PATIENT, Kind
from daemon.hl7listener.deidentify.pseudonyms import Pseudonyms, shifted
from daemon.hl7listener.text.charset import Undecodable, decode
from daemon.hl7listener.text.content import Content
from daemon.hl7listener.text.header import HeaderFault, parse_header
from daemon.hl7listener.text.segments import split_segments

REMOVED = "REMOVED"
SHORTEST_VALUE = 3
_HEADER_KEEPS = frozenset((3, 4, 5, 6, 9, 12, 13, 15, 16, 17, 18, 19, 20, 21))
_LENIENT = Content("iso8859-1")
"""Bytes of an undeclared character set are some text at least."""

_STRUCTURAL = frozenset((9, 11, 12, 15, 16, 18))
"""Fields of MSH without which it is no message; their values are from tables of the standard."""

_NUMBER = re.compile(r"[<>]?=?[+-]?\d{1,12}(\.\d{1,12})?", re.ASCII)
_NUMERIC_TYPES = frozenset(("NM", "SN", "SI"))
_TIME_TYPES = frozenset(("DT", "TS", "DTM"))
_CODED_TYPES = frozenset(("CE", "CWE", "CNE", "CF", "ID", "IS"))


class Unclear(Enum):
    """Why a message cannot be rewritten with certainty."""

    NO_HEADER = "no-header"
    CHARSET = "not-in-its-charset"


@dataclass(frozen=True, slots=True)
class Deidentified:
    """A message in which nobody is named."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Marks:
    """The delimiters of a message."""

    field: str
    component: str
    repetition: str
    subcomponent: str


def deidentify(data: bytes, secret: bytes) -> Deidentified | Unclear:
    """Rewrite a message.

    Args:
        data: the message.
        secret: of the site's pseudonyms.
    """
    header = parse_header(data)
    if isinstance(header, HeaderFault):
        return Unclear.NO_HEADER
    decoded = decode(data, header, _LENIENT)
    if isinstance(decoded, Undecodable):
        return Unclear.CHARSET
    separator, component, repetition, subcomponent = (
        mark.decode("ascii")
        for mark in (
            header.delimiters.field,
            header.delimiters.component,
            header.delimiters.repetition,
            header.delimiters.subcomponent,
        )
    )
    marks = _Marks(separator, component, repetition, subcomponent)
    segments = [line.split(separator) for line in split_segments(decoded.text, separator) if line]
    if not segments or segments[0][0] != "MSH":
        return Unclear.NO_HEADER
    named = frozenset(value.casefold() for value in _named(segments, marks))
    rewriting = _Rewriting(marks, Pseudonyms(secret, named), _person(segments, marks))
    lines = [rewriting.header(segments[0])]
    lines += [rewriting.segment(fields) for fields in segments[1:] if fields[0] in FIELDS]
    text = "".join(f"{line}\r" for line in lines)
    try:
        return Deidentified(text.encode(decoded.codec))
    except UnicodeError:  # its text quotes what it failed on; it goes no further
        return Unclear.CHARSET


def _named(segments: list[list[str]], marks: _Marks) -> Iterator[str]:
    """Give every value that could name someone, and the words it is made of."""
    for fields in segments[1:]:
        kinds = FIELDS.get(fields[0], {})
        for number, text in enumerate(fields[1:], 1):
            kind = kinds.get(number)
            if kind in NAMES_SOMEONE or (kind is None and fields[0] in OF_A_PATIENT) or _is_birth(fields[0], number):
                for part in _naming_parts(text, kind, marks):
                    yield from (word for word in {part, *part.split()} if len(word) >= SHORTEST_VALUE)


def _is_birth(segment: str, number: int) -> bool:
    return (segment, number) in (("PID", 7), ("NK1", 16), ("GT1", 8), ("IN1", 18))


def _naming_parts(text: str, kind: Kind | None, marks: _Marks) -> Iterator[str]:
    for repetition in _split(text, marks.repetition):
        parts = _split(repetition, marks.component)
        if kind is Kind.ID:
            parts = parts[:1]  # the authority and the type name nobody
        elif kind in (Kind.NAME, Kind.PERSON):
            parts = parts[:3]
        elif kind is Kind.ADDRESS:
            parts = [part for place, part in enumerate(parts, 1) if place in (1, 2, 3, 5)]
        for part in parts:
            yield from (one.strip() for one in _split(part, marks.subcomponent))


def _person(segments: list[list[str]], marks: _Marks) -> str:
    """Give what tells whose message it is: the first PID-3, else nothing."""
    for fields in segments:
        if fields[0] == "PID" and len(fields) > 3:  # noqa: PLR2004 - PID-3
            return _split(_split(fields[3], marks.repetition)[0], marks.component)[0]
    return ""


def _split(text: str, mark: str) -> list[str]:
    return text.split(mark) if mark else [text]


class _Rewriting:
    """The rewriting of one message."""

    def __init__(self, marks: _Marks, pseudonyms: Pseudonyms, person: str) -> None:
        self._marks = marks
        self._pseudonyms = pseudonyms
        self._days = pseudonyms.shift_days(person)

    def header(self, fields: list[str]) -> str:
        """Rewrite MSH; its list begins with the name and MSH-2."""
        kept = fields[:2]
        for number, text in enumerate(fields[2:], 3):
            kept.append(self._header_field(number, text))
        return self._marks.field.join(kept).rstrip(self._marks.field)

    def _header_field(self, number: int, text: str) -> str:
        if number == 7:  # noqa: PLR2004 - MSH-7
            return self._clean(self._time(text))
        if number == 10:  # noqa: PLR2004 - MSH-10
            return self._pseudonyms.id(text) if text else ""
        if number == 11:  # noqa: PLR2004 - MSH-11: never again taken for production
            return "T"
        if number in _STRUCTURAL:
            return text
        return self._clean(text) if number in _HEADER_KEEPS else ""

    def segment(self, fields: list[str]) -> str:
        """Rewrite any other segment that is known."""
        kinds: Mapping[int, Kind] = FIELDS[fields[0]]
        value_type = fields[2] if fields[0] == "OBX" and len(fields) > 2 else ""  # noqa: PLR2004 - OBX-2
        kept = [fields[0]]
        for number, text in enumerate(fields[1:], 1):
            kind = kinds.get(number)
            rewritten = self._field(kind, text, value_type) if kind is not None and text else ""
            kept.append(self._clean(rewritten))
        return self._marks.field.join(kept).rstrip(self._marks.field)

    def _field(self, kind: Kind, text: str, value_type: str) -> str:
        if text == '""':
            return text  # "delete" says nothing of anyone
        mark = self._marks.repetition
        return (
            mark.join(self._repetition(kind, one, value_type) for one in _split(text, mark))
            if mark
            else (self._repetition(kind, text, value_type))
        )

    def _repetition(self, kind: Kind, text: str, value_type: str) -> str:
        if not text:
            return ""
        if kind is Kind.VALUE:
            return self._value(text, value_type)
        rewrite = {
            Kind.KEEP: self._kept,
            Kind.CODE: self._code,
            Kind.TIME: self._time,
            Kind.ID: self._id,
            Kind.NAME: self._name,
            Kind.PERSON: self._staff,
            Kind.PHONE: self._phone,
            Kind.ADDRESS: self._address,
            Kind.TEXT: self._text,
        }[kind]
        return rewrite(text)

    # -- kinds ---------------------------------------------------------------------------------------------------------

    def _kept(self, text: str) -> str:
        """Keep it, but for what looks like an instant, which is moved like all others."""
        mark = self._marks.component
        parts = [shifted(part, self._days) or part if _looks_timed(part) else part for part in _split(text, mark)]
        return mark.join(parts)

    def _code(self, text: str) -> str:
        mark = self._marks.component
        parts = _split(text, mark)
        for code, its_text in ((0, 1), (3, 4)):
            if len(parts) > its_text and not parts[code]:
                parts[its_text] = ""
        del parts[6:]  # versions, and the original text
        return mark.join(parts).rstrip(mark or None)

    def _time(self, text: str) -> str:
        return shifted(_split(text, self._marks.component)[0].strip(), self._days)

    def _id(self, text: str) -> str:
        mark = self._marks.component
        parts = _split(text, mark)
        authority, kind = (parts[place] if len(parts) > place else "" for place in (3, 4))
        own = self._pseudonyms.id(parts[0]) if parts[0] else ""
        return mark.join((own, "", "", authority, kind)).rstrip(mark or None) if mark else own

    def _name(self, text: str) -> str:
        mark = self._marks.component
        family, given = [*_split(text, mark), ""][:2]
        names = (self._pseudonyms.family(family) if family else "", self._pseudonyms.given(given) if given else "")
        return mark.join(names).rstrip(mark) if mark else names[0]

    def _staff(self, text: str) -> str:
        mark = self._marks.component
        own, family, given = [*_split(text, mark), "", ""][:3]
        parts = (
            self._pseudonyms.id(own) if own else "",
            self._pseudonyms.family(family) if family else "",
            self._pseudonyms.given(given) if given else "",
        )
        return mark.join(parts).rstrip(mark) if mark else parts[0]

    def _phone(self, text: str) -> str:
        return self._pseudonyms.phone(text)

    def _address(self, text: str) -> str:
        mark = self._marks.component
        parts = _split(text, mark)
        country = parts[5] if len(parts) > 5 else ""  # noqa: PLR2004 - XAD-6
        return mark.join(("", "", "", "", "", country)) if mark and country else ""

    def _text(self, text: str) -> str:
        del text
        return REMOVED

    def _value(self, text: str, value_type: str) -> str:
        if value_type in _TIME_TYPES:
            return self._time(text)
        if value_type in _CODED_TYPES:
            return self._code(text)
        if value_type in _NUMERIC_TYPES or _NUMBER.fullmatch(text):
            mark = self._marks.component
            return mark.join(part if _is_numeric(part) else "" for part in _split(text, mark))
        return REMOVED

    # -- the end -------------------------------------------------------------------------------------------------------

    def _clean(self, text: str) -> str:
        """Empty what still contains a value that named someone."""
        if self._pseudonyms.is_clean(text):
            return text
        mark = self._marks.component
        if not mark or mark not in text:
            return ""
        cleaned = mark.join(part if self._pseudonyms.is_clean(part) else "" for part in text.split(mark)).rstrip(mark)
        return cleaned if self._pseudonyms.is_clean(cleaned) else ""


def _looks_timed(text: str) -> bool:
    return len(text) >= 8 and text[:8].isdecimal() and text[:2] in ("18", "19", "20", "21")  # noqa: PLR2004


def _is_numeric(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text)) or text in ("<", ">", "<=", ">=", "=", "<>", "-", "/", ":", "+", ".")
