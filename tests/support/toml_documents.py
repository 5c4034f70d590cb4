"""TOML documents made up by hypothesis, with the line of every key: tables, arrays of tables, dotted keys, inline tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]

DEPTH = 3
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_MARKS = "ab.Z#='\"[]{},\\ \t-_é→😀0"
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\x00": "\\u0000", "\x1b": "\\U0000001b"}
_PLAIN = (
    *("1", "-17", "+0", "0xDEAD_beef", "0o17", "0b1", "1_000", "3.14", "-0.0", "6e+23", "inf", "-nan", "true", "false"),
    *("1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00.999-07:00"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """A text, and on which line each of its keys was first written."""

    text: str
    lines: dict[Path, int]


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Make a valid TOML document."""
    writer = _Writer(draw, draw(st.sampled_from(("\n", "\r\n"))))
    writer.blank()
    writer.body((), DEPTH)
    writer.tables((), (), DEPTH)
    if draw(st.booleans()):
        writer.emit("# the end, without a line end")
    return Document("".join(writer.pieces), writer.lines)


def key_paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Give every key and every list item of what ``tomllib`` read."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from key_paths(inner, (*path, key))


@dataclass(slots=True)
class _Writer:
    draw: st.DrawFn
    end: str
    pieces: list[str] = field(default_factory=list)
    lines: dict[Path, int] = field(default_factory=dict)
    line: int = 1
    taken: dict[Path, set[str]] = field(default_factory=dict)

    # -- bits ----------------------------------------------------------------------------------------------------------

    def emit(self, text: str) -> None:
        self.pieces.append(text)
        self.line += text.count("\n")

    def note(self, path: Path) -> None:
        self.lines.setdefault(path, self.line)

    def maybe(self) -> bool:
        return self.draw(st.booleans())

    def number(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def spaces(self) -> None:
        self.emit(self.draw(st.sampled_from(("", "", " ", "\t", "  \t"))))

    def comment(self) -> str:
        return self.draw(st.sampled_from(("", "", "# a remark", "#", "#'''", '# "[{')))

    def end_of_line(self) -> None:
        self.spaces()
        self.emit(self.comment() + self.end)

    def blank(self) -> None:
        """Write white space, line ends and comments, as may stand between statements and between items of arrays."""
        for _ in range(self.number(0, 2)):
            self.spaces()
            self.emit(self.comment() + self.end)
        self.spaces()

    # -- keys ----------------------------------------------------------------------------------------------------------

    def new_name(self, table: Path) -> str:
        """Draw a name that the table does not have yet."""
        taken = self.taken.setdefault(table, set())
        names = st.sampled_from(("a", "b", "cc", "int", "0", "a-b", "1")) | st.text(_MARKS + "\n\x00", max_size=4)
        name = self.draw(names.filter(lambda one: one not in taken))
        taken.add(name)
        return name

    def key(self, name: str) -> None:
        forms = []
        if _BARE.fullmatch(name):
            forms += [name, name]
        if not set(name) & set("'\n\x00"):
            forms.append(f"'{name}'")
        forms.append(f'"{self.escaped(name)}"')
        self.emit(self.draw(st.sampled_from(forms)))

    def dotted(self, names: tuple[str, ...]) -> None:
        for place, name in enumerate(names):
            if place:
                self.spaces()
                self.emit(".")
                self.spaces()
            self.key(name)

    def escaped(self, text: str) -> str:
        return "".join(_ESCAPES.get(mark) or (self.unicode_escape(mark)) for mark in text)

    def unicode_escape(self, mark: str) -> str:
        if self.number(0, 9):
            return mark
        return f"\\u{ord(mark):04X}" if ord(mark) < 0x10000 else f"\\U{ord(mark):08x}"

    # -- values --------------------------------------------------------------------------------------------------------

    def value(self, path: Path, depth: int) -> None:
        kinds = ["plain", "string", "lines"]
        if depth > 0:
            kinds += ["array", "inline"]
        kind = self.draw(st.sampled_from(kinds))
        if kind == "plain":
            self.emit(self.draw(st.sampled_from(_PLAIN)))
        elif kind == "string":
            self.string()
        elif kind == "lines":
            self.lines_of_text()
        elif kind == "array":
            self.array(path, depth)
        else:
            self.inline(path, depth)

    def string(self) -> None:
        text = self.draw(st.text(_MARKS, max_size=8))
        if self.maybe() and "'" not in text:
            self.emit(f"'{text}'")
        else:
            self.emit(f'"{self.escaped(text)}"')

    def lines_of_text(self) -> None:
        rows = self.draw(st.lists(st.text(_MARKS, max_size=6), max_size=3))
        if self.maybe():
            text = self.end.join(row.replace("'", "") for row in rows)
            ending = self.draw(st.sampled_from(("", "'", "''"))) if text else ""
            self.emit(f"'''{text}{ending}'''")
        else:
            joints = (self.end, f"\\{self.end}  ", f"{self.end}{self.end}", '\\"""', '""x')
            text = self.draw(st.sampled_from(joints)).join(self.escaped(row) for row in rows)
            ending = self.draw(st.sampled_from(("", '"', '""'))) if text and not text.endswith('"') else ""
            self.emit(f'"""{text}{ending}"""')

    def array(self, path: Path, depth: int) -> None:
        self.emit("[")
        count = self.number(0, 3)
        for place in range(count):
            self.blank()
            self.note((*path, place))
            self.value((*path, place), depth - 1)
            self.blank()
            if place < count - 1 or self.maybe():
                self.emit(",")
        self.blank()
        self.emit("]")

    def inline(self, path: Path, depth: int) -> None:
        self.emit("{")
        count = self.number(0, 3)
        for place in range(count):
            self.spaces()
            self.pair(path, depth - 1)
            self.spaces()
            if place < count - 1:
                self.emit(",")
        self.spaces()
        self.emit("}")

    # -- statements ----------------------------------------------------------------------------------------------------

    def pair(self, table: Path, depth: int) -> None:
        """Write ``key = value``; a dotted key makes tables that nothing else may add to."""
        names: tuple[str, ...] = ()
        for _ in range(self.number(1, 3)):
            names = (*names, self.new_name((*table, *names)))
        for end in range(1, len(names) + 1):
            self.note((*table, *names[:end]))
        self.dotted(names)
        self.spaces()
        self.emit("=")
        self.spaces()
        self.value((*table, *names), depth)

    def body(self, table: Path, depth: int) -> None:
        for _ in range(self.number(0, 3)):
            self.spaces()
            self.pair(table, depth)
            self.end_of_line()
            self.blank()

    def header(self, path: Path, names: tuple[str, ...], opening: str, closing: str) -> None:
        for end in range(1, len(path) + 1):
            self.note(path[:end])
        self.spaces()
        self.emit(opening)
        self.spaces()
        self.dotted(names)
        self.spaces()
        self.emit(closing)
        self.end_of_line()
        self.blank()

    def tables(self, table: Path, names: tuple[str, ...], depth: int) -> None:
        """Write the tables below ``table``; ``names`` is how headers call it, without numbers."""
        for _ in range(self.number(0, 2) if depth else 0):
            name = self.new_name(table)
            path, called = (*table, name), (*names, name)
            if self.maybe():
                for place in range(self.number(1, 3)):
                    self.header((*path, place), called, "[[", "]]")
                    self.body((*path, place), depth - 1)
                    self.tables((*path, place), called, depth - 1)
                continue
            is_late = self.maybe()
            if is_late:
                self.tables(path, called, depth - 1)
            self.header(path, called, "[", "]")
            self.body(path, depth - 1)
            if not is_late:
                self.tables(path, called, depth - 1)
