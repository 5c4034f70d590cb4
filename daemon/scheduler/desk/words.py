"""When an entry is due, in words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticCustomError

from daemon.desks.schedule import TimingText
from daemon.scheduler.layers.layer import TRIGGERS
from daemon.settings.values import parse_duration_s

_UNITS = (("week", 604_800), ("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NAMES = {day[:3].upper(): day for day in _DAYS}
_SHOWN = 120
_NUMBER = re.compile(r"\d{1,2}", re.ASCII)
_STEP = re.compile(r"\*/(\d{1,2})", re.ASCII)


def timing_text(data: Mapping[str, Any], zone: str) -> TimingText:
    """Say when an entry is due, by its keys as in a site file."""
    kind = next((key for key in TRIGGERS if key in data), "")
    given = data.get(kind)
    written = given if isinstance(given, str) else _listed(given)
    return TimingText(_words(kind, given), _cut(f"{kind} {written}".strip()), zone)


def _words(kind: str, given: Any) -> str:
    is_list = isinstance(given, (list, tuple))
    match kind:
        case "every":
            found = _every(given)
        case "cron":
            found = _cron(given) if isinstance(given, str) else "by several cron expressions"
        case "at":
            found = f"at {len(given)} instants" if is_list and len(given) > 1 else f"once, {_listed(given)}"
        case "solar":
            found = f"at {given.get('event', '') if isinstance(given, Mapping) else ''}".replace("_", " ")
        case "rrule":
            found = "by a rule of RFC 5545"
        case "triggers":
            found = f"by {len(given)} rules" if is_list else "by several rules"
        case _:
            found = ""
    return _cut(found)


def _every(given: Any) -> str:
    try:
        seconds = float(parse_duration_s(given))
    except (PydanticCustomError, ValueError):
        return _cut(f"every {given}")
    for unit, length in _UNITS:
        count = seconds / length
        if count >= 1 and count == int(count):
            return f"every {unit}" if count == 1 else f"every {int(count)} {_short(unit)}"
    return f"every {seconds:g} s"


def _short(unit: str) -> str:
    return {"minute": "min", "second": "s", "hour": "h"}.get(unit, f"{unit}s")


def _cron(text: str) -> str:
    """Say the plainest expressions in words; any other as it is written."""
    parts = text.split()
    if len(parts) == 5 and parts[2:4] == ["*", "*"]:  # noqa: PLR2004 - minute, hour, day, month, weekday
        minute, hour, _, _, weekday = parts
        day = _weekday(weekday)
        if day is not None and _NUMBER.fullmatch(minute) and _NUMBER.fullmatch(hour):
            return f"{day} at {int(hour):02}:{int(minute):02}"
        often = _often(minute, hour)
        if weekday == "*" and often:
            return often
    return f"cron {text}"


def _often(minute: str, hour: str) -> str:
    """Say how often something comes on a day; empty if that is not plain."""
    minutes, hours = _step(minute, 60), _step(hour, 24)
    if hour == "*":
        if minutes:
            return "every minute" if minutes == 1 else f"every {minutes} min"
        return f"hourly at :{int(minute):02}" if _NUMBER.fullmatch(minute) else ""
    return f"every {hours} h at :{int(minute):02}" if hours and _NUMBER.fullmatch(minute) else ""


def _step(field: str, whole: int) -> int:
    """Give every how many a field matches, if these are all alike; else 0."""
    found = _STEP.fullmatch(field)
    step = 1 if field == "*" else int(found[1]) if found else 0
    return step if step and whole % step == 0 else 0


def _weekday(text: str) -> str | None:
    if text == "*":
        return "daily"
    if text.upper() in ("1-5", "MON-FRI"):
        return "Monday to Friday"
    if text.isascii() and text.isdigit() and int(text) < len(_DAYS):
        return f"{_DAYS[int(text)]}s"
    return f"{_NAMES[text.upper()]}s" if text.upper() in _NAMES else None


def _listed(given: Any) -> str:
    if isinstance(given, (list, tuple)):
        return ", ".join(map(str, given[:3])) + (f" and {len(given) - 3} more" if len(given) > 3 else "")  # noqa: PLR2004
    if isinstance(given, Mapping):
        return ", ".join(f"{key}={value}" for key, value in given.items())
    return "" if given is None else str(given)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
