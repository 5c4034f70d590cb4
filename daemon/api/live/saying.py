"""What a reader of live events may say. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import orjson

from daemon.api.live.frames import Cursor, parse_cursor

_FIELDS = frozenset(("subscribe", "unsubscribe", "since"))


class Said(NamedTuple):
    """What is to be followed from now on, and what no longer; ``since``: how far the reader knows it already."""

    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    since: Cursor | None = None


def read_said(text: bytes, topics: Collection[str]) -> Said | str:
    """Read what a reader says, or say what is wrong with it."""
    try:
        found = orjson.loads(text)
    except ValueError:
        return "it is no JSON"
    if not isinstance(found, dict) or not found or not found.keys() <= _FIELDS:
        return 'say {"subscribe": [topics], "since": cursor} or {"unsubscribe": [topics]}'
    lists = [found.get("subscribe", []), found.get("unsubscribe", [])]
    for one in lists:
        if not isinstance(one, list) or not all(isinstance(topic, str) for topic in one) or len(one) > len(topics):
            return "topics stand in a list"
        if not set(one) <= set(topics):
            return f"there are the topics {', '.join(sorted(topics))}"
    since = found.get("since")
    if since is not None and not isinstance(since, str):
        return "a cursor is a text"
    subscribe, unsubscribe = (tuple(dict.fromkeys(one)) for one in lists)
    return Said(subscribe, unsubscribe, parse_cursor(since) if since else None)
