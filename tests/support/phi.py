"""Finding patient data where it does not belong: the values of a message's patient segments, and a search for them in any text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from daemon.hl7listener.text.header import BOM, Header, parse_header

PATIENT_SEGMENTS = frozenset(("PID", "NK1", "IN1", "IN2", "GT1", "OBX"))
SHORTEST, SHORTEST_NUMBER = 4, 5
"""Shorter values are codes (sex, units, sets of numbers) that are in every text by chance."""

_ENDS = re.compile(r"[\r\n]+")
_MADE_UP_BY_US = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]*(?:[+-]\d\d:\d\d|Z)?"  # instants
    r"|\b(?:\d{1,3}\.){3}\d{1,3}:\d+|localhost:\d+"  # addresses with ports
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"  # task ids
    r"|\b[0-9a-f]{16,64}\b"  # epochs and hashes
    r"|\b\d+\.\d+(?:e[+-]?\d+)?\b"  # durations
    r"|^(?:process|python)_.*$",  # what the metrics say of the process
    re.MULTILINE,
)


class Leak(NamedTuple):
    """A value of a patient, and where it was found."""

    place: str
    value: str
    around: str


def patient_values(messages: Iterable[bytes]) -> frozenset[str]:
    """Give every value of the patient segments: fields, repetitions, components and sub-components of some length.

    What stands in a header as well is left out: the sender, its facility and the type of a message are shown.
    """
    found: set[str] = set()
    headers: set[str] = set()
    for message in messages:
        text = _text(message)
        header = parse_header(message)
        marks = header.delimiters.encoding.decode("latin-1") if isinstance(header, Header) else "^~\\&"
        separator = header.delimiters.field.decode("latin-1") if isinstance(header, Header) else "|"
        for line in _ENDS.split(text):
            name = line[:3]
            if name in PATIENT_SEGMENTS:
                for field in line.split(separator)[1:]:
                    found.update(_parts(field, marks))
            elif name == "MSH":
                headers.add(line)
    told = "\n".join(headers)
    return frozenset(value for value in found if _is_telling(value) and value not in told)


def _text(message: bytes) -> str:
    message = message.removeprefix(BOM)
    try:
        return message.decode()
    except UnicodeDecodeError:
        return message.decode("latin-1")


def _parts(field: str, marks: str) -> Iterator[str]:
    yield field.strip()
    for mark in (marks[1:2], marks[:1], marks[3:4]):
        if mark and mark in field:
            for part in field.split(mark):
                yield from _parts(part, marks.replace(mark, "\x00"))


def _is_telling(value: str) -> bool:
    least = SHORTEST_NUMBER if re.fullmatch(r"[\d.,:+-]+", value) else SHORTEST
    return len(value) >= least and any(mark.isalnum() for mark in value)


class Scan:
    """Looks for values in texts, however these write them."""

    def __init__(self, values: Iterable[str], ordinary: str) -> None:
        """Leave out the values that stand in ``ordinary``, which says nothing of anybody."""
        usual = {word.lower() for word in _words(ordinary)}
        low = ordinary.lower()
        self.values = frozenset(value for value in values if value.lower() not in usual and value.lower() not in low)
        self._forms = {form: value for value in self.values for form in _forms(value)}
        starts: dict[str, list[str]] = {}
        for form in self._forms:
            starts.setdefault(form[:SHORTEST], []).append(form)
        self._starts = starts

    def leaks(self, place: str, text: str) -> list[Leak]:
        """Give the values that occur in a text, as whole words or phrases."""
        text = _MADE_UP_BY_US.sub("\x01", text)
        return [
            Leak(place, self._forms[form], text[max(at - 40, 0) : at + len(form) + 40])
            for at in range(len(text))
            for form in self._starts.get(text[at : at + SHORTEST], ())
            if text.startswith(form, at) and _is_apart(text, at, at + len(form))
        ]


def _words(text: str) -> Iterator[str]:
    return (match[0] for match in re.finditer(r"[^\W_]+", text))


def _forms(value: str) -> Iterator[str]:
    """Write a value as text, in JSON, and as Python shows text and bytes."""
    yield value
    yield json.dumps(value)[1:-1]
    yield repr(value)[1:-1]
    for codec in ("utf-8", "latin-1"):
        try:
            yield repr(value.encode(codec))[2:-1]
        except UnicodeEncodeError:
            continue


def _is_apart(text: str, start: int, end: int) -> bool:
    return not (start and text[start - 1].isalnum() and text[start].isalnum()) and not (
        end < len(text) and text[end].isalnum() and text[end - 1].isalnum()
    )
