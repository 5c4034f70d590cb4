"""Sets of words and globs that values of a message are compared with.

A glob has ``*`` for any text and ``?`` for any one character, and nothing else. Matching one takes time in proportion to the
value, whatever the glob: a pattern someone wrote in haste cannot stop the feed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class _Piece(NamedTuple):
    """What stands between two stars: so many characters of any kind, a text, so many again.

    Attributes:
        pattern: the text, if it has ``?`` inside. Its length is fixed, so nothing is ever tried twice.
    """

    before: int
    text: str
    pattern: re.Pattern[str] | None
    after: int

    def end_in(self, value: str, start: int) -> int:
        """Find the piece from ``start`` on, as early as it can be, and say where it ends; -1 if it is not there."""
        start += self.before
        if self.pattern is not None:
            found = self.pattern.search(value, start)
            place = -1 if found is None else found.start()
        else:
            place = value.find(self.text, start)
        return -1 if place < 0 else place + len(self.text) + self.after


@dataclass(frozen=True, slots=True)
class Glob:
    """A glob, taken apart at its stars. Without a star, ``tail`` is ``None`` and ``head`` the whole."""

    head: str
    pieces: tuple[_Piece, ...] = ()
    tail: str | None = None

    def match(self, value: str) -> bool:
        """Say whether the whole of ``value`` matches."""
        if self.tail is None:
            return len(value) == len(self.head) and _stands(self.head, value, 0)
        end = len(value) - len(self.tail)
        place = len(self.head)
        if place > end or not _stands(self.head, value, 0) or not _stands(self.tail, value, end):
            return False
        for piece in self.pieces:
            place = piece.end_in(value, place)
            if not 0 <= place <= end:
                return False
        return True


def parse_glob(text: str) -> Glob:
    """Take a glob apart."""
    head, *others = text.split("*")
    if not others:
        return Glob(head)
    *middle, tail = others
    return Glob(head, tuple(_piece(part) for part in middle if part), tail)


@dataclass(frozen=True, slots=True)
class Words:
    """A set of words and globs; empty matches everything."""

    exact: frozenset[str] = frozenset()
    globs: tuple[Glob, ...] = ()

    def match(self, word: str) -> bool:
        """Say whether ``word`` is among them."""
        if not self.exact and not self.globs:
            return True
        return word in self.exact or (bool(self.globs) and any(glob.match(word) for glob in self.globs))


ANY = Words()


def words(texts: Sequence[str] | None) -> Words:
    """Sort words from globs; ``None`` matches everything."""
    given = texts or ()
    globs = [text for text in given if "*" in text or "?" in text]
    return Words(frozenset(given).difference(globs), tuple(map(parse_glob, globs)))


def _piece(text: str) -> _Piece:
    core = text.strip("?")
    before = len(text) - len(text.lstrip("?")) if core else 0
    pattern = None
    if "?" in core:
        pattern = re.compile("".join("." if mark == "?" else re.escape(mark) for mark in core), re.DOTALL)
    return _Piece(before, core, pattern, len(text) - before - len(core))


def _stands(text: str, value: str, place: int) -> bool:
    """Say whether ``text`` stands in ``value`` at ``place``; the value is long enough."""
    if "?" not in text:
        return value.startswith(text, place)
    return all(mark in ("?", found) for mark, found in zip(text, value[place : place + len(text)], strict=True))
