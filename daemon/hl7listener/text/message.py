"""The values of a decoded message, found by their paths when they are asked for.

Nothing is cut before it is needed: a segment is found by its name, and only its fields up to the asked one are split.
"""

from __future__ import annotations

from collections.abc import Iterator

from daemon.hl7listener.text.escapes import Marks, marks_of, unescape
from daemon.hl7listener.text.header import Delimiters
from daemon.hl7listener.text.path import Hl7Path
from daemon.hl7listener.text.segments import NAME_LENGTH, SegmentEnd, with_cr_ends, with_lf_ends

_CONTROL_SEGMENTS = frozenset(("MSH", "FHS", "BHS"))
_FIELDS = 1000
"""Fields are cut no further than a path can count, whatever a segment holds."""
_KEPT_SEGMENTS = 16
_LF = SegmentEnd.LF


class Message:
    """A decoded message. It is never shown."""

    __slots__ = ("_codec", "_cut", "_end", "_ends", "_marks", "_starts", "_text")

    def __init__(self, text: str, delimiters: Delimiters, codec: str | None = None) -> None:
        """Take a message; ``codec`` is what it was decoded with, for escape sequences that switch the character set."""
        self._marks = _marks_of(delimiters)
        is_lf = delimiters.end is _LF
        self._text = with_lf_ends(text) if is_lf else with_cr_ends(text, self._marks.field, delimiters.end)
        self._end = "\n" if is_lf else "\r"
        self._ends = self._marks.field + self._end  # of a segment's name; nothing, at the end of the text, is in it too
        self._codec = codec
        self._starts: dict[str, list[int]] = {}
        self._cut: dict[int, list[str]] = {}

    def get(self, path: Hl7Path) -> str | None:
        """Give the value at ``path``; ``None`` if the message does not reach that far, or the value is empty.

        Of a path that names several places, the first value that is there. A field or component that has parts is given
        as it stands; a value without parts with its escape sequences resolved.
        """
        segment, occurrence, place, repetition, component, subcomponent = path
        if not occurrence or not repetition:  # EVERY
            return next((value for value in self._all(path) if value is not None), None)
        starts = self._starts.get(segment)
        start = starts[occurrence - 1] if starts and occurrence <= len(starts) else self._start(segment, occurrence)
        if start < 0:
            return None
        fields = self._cut.get(start)
        if fields is None:
            text = self._text
            end = text.find(self._end, start)
            fields = (text[start:end] if end >= 0 else text[start:]).split(self._marks[0], _FIELDS)
            if len(self._cut) >= _KEPT_SEGMENTS:
                self._cut.clear()
            self._cut[start] = fields
        if segment in _CONTROL_SEGMENTS:  # the separator itself is field 1
            place -= 1
            if place <= 1:
                return self._literal(place, fields)
        if place >= len(fields):
            return None
        value = fields[place]
        return self._part(value, repetition, component, subcomponent) if value else None

    def get_all(self, path: Hl7Path) -> list[str | None]:
        """Give the values at every place ``path`` names, in their order.

        An occurrence or a repetition that is empty there gives ``None`` and keeps its place; a field that is empty has no
        repetitions.
        """
        return list(self._all(path)) if path.is_many else [self.get(path)]

    def _all(self, path: Hl7Path) -> Iterator[str | None]:
        is_control = path.segment in _CONTROL_SEGMENTS
        place = path.field - is_control
        for start in self._every(path.segment) if not path.occurrence else [self._start(path.segment, path.occurrence)]:
            if start < 0:
                return
            fields = self._fields(start)
            if is_control and place <= 1:
                yield self._literal(place, fields)
                continue
            value = fields[place] if place < len(fields) else ""
            if path.repetition:
                yield self._part(value, path.repetition, path.component, path.subcomponent)
            elif value:
                mark = self._marks.repetition
                for one in value.split(mark) if mark else (value,):
                    yield self._part(one, 1, path.component, path.subcomponent)

    # -- segments ------------------------------------------------------------------------------------------------------

    def _start(self, name: str, occurrence: int) -> int:
        """Find where a segment begins, by its name and number; -1 if there is none."""
        text, ends = self._text, self._ends
        starts = self._starts.get(name)
        if starts is None:
            is_first = name in _CONTROL_SEGMENTS and text.startswith(name)  # no other segment can be
            starts = self._starts[name] = [0] if is_first and text[NAME_LENGTH : NAME_LENGTH + 1] in ends else []
        begin = starts[-1] if starts else 0
        marked = self._end + name
        while len(starts) < occurrence and begin >= 0:
            begin = text.find(marked, begin) + 1
            if not begin:
                begin = -1
                starts.append(begin)
            elif text[begin + NAME_LENGTH : begin + NAME_LENGTH + 1] in ends:
                starts.append(begin)
        return starts[occurrence - 1] if occurrence <= len(starts) else -1

    def _every(self, name: str) -> Iterator[int]:
        number = 1
        while (start := self._start(name, number)) >= 0:
            yield start
            number += 1

    def _fields(self, start: int) -> list[str]:
        text = self._text
        end = text.find(self._end, start)
        line = text[start:end] if end >= 0 else text[start:]
        return line.split(self._marks[0], _FIELDS)

    # -- parts of a field ----------------------------------------------------------------------------------------------

    def _part(self, value: str, repetition: int, component: int, subcomponent: int) -> str | None:
        _, within_field, between_fields, escape, within_component, _ = self._marks
        if repetition != 1 or between_fields in value:
            value = _piece(value, between_fields, repetition)
        if component:
            if component != 1 or within_field in value:
                value = _piece(value, within_field, component)
            if subcomponent:
                value = _piece(value, within_component, subcomponent)
        elif within_field in value:
            return value
        if escape and escape in value and (subcomponent or not within_component or within_component not in value):
            value = unescape(value, self._marks, self._codec)
        return value or None

    def _literal(self, place: int, fields: list[str]) -> str | None:
        """Give MSH-1 or MSH-2, which hold the delimiters themselves; ``place`` is one less."""
        if place == 0:
            return self._marks.field
        return (fields[1] or None) if len(fields) > 1 else None


def _piece(value: str, mark: str, number: int) -> str:
    if not mark:
        return value if number == 1 else ""
    parts = value.split(mark, number)
    return parts[number - 1] if number <= len(parts) else ""


_MOST_DELIMITERS = 64
_known: dict[int, tuple[Delimiters, Marks]] = {}
"""By identity, because a header's delimiters are made once and comparing them costs more than all else here."""


def _marks_of(delimiters: Delimiters) -> Marks:
    found = _known.get(id(delimiters))
    if found is not None and found[0] is delimiters:
        return found[1]
    marks = marks_of(
        delimiters.field.decode("ascii"),
        delimiters.component.decode("ascii"),
        delimiters.repetition.decode("ascii"),
        delimiters.escape.decode("ascii"),
        delimiters.subcomponent.decode("ascii"),
        delimiters.truncation.decode("ascii"),
    )
    if len(_known) >= _MOST_DELIMITERS:
        _known.clear()
    _known[id(delimiters)] = (delimiters, marks)
    return marks
