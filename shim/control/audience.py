"""Whom a command is for, decided as every node decides it (``kombu/pidbox.py``, ``Node.handle_message``)."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Final, Literal

from shim.errors import RequestInvalid

Matcher = Literal["glob", "pcre"]

NODES_LIMIT = 1000
NODE_NAME_LIMIT = 255
PATTERN_LIMIT = 255


@dataclass(frozen=True, slots=True)
class Audience:
    """The nodes a command is for: all of them, those named, or those whose names match.

    Attributes:
        destination: exact node names such as ``celery@host``; ``None`` for all.
        pattern: what names must match; not together with ``destination``, which would win.
        matcher: ``glob`` (shell patterns, the whole name) or ``pcre`` (Python's ``re.match``, from the beginning).
    """

    destination: tuple[str, ...] | None = None
    pattern: str | None = None
    matcher: Matcher = "glob"

    def __post_init__(self) -> None:
        """Refuse what nodes would not understand, or would take for everyone.

        Raises:
            RequestInvalid: no name at all, a malformed name or pattern, or both.
        """
        if self.destination is not None:
            _check_destination(self.destination)
            if self.pattern is not None:
                message = "audience: names and a pattern; a node heeds only the names"
                raise RequestInvalid(message, hint="give one of them")
        if self.matcher not in ("glob", "pcre"):
            message = "matcher: not known to nodes"
            raise RequestInvalid(message, hint="glob or pcre")
        if self.pattern is not None:
            _check_pattern(self.pattern, self.matcher)

    def includes(self, node: str) -> bool:
        """Say whether ``node`` is meant."""
        if self.destination is not None:
            return node in self.destination
        return self.pattern is None or matches(node, self.pattern, self.matcher)


EVERYONE: Final = Audience()


def only(*nodes: str) -> Audience:
    """Address the nodes of these exact names.

    Raises:
        RequestInvalid: no name (Celery would take that for everyone), or a malformed one.
    """
    return Audience(destination=tuple(dict.fromkeys(nodes)))


def matching(pattern: str, matcher: Matcher = "glob") -> Audience:
    """Address the nodes whose names match.

    Raises:
        RequestInvalid: an empty pattern (Celery would take that for everyone), or a malformed one.
    """
    return Audience(pattern=pattern, matcher=matcher)


def matches(node: str, pattern: str, matcher: Matcher) -> bool:
    """Match as ``kombu/matcher.py`` does; a regular expression that is none matches nothing."""
    if matcher == "pcre":
        expression = _compiled(pattern)
        return expression is not None and expression.match(node) is not None
    return fnmatch(node, pattern)


def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of what "[[" may mean some day
            return re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return None


def _check_destination(nodes: object) -> None:
    if not isinstance(nodes, tuple) or not 0 < len(nodes) <= NODES_LIMIT:
        message = f"destination: 1 to {NODES_LIMIT} names of nodes are needed"
        raise RequestInvalid(message, hint="leave it out to mean every node")
    for node in nodes:
        if not isinstance(node, str) or not 0 < len(node) <= NODE_NAME_LIMIT or not node.isprintable():
            message = f"destination: a node's name has 1 to {NODE_NAME_LIMIT} printable characters"
            raise RequestInvalid(message, hint="such as celery@host")


def _check_pattern(pattern: object, matcher: Matcher) -> None:
    if not isinstance(pattern, str) or not 0 < len(pattern) <= PATTERN_LIMIT or not pattern.isprintable():
        message = f"pattern: 1 to {PATTERN_LIMIT} printable characters are needed"
        raise RequestInvalid(message, hint="leave it out to mean every node")
    if matcher == "pcre" and _compiled(pattern) is None:
        message = "pattern: no regular expression"
        raise RequestInvalid(message)
