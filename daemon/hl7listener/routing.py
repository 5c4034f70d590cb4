"""Which task a message becomes: routes of a feed, tried in order; the first that matches wins.

A route names message types (MSH-9.1) and trigger events (MSH-9.2), each a word, a list, or with ``*`` and ``?``. There are
no regular expressions: a pattern someone wrote in haste cannot stop the feed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase

from daemon.hl7listener.path import Hl7Path
from daemon.public import Public


@dataclass(frozen=True, slots=True)
class Words:
    """A set of words and globs; empty matches everything."""

    exact: frozenset[str] = frozenset()
    globs: tuple[str, ...] = ()

    def match(self, word: str) -> bool:
        """Say whether ``word`` is among them."""
        if not self.exact and not self.globs:
            return True
        return word in self.exact or any(fnmatchcase(word, glob) for glob in self.globs)


def words(texts: Sequence[str] | None) -> Words:
    """Sort words from globs; ``None`` matches everything."""
    given = texts or ()
    globs = tuple(text for text in given if any(mark in text for mark in "*?["))
    return Words(frozenset(given) - frozenset(globs), globs)


@dataclass(frozen=True, slots=True)
class Route:
    """What becomes of the messages it matches.

    Attributes:
        arguments: keyword arguments and the paths they come from; ``None`` hands over the whole document.
    """

    types: Words
    events: Words
    task: Public
    arguments: Mapping[str, Hl7Path] | None = field(default=None, repr=False)
    queue: Public | None = None
    priority: int | None = None
    expires_us: int | None = None


@dataclass(frozen=True, slots=True)
class Routing:
    """The routes of a feed, and what becomes of messages none of them matches.

    Attributes:
        parks_unrouted: whether messages no route matches are accepted and kept, instead of rejected.
    """

    routes: tuple[Route, ...]
    parks_unrouted: bool = False


class Unrouted(Enum):
    """Why no route matched."""

    TYPE = "type-not-routed"
    EVENT = "event-not-routed"


def find_route(routes: Sequence[Route], message_type: str, trigger_event: str) -> Route | Unrouted:
    """Find the first route for a message, or say what no route knows."""
    is_known = False
    for route in routes:
        if route.types.match(message_type):
            is_known = True
            if route.events.match(trigger_event):
                return route
    return Unrouted.EVENT if is_known else Unrouted.TYPE
