"""How the lanes of feeds are laid out, as text that tells whether a start finds them otherwise than the last one. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import orjson

from daemon.hl7listener.feed import Feed

Arrangement: TypeAlias = Mapping[str, Sequence[str]]
"""For each feed, one line for each way of laying out lanes."""


def arrangement_of(feeds: Sequence[Feed]) -> Arrangement:
    """Describe the lanes of feeds."""
    found = {}
    for feed in feeds:
        keys = {route.lane_key for route in feed.routing.routes if route.lane_key is not None}
        paths = {key: " ".join(".".join(map(str, path)) for path in key.paths) for key in keys}
        found[str(feed.name)] = sorted(f"{key.base} {key.lanes} {paths[key]}" for key in keys)
    return found


def changed(before: Arrangement, now: Arrangement) -> list[str]:
    """Name the feeds that were there before and had other lanes."""
    return [name for name, lines in now.items() if name in before and list(before[name]) != list(lines)]


def write_arrangement(arrangement: Arrangement) -> bytes:
    """Write it as JSON."""
    return orjson.dumps({"version": 1, "feeds": arrangement})


def read_arrangement(data: bytes) -> Arrangement | None:
    """Read it; ``None`` if it cannot be made out."""
    try:
        found = orjson.loads(data)
    except ValueError:
        return None
    feeds = found.get("feeds") if isinstance(found, dict) and found.get("version") == 1 else None
    is_whole = isinstance(feeds, dict) and all(isinstance(lines, list) for lines in feeds.values())
    return feeds if is_whole else None
