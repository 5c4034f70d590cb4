"""On which line each key of a TOML file stands.

``tomllib`` keeps no positions. This scanner walks the same text once, notes where keys begin, and refuses files whose
nesting would make parsers slow or deep (a key of 20,000 parts takes ``tomllib`` seconds). It judges nothing else: what is
not TOML is for ``tomllib`` to say.
"""

from __future__ import annotations

import tomllib

from daemon.settings.problems import KeyPath

KEY_PARTS_LIMIT = 16
NESTING_LIMIT = 32


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
                table = self._header()
            else:
                self._pair(table, 0)
            self._skip_line()
        return self._lines

    def _header(self) -> KeyPath:
        line = self._line
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        path = self._through_arrays(self._key())
        if is_array:
            number = self._counts.get(path, 0)
            self._counts[path] = number + 1
            path = (*path, number)
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
                start = self._at
                while self._peek() and (self._peek().isalnum() or self._peek() in "_-"):
                    self._at += 1
                parts.append(self._text[start : self._at])
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
            while self._peek() and self._peek() not in ",]}#\n":
                self._at += 1

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
        start = self._at + len(fence)
        at = start
        while at < len(self._text) and not self._text.startswith(fence, at):
            if len(fence) == 1 and self._text[at] == "\n":
                break
            at += 2 if mark == '"' and self._text[at] == "\\" else 1
        self._line += self._text.count("\n", start, at)
        inner = self._text[start:at]
        self._at = min(at + len(fence), len(self._text))
        while len(fence) == 3 and self._peek() == mark:  # noqa: PLR2004 - a multi-line string may end in quotes
            self._at += 1
        return inner

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip_spaces(self) -> None:
        while self._peek() and self._peek() in " \t":
            self._at += 1

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
