"""The fields of Celery's ``crontab`` as bit masks.

What they mean is Celery's: ranges wrap round in every field, Sunday is 0 and never 7, and all of the day fields must
match. What its parser takes without reading it to the end, or takes for a name it only resembles, is refused here, with
what Celery makes of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.triggers.cron_fields import EXPRESSION_LIMIT, CronFields

FieldValue = str | int | Iterable[int]
"""What a field of Celery's ``crontab`` may be given as."""

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SHORT = 3


class Field(NamedTuple):
    """A field: its name, its range, and the names its values have."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def named(self, word: str) -> int | None:
        """Give the value of an English name or of its first three letters."""
        word = word.lower()
        for place, name in enumerate(self.names, self.low):
            if word in (name, name[:_SHORT]):
                return place
        return None


FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of month", 1, 31),
    Field("month", 1, 12, _MONTHS),
    Field("day of week", 0, 6, _WEEKDAYS),
)
_NUMBER = re.compile(r"[0-9]+", re.ASCII)
_ITEM = re.compile(
    r"(?:(?P<star>\*)|(?P<low>[0-9a-z]+)(?:-(?P<high>[0-9a-z]+))?)(?:/(?P<step>[0-9]+))?", re.IGNORECASE | re.ASCII
)


def crontab_fields(given: Sequence[FieldValue]) -> CronFields:
    """Read minute, hour, day of month, month and day of week.

    Raises:
        TriggerInvalid: a field cannot be read, or there is no such day.
    """
    if len(given) != len(FIELDS):
        message = f"{len(given)} fields; a crontab has minute, hour, day of month, month, day of week"
        raise TriggerInvalid(message)
    sets = [_values(one, field) for one, field in zip(given, FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = (sum(1 << value for value in values) for values in sets)
    if min(sets[2]) > max(_LONGEST_MONTHS[month - 1] for month in sets[3]):
        day, month = write_field(days, FIELDS[2]), write_field(months, FIELDS[3])
        raise TriggerInvalid(f"no month of {month} has a day {day}: it never fires")
    return CronFields(
        seconds=1,
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=weekdays,
        years=None,
        last_day=False,
        nearest=frozenset(),
        nth=(),
        both_days=True,
        is_wildcard=False,
    )


def write_field(mask: int, field: Field) -> str:
    """Write a field's values, ``*`` for all of them."""
    values = [value for value in range(field.low, field.high + 1) if mask >> value & 1]
    return "*" if len(values) > field.high - field.low else ",".join(map(str, values))


def _values(given: FieldValue, field: Field) -> set[int]:
    if isinstance(given, str):
        if len(given) > EXPRESSION_LIMIT:
            raise TriggerInvalid(f"{field.name} of more than {EXPRESSION_LIMIT} characters")
        return {value for item in given.split(",") for value in _item(item, field)}
    if isinstance(given, int):
        given = (given,)
    if not isinstance(given, Iterable):
        raise TriggerInvalid(f"{field.name} is {given!r}", hint="it takes text, a number, or a list of numbers")
    values = set()
    for value in given:
        if type(value) is not int or not field.low <= value <= field.high:
            raise TriggerInvalid(f"{field.name} {value!r} is no number from {field.low} to {field.high}")
        values.add(value)
    if not values:
        raise TriggerInvalid(f"{field.name} names no value: it never fires")
    return values


def _item(written: str, field: Field) -> list[int]:
    """Read what stands between two commas.

    Raises:
        TriggerInvalid: it is none of the forms, or out of range.
    """
    item = written.strip(" ") if _NUMBER.fullmatch(written.strip(" ")) else written
    found = _ITEM.fullmatch(item)
    if found is None:
        raise _refused(written, field)
    star, low, high, step = found.group("star", "low", "high", "step")
    if star:
        values = list(range(field.low, field.high + 1))
    else:
        first, last = (_number(word, field) for word in (low, high or low))
        if first is None or last is None or (step and not high):
            raise _refused(written, field)
        values = _run(first, last, field)
    if step is not None and int(step) == 0:
        raise _refused(written, field)
    return values[:: int(step or 1)]


def _number(word: str, field: Field) -> int | None:
    value = int(word) if _NUMBER.fullmatch(word) else field.named(word)
    return value if value is not None and field.low <= value <= field.high else None


def _run(first: int, last: int, field: Field) -> list[int]:
    if first <= last:
        return list(range(first, last + 1))
    return [*range(first, field.high + 1), *range(field.low, last + 1)]


# -- what Celery makes of the rest -------------------------------------------------------------------------------------

_LOOSE_RANGE = re.compile(r"(\w+?)-(\w+)(/(\w+)?)?")
_LOOSE_STEPS = re.compile(r"\*/(\w+)?")


def _refused(item: str, field: Field) -> TriggerInvalid:
    names = f", {field.names[0][:_SHORT]}-{field.names[-1][:_SHORT]}" if field.names else ""
    hint = f"it takes {field.low}-{field.high}{names}; lists, ranges, */5, 1-9/2"
    try:
        values = loosely(item, field)
    except ValueError:
        if item == "7" and field is FIELDS[-1]:
            hint = "Sunday is 0"
        return TriggerInvalid(f'{field.name} "{item}" cannot be read', hint=hint)
    read = write_field(sum(1 << value for value in values), field)
    return TriggerInvalid(
        f'{field.name} "{item}" is not what it seems: Celery reads it as {read}',
        hint=f'write "{read}" if you mean that',
    )


def loosely(item: str, field: Field) -> set[int]:
    """Give what Celery's parser takes an item for.

    Raises:
        ValueError: it refuses it.
    """
    found = _LOOSE_RANGE.match(item)
    if found:
        values = _run(_loose_number(found[1], field), _loose_number(found[2], field), field)
        return set(values[:: int(found[4] or 0)] if found[3] else values)
    found = _LOOSE_STEPS.match(item)
    if found:
        return set(range(field.low, field.high + 1)[:: int(found[1] or 0)])
    if item == "*":
        return set(range(field.low, field.high + 1))
    return {_loose_number(item, field)}


def _loose_number(word: str, field: Field) -> int:
    try:
        value = int(word)
    except ValueError:
        short = word[:_SHORT].lower()
        value = next((number for one in FIELDS[3:] if (number := one.named(short)) is not None), -1)
    if word.startswith("-") or not field.low <= value <= field.high:
        raise ValueError(word)
    return value
