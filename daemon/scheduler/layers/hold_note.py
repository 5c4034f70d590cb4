"""Why all schedules of a site are held, as it is kept in the broker: JSON. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from daemon.clock import instant
from daemon.public import escaped


class HoldNote(NamedTuple):
    """Who holds all schedules, since when, why and until when; the reason is in a person's words."""

    reason: str
    author: str = ""
    at_us: int | None = None
    until_us: int | None = None

    def __str__(self) -> str:
        """Say it in one line."""
        parts = [f"by {self.author or 'someone'}", _at("since", self.at_us), _at("until", self.until_us)]
        return escaped(f"{' '.join(part for part in parts if part)}: {self.reason}")


def write_hold(note: HoldNote) -> str:
    """Write what is kept."""
    given = {"reason": note.reason, "author": note.author, "at": note.at_us, "until": note.until_us}
    return orjson.dumps({name: value for name, value in given.items() if value is not None}).decode()


def read_hold(text: str) -> HoldNote:
    """Read what is kept; what something else wrote is a reason as it stands."""
    try:
        raw = orjson.loads(text)
        return HoldNote(str(raw["reason"]), str(raw.get("author", "")), _us(raw.get("at")), _us(raw.get("until")))
    except (orjson.JSONDecodeError, AttributeError, TypeError, KeyError, ValueError):
        return HoldNote(text)


def _us(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _at(word: str, at_us: int | None) -> str:
    return "" if at_us is None else f"{word} {instant(at_us).isoformat(timespec='seconds').replace('+00:00', 'Z')}"
