"""Fields of Celery's ``crontab`` as the text of a cron expression, and what Celery makes of odd ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.triggers.crontab_fields import FIELDS, Field, crontab_fields, loosely, write_field
from daemon.sources.sourced import Unfit

CrontabField: TypeAlias = "str | int | Sequence[str | int]"

ORDER = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
"""Celery's names of the fields, as they stand in an expression."""

_MORE_THAN_A_PAIR = 2


class FieldText(NamedTuple):
    """A field as text, and how it differs from what was written; empty if it does not."""

    text: str
    difference: str = ""


def field_text(key: str, given: CrontabField) -> FieldText:
    """Write a field as the text of a cron expression that names the same values.

    Args:
        key: its name in Celery.
        given: as it was written: text, a number, or several of them.

    Raises:
        Unfit: Celery itself refuses it, or it names nothing.
    """
    field = FIELDS[ORDER.index(key)]
    if not isinstance(given, str):
        values = [given] if isinstance(given, int) else list(given)
        return FieldText(_listed(field, {one for value in values for one in _read(field, str(value))}))
    values_read = _read(field, given)
    if _is_strict(field, given):
        return FieldText(given.replace(" ", ""))
    listed = _listed(field, values_read)
    return FieldText(listed, f'{field.name} "{given}": Celery reads it as "{listed}", which is written here')


def _read(field: Field, text: str) -> set[int]:
    """Read a field as Celery's parser does."""
    found: set[int] = set()
    for item in text.split(","):
        try:
            found |= loosely(item, field)
        except (ValueError, IndexError):
            sunday = "; Sunday is 0" if field is FIELDS[-1] and item.strip() == "7" else ""
            why = f'{field.name} "{text}": Celery refuses it and never fires{sunday}'
            raise Unfit(why) from None
    return found


def _is_strict(field: Field, text: str) -> bool:
    fields = ["*"] * len(FIELDS)
    fields[FIELDS.index(field)] = text
    try:
        crontab_fields(fields)
    except TriggerInvalid:
        return False
    return True


def _listed(field: Field, values: set[int]) -> str:
    """Write numbers as shortly as they can be read: runs of three and more as ranges."""
    if not values:
        raise Unfit(f"{field.name} is an empty set: it never fires")
    text = write_field(sum(1 << value for value in values), field)
    if text == "*":
        return text
    runs: list[list[int]] = []
    for number in sorted(values):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    parts: list[str] = []
    for first, last in runs:
        is_run = last - first >= _MORE_THAN_A_PAIR
        parts += [f"{first}-{last}"] if is_run else [str(one) for one in range(first, last + 1)]
    return ",".join(parts)
