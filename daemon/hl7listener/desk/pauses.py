"""Pauses of feeds as the text of a file, and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from daemon.desks import Pause, PausePolicy
from daemon.public import Public

NOTE_LIMIT = 1000


def write_pauses(pauses: Mapping[str, Pause]) -> bytes:
    """Write pauses by the names of their feeds."""
    return orjson.dumps(
        {name: {**_plain(pause)} for name, pause in sorted(pauses.items())},
        option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2,
    )


def read_pauses(text: bytes) -> dict[str, Pause] | None:
    """Read what ``write_pauses`` wrote; ``None`` if it is nothing of the kind."""
    try:
        found = orjson.loads(text)
        return {str(name): _pause(one) for name, one in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def in_force(pauses: Mapping[str, Pause], now_us: int) -> dict[str, Pause]:
    """Leave out what is over."""
    return {name: pause for name, pause in pauses.items() if pause.until_us is None or pause.until_us > now_us}


def next_end_us(pauses: Mapping[str, Pause]) -> int | None:
    """Say when the next pause ends by itself; ``None`` if none does."""
    return min((pause.until_us for pause in pauses.values() if pause.until_us is not None), default=None)


def _plain(pause: Pause) -> dict[str, Any]:
    return {
        "policy": pause.policy.value,
        "who": str(pause.who),
        "since_us": pause.since_us,
        "until_us": pause.until_us,
        "note": pause.note,
    }


def _pause(one: Mapping[str, Any]) -> Pause:
    until_us, note = one["until_us"], one["note"]
    if not isinstance(note, str) or type(one["since_us"]) is not int or type(until_us) not in (int, type(None)):
        raise TypeError
    return Pause(PausePolicy(one["policy"]), Public(one["who"]), one["since_us"], until_us, note[:NOTE_LIMIT])
