"""Recurrence rules of RFC 5545 as they are written: ``FREQ=MONTHLY;BYDAY=1MO``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Final

from daemon.scheduler.errors import TriggerInvalid

TEXT_LIMIT = 1024
COUNT_LIMIT = 10_000
INTERVAL_LIMIT = 1000
WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
FREQUENCIES: Final = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
_FINER = ("HOURLY", "MINUTELY", "SECONDLY")
_NUMBERS: Final = {
    "BYMONTH": (1, 12, False),
    "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True),
    "BYWEEKNO": (1, 53, True),
    "BYSETPOS": (1, 366, True),
    "BYHOUR": (0, 23, False),
    "BYMINUTE": (0, 59, False),
    "BYSECOND": (0, 59, False),
}
"""The least and the largest value, and whether one may count from the end."""

_PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *_NUMBERS)
_DATE_PARTS = ("BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYDAY")
_BYDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,5}", re.ASCII)
_STAMP = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?", re.ASCII)
_NOT_ALLOWED = {
    "WEEKLY": ("BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"),
    "MONTHLY": ("BYYEARDAY", "BYWEEKNO"),
    "DAILY": ("BYWEEKNO", "BYSETPOS"),
    "YEARLY": (),
}


@dataclass(frozen=True, slots=True)
class RuleText:
    """A rule read. Times without ``tzinfo`` are those of the wall clock.

    Attributes:
        numbers: the ``BY…`` parts that are lists of numbers; missing ones are not there.
        weekdays: number of the weekday, Monday 0, and which one of the period (0: each).
        week_start: the weekday weeks begin with.
        start: ``DTSTART``, if the text has one.
        zone: ``TZID`` of it, if there is one.
    """

    frequency: str
    interval: int
    count: int | None
    until: datetime | None
    week_start: int
    numbers: dict[str, tuple[int, ...]]
    weekdays: tuple[tuple[int, int], ...]
    start: datetime | None
    zone: str | None

    @property
    def names_days(self) -> bool:
        """Say whether the rule tells its days without help from its start."""
        return self.frequency == "DAILY" or bool(self.weekdays) or any(part in self.numbers for part in _DATE_PARTS)


def parse_rrule(text: str) -> RuleText:
    """Read a rule, alone or after a line ``DTSTART:…``.

    Raises:
        TriggerInvalid: it cannot be read, or is of a kind that is not taken.
    """
    if len(text) > TEXT_LIMIT:
        message = f"a recurrence rule of more than {TEXT_LIMIT} characters"
        raise TriggerInvalid(message)
    start, zone, rule = None, None, None
    for line in text.upper().split() if "DTSTART" not in text.upper() else text.split():
        name, colon, value = line.rpartition(":")
        kind, *parameters = name.upper().split(";") if colon else ["RRULE"]
        if kind == "DTSTART" and start is None:
            start = _stamp("DTSTART", value.upper())
            zone = next((one.partition("=")[2] for one in name.split(";")[1:] if one.upper().startswith("TZID=")), None)
        elif kind == "RRULE" and not parameters and rule is None:
            rule = value.upper()
        else:
            message = f'"{line[:40]}" is not taken in a recurrence rule'
            raise TriggerInvalid(message, hint="one RRULE and one DTSTART; what is left out is written as except")
    if not rule:
        raise TriggerInvalid("no recurrence rule", hint='write rrule = "FREQ=MONTHLY;BYDAY=1MO"')
    return _rule(_parts(rule), start, zone)


def _parts(rule: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in rule.rstrip(";").split(";"):
        key, equals, value = part.partition("=")
        if not equals or not value or key in parts or key not in _PARTS:
            message = f'"{part[:40]}" cannot be read' if key not in parts else f"{key} is there twice"
            raise TriggerInvalid(message, hint=f"parts are {', '.join(_PARTS)}")
        parts[key] = value
    frequency = parts.get("FREQ", "")
    if frequency in _FINER:
        message = f"FREQ={frequency} is not taken: some such rules cannot be searched in reasonable time"
        raise TriggerInvalid(message, hint='write every = "5m" with an anchor, or a cron expression')
    if frequency not in FREQUENCIES:
        raise TriggerInvalid("a recurrence rule needs FREQ", hint=f"FREQ={', '.join(FREQUENCIES)}")
    for key in _NOT_ALLOWED[frequency]:
        if key in parts:
            message = f"{key} does not go with FREQ={frequency}"
            raise TriggerInvalid(message, hint="see RFC 5545, 3.3.10")
    if "COUNT" in parts and "UNTIL" in parts:
        raise TriggerInvalid("COUNT and UNTIL exclude each other", hint="see RFC 5545, 3.3.10")
    return parts


def _rule(parts: dict[str, str], start: datetime | None, zone: str | None) -> RuleText:
    week_start = parts.get("WKST", "MO")
    if week_start not in WEEKDAYS:
        raise TriggerInvalid("WKST is no weekday", hint=f"it takes {', '.join(WEEKDAYS)}")
    numbers = {key: _numbers(key, parts[key]) for key in _NUMBERS if key in parts}
    return RuleText(
        frequency=parts["FREQ"],
        interval=_integer("INTERVAL", parts.get("INTERVAL", "1"), INTERVAL_LIMIT),
        count=_integer("COUNT", parts["COUNT"], COUNT_LIMIT) if "COUNT" in parts else None,
        until=_stamp("UNTIL", parts["UNTIL"], end_of_day=True) if "UNTIL" in parts else None,
        week_start=WEEKDAYS.index(week_start),
        numbers=numbers,
        weekdays=_weekdays(parts["BYDAY"], parts["FREQ"], numbers) if "BYDAY" in parts else (),
        start=start,
        zone=zone,
    )


def _integer(key: str, text: str, most: int) -> int:
    if not _INTEGER.fullmatch(text) or not 1 <= int(text) <= most:
        message = f"{key}={text[:20]}: a number from 1 to {most} is needed"
        raise TriggerInvalid(message)
    return int(text)


def _numbers(key: str, text: str) -> tuple[int, ...]:
    low, high, is_signed = _NUMBERS[key]
    values = []
    for word in text.split(","):
        value = int(word) if _INTEGER.fullmatch(word) else None
        if value is None or not (low <= value <= high or (is_signed and low <= -value <= high)):
            message = f'{key}: "{word[:20]}" is not a number from {low} to {high}'
            raise TriggerInvalid(message, hint="below zero it counts from the end" if is_signed else "")
        values.append(value)
    return tuple(sorted(set(values)))


def _weekdays(text: str, frequency: str, numbers: dict[str, tuple[int, ...]]) -> tuple[tuple[int, int], ...]:
    found = []
    for word in text.split(","):
        match = _BYDAY.fullmatch(word)
        if match is None or (match[1] and int(match[1]) == 0):
            message = f'BYDAY: "{word[:20]}" is no weekday'
            raise TriggerInvalid(message, hint="MO is each Monday, 1MO the first, -1MO the last")
        if match[1] and (frequency not in ("MONTHLY", "YEARLY") or "BYWEEKNO" in numbers):
            message = f'BYDAY: "{word}" counts weekdays of a month or a year'
            raise TriggerInvalid(message, hint="it goes with FREQ=MONTHLY or YEARLY, and not with BYWEEKNO")
        found.append((WEEKDAYS.index(match[2]), int(match[1] or 0)))
    return tuple(sorted(set(found)))


def _stamp(key: str, text: str, *, end_of_day: bool = False) -> datetime:
    match = _STAMP.fullmatch(text)
    message = f'{key}: "{text[:20]}" is not a date'
    hint = "20260101, 20260101T090000, or 20260101T080000Z"
    if match is None:
        raise TriggerInvalid(message, hint=hint)
    form = "%Y%m%dT%H%M%S" if match[2] else "%Y%m%d"
    try:
        at = datetime.strptime(text.removesuffix("Z"), form).replace(tzinfo=UTC if match[3] else None)
    except ValueError:
        raise TriggerInvalid(message, hint=hint) from None
    return at if match[2] or not end_of_day else datetime.combine(at, time(23, 59, 59))
