"""On which line each key of a TOML file stands.

``tomllib`` keeps no positions. This scanner walks the same text once, notes where keys begin, and refuses files whose
nesting would make parsers slow or deep (a key of 20,000 parts takes ``tomllib`` seconds). It judges nothing else: what is
not TOML is for ``tomllib`` to say.
"""

from __future__ import annotations

import re
import tomllib

from daemon.settings.problems import KeyPath

KEY_PARTS_LIMIT = 16
NESTING_LIMIT = 32

_REST = r"[ \t]*(?:#[^\n]*|\r)?(?=\n|\Z)"
_PLAIN_HEADER = re.compile(rf"\[([\w-]+(?:\.[\w-]+){{0,{KEY_PARTS_LIMIT - 1}}})\]{_REST}")
_PLAIN_PAIR = re.compile(rf"""([\w-]+)[ \t]*=[ \t]*(?:"[^"\\\n]*"|[\w.:+-]+){_REST}""")
"""Nearly every line of a large file is one of these; the scanner takes them in one step."""

_BARE = re.compile(r"[\w-]*")
_SPACES = re.compile(r"[ \t]*")
_SCALAR = re.compile(r"[^,\]}#\n]*")
_INSIDE = {
    '"': re.compile(r'(?:[^"\\\n]++|\\[\s\S]?)*+'),
    "'": re.compile(r"[^'\n]*"),
    '"""': re.compile(r'(?:[^"\\]++|\\[\s\S]?|"(?!""))*+'),
    "'''": re.compile(r"(?:[^']++|'(?!''))*+"),
}
"""What stands between quotation marks."""


class TooDeep(ValueError):
    """The file nests deeper than any site needs.

    Attributes:
        line: where, from 1.
    """

    def __init__(self, line: int, what: str) -> None:
        """Keep the line and what was too deep."""
        super().__init__(what)
        self.line = line


def key_lines(text: str) -> dict[KeyPath, int]:
    """Map each table and key of a TOML document to its line, from 1.

    Raises:
        TooDeep: a dotted key of more than 16 parts, or brackets nested deeper than 32.
    """
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._lines: dict[KeyPath, int] = {}
        self._counts: dict[KeyPath, int] = {}

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._skip_blank():
            if self._peek() == "[":
                table = self._plain_header() or self._header()
            elif not self._plain_pair(table):
                self._pair(table, 0)
            self._skip_line()
        return self._lines

    def _plain_header(self) -> KeyPath:
        found = _PLAIN_HEADER.match(self._text, self._at)
        if found is None:
            return ()
        self._at = found.end()
        return self._enter(self._through_arrays(tuple(found[1].split("."))), self._line)

    def _plain_pair(self, table: KeyPath) -> bool:
        found = _PLAIN_PAIR.match(self._text, self._at)
        if found is None:
            return False
        self._at = found.end()
        self._lines.setdefault((*table, found[1]), self._line)
        return True

    def _header(self) -> KeyPath:
        line = self._line
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        path = self._through_arrays(self._key())
        if is_array:
            number = self._counts.get(path, 0)
            self._counts[path] = number + 1
            path = (*path, number)
        return self._enter(path, line)

    def _enter(self, path: KeyPath, line: int) -> KeyPath:
        for end in range(1, len(path) + 1):
            self._lines.setdefault(path[:end], line)
        return path

    def _through_arrays(self, key: KeyPath) -> KeyPath:
        # [feed.adt.route.kwargs] after [[feed.adt.route]] belongs to the last route.
        path: KeyPath = ()
        for part in key[:-1]:
            path = (*path, part)
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
        return (*path, *key[-1:])

    def _pair(self, table: KeyPath, depth: int) -> None:
        line = self._line
        key = self._key()
        for end in range(1, len(key) + 1):
            self._lines.setdefault((*table, *key[:end]), line)
        self._skip_spaces()
        if self._peek() == "=":
            self._at += 1
            self._value((*table, *key), depth)

    def _key(self) -> KeyPath:
        parts: list[str] = []
        while True:
            self._skip_spaces()
            mark = self._peek()
            if mark and mark in "\"'":
                parts.append(_unescaped(self._string()) if mark == '"' else self._string())
            else:
                parts.append(self._take(_BARE))
            if len(parts) > KEY_PARTS_LIMIT:
                raise TooDeep(self._line, f"a key of more than {KEY_PARTS_LIMIT} parts")
            self._skip_spaces()
            if self._peek() != ".":
                return tuple(parts)
            self._at += 1

    def _value(self, path: KeyPath, depth: int) -> None:
        if depth > NESTING_LIMIT:
            raise TooDeep(self._line, f"brackets nested deeper than {NESTING_LIMIT}")
        self._skip_spaces()
        mark = self._peek()
        if mark and mark in "\"'":
            self._string()
        elif mark == "[":
            self._array(path, depth)
        elif mark == "{":
            self._inline_table(path, depth)
        else:
            self._take(_SCALAR)

    def _array(self, path: KeyPath, depth: int) -> None:
        self._at += 1
        number = 0
        while self._skip_blank() and self._peek() != "]":
            before = self._at
            self._lines.setdefault((*path, number), self._line)
            self._value((*path, number), depth + 1)
            number += 1
            self._skip_blank()
            if self._peek() == ",":
                self._at += 1
            elif self._at == before:
                return  # not TOML; leave it to the parser
        self._at += 1

    def _inline_table(self, path: KeyPath, depth: int) -> None:
        self._at += 1
        while self._skip_blank() and self._peek() != "}":
            before = self._at
            self._pair(path, depth + 1)
            self._skip_blank()
            if self._peek() == ",":
                self._at += 1
            elif self._at == before:
                return
        self._at += 1

    def _string(self) -> str:
        mark = self._peek()
        fence = mark * 3 if self._text.startswith(mark * 3, self._at) else mark
        self._at += len(fence)
        inner = self._take(_INSIDE[fence])
        self._line += inner.count("\n")
        self._at = min(self._at + len(fence), len(self._text))
        while len(fence) == 3 and self._peek() == mark:  # noqa: PLR2004 - a multi-line string may end in quotes
            self._at += 1
        return inner

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, pattern: re.Pattern[str]) -> str:
        """Pass what ``pattern`` matches here, which may be nothing, and give it."""
        found = pattern.match(self._text, self._at)
        assert found is not None  # every pattern given matches nothing too
        self._at = found.end()
        return found[0]

    def _skip_spaces(self) -> None:
        self._take(_SPACES)

    def _skip_blank(self) -> bool:
        """Pass white space, line ends and comments; say whether anything is left."""
        while mark := self._peek():
            if mark == "\n":
                self._line += 1
            elif mark == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
                continue
            elif mark not in " \t\r":
                return True
            self._at += 1
        return False

    def _skip_line(self) -> None:
        end = self._text.find("\n", self._at)
        self._at = len(self._text) if end < 0 else end


def _unescaped(inner: str) -> str:
    """Undo the escapes of a basic string; what is not one is left as it is, for ``tomllib`` to refuse."""
    if "\\" not in inner:
        return inner
    try:
        return str(tomllib.loads(f'key = "{inner}"')["key"])
    except tomllib.TOMLDecodeError:
        return inner
