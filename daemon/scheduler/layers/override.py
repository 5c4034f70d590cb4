"""Fields that someone changed at run time, as they are kept: JSON, one object for each field. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from daemon.scheduler.layers.layer import OVERRIDE, Layer, Setting

PAUSE = "pause"
"""The one field that no site file has: ``true`` passes over all occurrences, with the reason and until the end of its setting."""

FIXED = frozenset(("id",))
"""What cannot be changed: it says which entry is meant."""

OPTIONS = "options"
"""No field by itself: each option is one (``options.queue``), shown or hidden, changed and taken away alone."""


def write_override(fields: Mapping[str, Setting]) -> str | None:
    """Write the fields; ``None`` if there are none."""
    if not fields:
        return None
    return orjson.dumps({name: _written(one) for name, one in sorted(fields.items())}).decode()


def _written(setting: Setting) -> dict[str, Any]:
    given = {"author": setting.author, "at": setting.at_us, "reason": setting.reason, "expires": setting.expires_us}
    return {"value": setting.value, **{name: value for name, value in given.items() if value not in ("", None)}}


def read_override(text: str | None) -> Layer | None:
    """Read the fields as the top layer of an entry; ``None`` if it is not one of ours."""
    try:
        raw = orjson.loads(text) if text is not None else {}
        fields = {str(name): _setting(one) for name, one in raw.items()}
    except (orjson.JSONDecodeError, AttributeError, TypeError, KeyError, ValueError):
        return None
    return Layer(OVERRIDE, fields)


def _setting(raw: Mapping[str, Any]) -> Setting:
    at, expires = raw.get("at"), raw.get("expires")
    return Setting(
        raw["value"],
        str(raw.get("author", "")),
        None if at is None else int(at),
        str(raw.get("reason", "")),
        None if expires is None else int(expires),
    )


def changed(text: str | None, new: Mapping[str, Setting | None], now_us: int) -> str | None:
    """Lay changes over what is kept; ``None`` for a field takes it away. What has expired is dropped on the way.

    Raises:
        ValueError: what is kept cannot be read.
    """
    kept = read_override(text)
    if kept is None:
        message = "what is kept of the entry cannot be read"
        raise ValueError(message)
    fields = dict(kept.at(now_us).fields)
    for name, setting in new.items():
        if setting is None:
            fields.pop(name, None)
        else:
            fields[name] = setting
    return write_override(fields)
