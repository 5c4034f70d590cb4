"""Entries that someone added at run time, as they are kept: JSON. Pure.

Besides whole entries these are tasks held until their time, runs asked for by hand, and past occurrences made up for: entries
that are taken out when they have fired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from daemon.public import Public, escaped
from daemon.scheduler.model import How

NAME_LIMIT = 255
HELD = "held:"
"""What the id of a held task begins with; its task id follows."""


@dataclass(frozen=True, slots=True)
class Added:
    """An entry that was added. What it is given is left out of the representation.

    Attributes:
        id: what it is known by.
        name: what it is called: for a run of another entry that one's name.
        data: its keys, as in a site file.
        author, at_us, reason: who added it, when and why.
        begins_us: occurrences after this instant are due.
        is_once: it is taken out when it has fired.
        task_id: of a task that was promised to its caller.
        zone: time zone for its templates, where its timing has no use for one.
        kin: id of the entry it is a run of.
    """

    id: str
    name: str
    data: Mapping[str, Any] = field(repr=False)
    author: str = ""
    at_us: int = 0
    reason: str = field(default="", repr=False)
    begins_us: int | None = None
    how: How = How.CLOCK
    is_once: bool = False
    task_id: str | None = None
    zone: str | None = None
    kin: str | None = None

    @property
    def shown_name(self) -> Public:
        """Give the name as it may be shown: it is a name someone with access to the broker chose, cut to what fits a line."""
        return Public(escaped(self.name)[:NAME_LIMIT])


_KEYS = {
    "name": "name", "data": "data", "author": "author", "at_us": "at", "reason": "reason", "begins_us": "from", "is_once": "once",
    "task_id": "task_id", "zone": "zone", "kin": "kin",
}  # fmt: skip


_KINDS = {"data": dict, "at_us": int, "begins_us": int, "is_once": bool}
"""What they must be; all others are texts."""


def write_added(one: Added) -> str:
    """Write all but the id."""
    found: dict[str, Any] = {}
    for name, key in _KEYS.items():
        value = getattr(one, name)
        if value not in ("", None, False, 0):
            found[key] = value
    if one.how is not How.CLOCK:
        found["how"] = one.how.value
    return orjson.dumps(found).decode()


def read_added(entry_id: str, text: str) -> Added | None:
    """Read an entry that was added; ``None`` if it is not one of ours."""
    try:
        raw = orjson.loads(text)
        given = {name: raw[key] for name, key in _KEYS.items() if key in raw}
        is_sound = all(isinstance(value, _KINDS.get(name, str)) for name, value in given.items())
        one = Added(entry_id, how=How(raw.get("how", "clock")), **given)
    except (orjson.JSONDecodeError, AttributeError, TypeError, KeyError, ValueError):
        return None
    return one if is_sound else None
