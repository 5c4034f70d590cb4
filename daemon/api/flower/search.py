"""Flower's search: words, ``field:word``, ``"phrases"``, AND, OR and parentheses. Pure.

A word is found in the id, the name, the state and the worker of a task; in what it was called with alone where the caller may see
that, for that something is found tells of it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import NamedTuple

from daemon.desks import BadRequest, FlowerTask
from daemon.public import escaped

FIELDS = frozenset(("name", "state", "worker", "args", "kwargs", "result"))
CONTENTS = frozenset(("args", "kwargs", "result"))
QUERY_LIMIT = 2048
TOKENS_LIMIT = 128
DEPTH_LIMIT = 5
WORD_LEAST = 3
KWARGS_LIMIT = 4096

Test = Callable[[FlowerTask], bool]
Sees = Callable[[FlowerTask], bool]
"""Says whether the caller may see what a task was called with."""


class _Token(NamedTuple):
    kind: str
    value: str
    place: int


class SearchInvalid(BadRequest):
    """What was searched for cannot be read."""

    code = "search-invalid"


def _wrong(text: str, place: int | None = None) -> SearchInvalid:
    return SearchInvalid(f"{text} at position {place}." if place is not None else f"{text}.", field="query.search")


def search(query: str, sees: Sees) -> Test | None:
    """Make a test of what was searched for; ``None`` if nothing was.

    Raises:
        SearchInvalid: it cannot be read.
    """
    query = query.strip()
    if len(query) > QUERY_LIMIT:
        message = f"Query exceeds {QUERY_LIMIT} characters"
        raise _wrong(message)
    tokens = _tokens(query)
    return None if tokens[0].kind == "end" else _Reader(tokens, sees).read()


def _tokens(query: str) -> list[_Token]:
    found: list[_Token] = []
    place = 0
    while place < len(query):
        mark = query[place]
        if mark.isspace():
            place += 1
            continue
        if mark in "()":
            found.append(_Token(mark, mark, place))
            place += 1
        else:
            value, is_quoted, after = _word(query, place)
            is_operator = not is_quoted and value in ("AND", "OR", "NOT")
            found.append(_Token(value if is_operator else "word", value, place))
            place = after
        if len(found) > TOKENS_LIMIT:
            message = f"Query exceeds {TOKENS_LIMIT} tokens"
            raise _wrong(message)
    for token in found:
        if token.kind == "NOT":
            message = "NOT is not supported"
            raise _wrong(message, token.place)
    return [*found, _Token("end", "", len(query))]


def _word(query: str, first: int) -> tuple[str, bool, int]:
    """Read a word up to a space or a parenthesis that no quotes hold."""
    value: list[str] = []
    place, is_quoted, is_inside = first, False, False
    while place < len(query):
        mark = query[place]
        if mark == "\\" and query[place + 1 : place + 2] in ('"', "\\"):
            value.append(query[place + 1])
            place += 2
            continue
        if mark == '"':
            is_quoted, is_inside = True, not is_inside
        elif not is_inside and (mark.isspace() or mark in "()"):
            break
        else:
            value.append(mark)
        place += 1
    if is_inside:
        message = "Unterminated quoted phrase"
        raise _wrong(message, first)
    if not value:
        message = "Empty search term"
        raise _wrong(message, first)
    return "".join(value), is_quoted, place


class _Reader:
    """Reads tokens from left to right; AND binds before OR, and stands between words that have nothing between them."""

    def __init__(self, tokens: list[_Token], sees: Sees) -> None:
        self._tokens = tokens
        self._sees = sees
        self._at = 0

    def read(self) -> Test:
        test = self._any(0)
        if self._now.kind != "end":
            message = f"Unexpected {escaped(self._now.value)!r}"
            raise _wrong(message, self._now.place)
        return test

    @property
    def _now(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _any(self, depth: int) -> Test:
        tests = [self._all(depth)]
        while self._now.kind == "OR":
            self._operand_after(self._next())
            tests.append(self._all(depth))
        return tests[0] if len(tests) == 1 else lambda task: any(test(task) for test in tests)

    def _all(self, depth: int) -> Test:
        tests = [self._one(depth)]
        while self._now.kind not in ("end", ")", "OR"):
            if self._now.kind == "AND":
                self._operand_after(self._next())
            tests.append(self._one(depth))
        return tests[0] if len(tests) == 1 else lambda task: all(test(task) for test in tests)

    def _operand_after(self, operator: _Token) -> None:
        if self._now.kind not in ("word", "("):
            message = f"{operator.value} must be followed by a search term"
            raise _wrong(message, operator.place)

    def _one(self, depth: int) -> Test:
        token = self._next()
        if token.kind == "word":
            return _term(token, self._sees)
        if token.kind != "(":
            message = "Expected a search term"
            raise _wrong(message, token.place)
        if depth >= DEPTH_LIMIT:
            message = f"Query nesting exceeds {DEPTH_LIMIT} levels"
            raise _wrong(message, token.place)
        if self._now.kind == ")":
            message = "Empty group"
            raise _wrong(message, token.place)
        test = self._any(depth + 1)
        if self._now.kind != ")":
            message = "Missing closing parenthesis"
            raise _wrong(message, token.place)
        self._next()
        return test


def _term(token: _Token, sees: Sees) -> Test:
    field, value = "", token.value
    before, colon, after = value.partition(":")
    if colon and before.casefold() in FIELDS:
        field, value = before.casefold(), after
    elif value.startswith("-"):
        message = "Negation with '-' is not supported"
        raise _wrong(message, token.place)
    if not value:
        message = "Search qualifier requires a value"
        raise _wrong(message, token.place)
    is_pair = field == "kwargs" and "=" in value
    if field != "state" and not is_pair and len(value.strip()) < WORD_LEAST:
        message = f"Substring search terms must contain at least {WORD_LEAST} characters"
        raise _wrong(message, token.place)
    wanted = value.casefold()
    if field == "state":
        return lambda task: task.state.casefold() == wanted
    if is_pair:
        name, _, item = wanted.partition("=")
        pair = (name.strip(), item.strip())
        return lambda task: sees(task) and pair in _pairs(task.kwargs)
    if field:
        return lambda task: (field not in CONTENTS or sees(task)) and wanted in _text(task, field)
    return lambda task: wanted in _open_text(task) or (sees(task) and wanted in _closed_text(task))


def _text(task: FlowerTask, field: str) -> str:
    return str(getattr(task, field, None) or "").casefold()


def _open_text(task: FlowerTask) -> str:
    return "\0".join((task.uuid, task.name or "", task.state, task.worker or "")).casefold()


def _closed_text(task: FlowerTask) -> str:
    return "\0".join((task.args or "", task.kwargs or "")).casefold()


def _pairs(kwargs: str | None) -> frozenset[tuple[str, str]]:
    """Read what workers wrote of keyword arguments; what they cut off cannot be read."""
    if not kwargs or len(kwargs) > KWARGS_LIMIT:
        return frozenset()
    try:
        found = ast.literal_eval(kwargs)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return frozenset()
    if not isinstance(found, dict):
        return frozenset()
    return frozenset((str(name).casefold(), str(value).casefold()) for name, value in found.items())
