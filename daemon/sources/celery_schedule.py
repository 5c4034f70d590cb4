"""Celery's kinds of schedules as the keys of an entry in a site file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic_core import PydanticCustomError

from daemon.settings.values import parse_zone
from daemon.sources.crontab_text import ORDER, CrontabField, field_text
from daemon.sources.sourced import Unfit

LATE = (
    "beat measures each interval from the run before, so that lateness adds up; here it is counted from the first start"
)

_SPANS = ((7 * 86_400, "w"), (86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_ROUNDED = _SPANS[1:4]
"""What ``relative`` rounds to: days, hours, minutes; below a minute nothing is rounded."""

_FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_RRULE_PARTS = {
    "bysetpos": "BYSETPOS", "bymonth": "BYMONTH", "bymonthday": "BYMONTHDAY", "byyearday": "BYYEARDAY",
    "byweekno": "BYWEEKNO", "byhour": "BYHOUR", "byminute": "BYMINUTE", "bysecond": "BYSECOND",
}  # fmt: skip


class Keys(NamedTuple):
    """Keys of an entry, and how what they say differs from the source."""

    data: Mapping[str, Any]
    differences: tuple[str, ...] = ()


def crontab_keys(fields: Mapping[str, CrontabField], zone: str | None, *, dst: str = "celery") -> Keys:
    """Write a ``crontab``.

    Args:
        fields: by Celery's names; one that is absent is ``*``.
        zone: whose wall clock it means; ``None`` if only the source knows.
        dst: which Celery's behaviour it keeps when clocks change.

    Raises:
        Unfit: Celery never fires it.
    """
    assert set(fields) <= set(ORDER)
    texts = [field_text(key, fields.get(key, "*")) for key in ORDER]
    data: dict[str, Any] = {"cron": " ".join(one.text for one in texts), "dst": dst}
    differences = [one.difference for one in texts if one.difference]
    if zone is not None and _is_zone(zone):
        data["timezone"] = zone
    else:
        said = f'the time zone "{zone}" is' if zone else "its time zone is"
        differences.append(f"{said} known to its own machine only; here the site's counts")
    return Keys(data, tuple(differences))


def interval_keys(seconds: float, *, relative: bool = False, zone: str | None = None) -> Keys:
    """Write a ``schedule``: every so many seconds, or rounded to its unit.

    Raises:
        Unfit: no time at all.
    """
    if not seconds > 0:
        raise Unfit(f"an interval of {seconds:g} s has no meaning here: beat sends without a pause")
    unit = next((size for size, _ in _ROUNDED if seconds >= size), None)
    if relative and unit is not None:
        more = {"timezone": zone} if zone is not None and _is_zone(zone) else {}
        whole = seconds // unit * unit
        rounded = f"Celery rounds {span(seconds)} down, so that it fires every {span(whole)}; that is written here"
        return Keys({"every": span(whole), "relative": True, **more}, () if whole == seconds else (rounded,))
    return Keys({"every": span(seconds), "anchor": "start"}, (LATE,))


def solar_keys(event: str, latitude: float, longitude: float) -> Keys:
    """Write a ``solar``."""
    return Keys({"solar": {"event": event, "latitude": latitude, "longitude": longitude}})


def clocked_keys(at: datetime) -> Keys:
    """Write a ``clocked``, which fires once.

    Args:
        at: aware.
    """
    return Keys({"at": at.astimezone(UTC)})


def rrule_keys(rule: Mapping[str, Any]) -> Keys:
    """Write RedBeat's ``rrule``.

    Args:
        rule: its arguments; ``freq`` as a number or a word, ``dtstart`` and ``until`` aware or absent, days of the week as
            numbers from Monday or as tuples of day and which one of the month; what is several is a list; ``timezone`` of its
            start, if it is known.

    Raises:
        Unfit: it uses Easter, or a frequency nobody knows.
    """
    if rule.get("byeaster") is not None:
        raise Unfit("a rule by Easter is not part of RFC 5545")
    freq = rule["freq"]
    word = _FREQUENCIES[freq] if isinstance(freq, int) and 0 <= freq < len(_FREQUENCIES) else str(freq).upper()
    if word not in _FREQUENCIES:
        raise Unfit(f'a rule of the frequency "{freq}" cannot be read')
    data: dict[str, Any] = {"rrule": ";".join([f"FREQ={word}", *_rule_parts(rule)])}
    if (start := rule.get("dtstart")) is not None:
        zone = rule.get("timezone")
        zone = zone if zone is not None and _is_zone(zone) else _fixed_zone(start)
        data |= {"start": start.astimezone(UTC), "timezone": zone}
    return Keys(data)


def dst_of(version: str) -> str:
    """Name the behaviour of a Celery release when clocks change."""
    numbers = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    return "celery" if not numbers or numbers > (5, 5, 1) else "celery-5.4"


def span(seconds: float) -> str:
    """Write a time in the largest unit that divides it."""
    for size, unit in _SPANS:
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    least_ms = 0.001
    milliseconds = round(seconds / least_ms, 3)
    return f"{milliseconds:.3f}".rstrip("0").rstrip(".") + "ms"


def _rule_parts(rule: Mapping[str, Any]) -> list[str]:
    parts = []
    if rule.get("interval") not in (None, 1):
        parts.append(f"INTERVAL={rule['interval']}")
    if rule.get("wkst") is not None:
        parts.append(f"WKST={_weekday(rule['wkst'])}")
    if rule.get("count") is not None:
        parts.append(f"COUNT={rule['count']}")
    if (until := rule.get("until")) is not None:
        parts.append(f"UNTIL={until.astimezone(UTC):%Y%m%dT%H%M%SZ}")
    for key, part in _RRULE_PARTS.items():
        if (found := rule.get(key)) is not None:
            parts.append(f"{part}={','.join(map(str, _several(found)))}")
    if (days := rule.get("byweekday")) is not None:
        parts.append(f"BYDAY={','.join(_weekday(day) for day in _several(days))}")
    return parts


def _is_zone(name: str) -> bool:
    try:
        parse_zone(name)
    except PydanticCustomError:
        return False
    return True


def _fixed_zone(at: datetime) -> str:
    """Name the zone whose clock always is as far from UTC as ``at`` is."""
    offset = at.utcoffset()
    hours, rest = divmod(offset.total_seconds() if offset else 0.0, 3600)
    farthest = 12
    if rest or abs(hours) > farthest:
        raise Unfit("a rule whose start is a fraction of an hour from UTC; write it with the zone it is meant for")
    return f"Etc/GMT{-int(hours):+d}" if hours else "UTC"  # the signs of these names are turned round


def _several(found: Any) -> Sequence[Any]:
    return found if isinstance(found, list) else (found,)


def _weekday(day: Any) -> str:
    number, which = day if isinstance(day, tuple) else (day, None)
    if not isinstance(number, int) or not 0 <= number < len(_WEEKDAYS):
        raise Unfit(f'"{number}" is no day of the week')
    return f"{'' if not which else f'{which:+d}'}{_WEEKDAYS[number]}"
