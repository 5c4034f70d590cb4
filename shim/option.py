"""Single options of a task, read strictly: what a worker could not take is refused here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shim.errors import RequestInvalid

NAME_LIMIT = 255
COUNT_LIMIT = 2**31 - 1

TIME_LIMIT_MAX_S = 10**9
"""Longer limits (over thirty years) are refused: a worker adds them to its clock."""

EARLIEST_AT = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_AT = datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
"""A worker converts instants to its own time zone, and near the ends of the calendar that overflows."""


def name(value: object, label: str) -> str:
    """Read a name.

    Raises:
        RequestInvalid: it is not 1 to 255 printable characters.
    """
    if not isinstance(value, str) or not 0 < len(value) <= NAME_LIMIT or not value.isprintable():
        message = f"{label}: 1 to {NAME_LIMIT} printable characters are needed"
        raise RequestInvalid(message)
    return value


def count(value: object, label: str, *, least: int = 0, most: int = COUNT_LIMIT) -> int:
    """Read a whole number; a bool is none.

    Raises:
        RequestInvalid: it is none, or out of range.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        message = f"{label}: a whole number from {least} to {most} is needed"
        raise RequestInvalid(message)
    return value


def flag(value: object, label: str) -> bool:
    """Read a truth value.

    Raises:
        RequestInvalid: it is something else; a worker would take any text for true.
    """
    if not isinstance(value, bool):
        message = f"{label}: true or false is needed"
        raise RequestInvalid(message)
    return value


def limit(seconds: object, label: str) -> float:
    """Read a time limit in seconds.

    Raises:
        RequestInvalid: it is no number, not above zero or too long.
    """
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not 0 < seconds <= TIME_LIMIT_MAX_S:
        message = f"{label}: seconds must be above zero and at most {TIME_LIMIT_MAX_S}"
        raise RequestInvalid(message)
    return seconds


def duration(seconds: object, label: str, *, least: float = -TIME_LIMIT_MAX_S) -> float:
    """Read a length of time in seconds, which may be negative.

    Raises:
        RequestInvalid: it is no number, not finite, below ``least`` or beyond thirty years.
    """
    if (
        not isinstance(seconds, (int, float))
        or isinstance(seconds, bool)
        or not least <= seconds <= TIME_LIMIT_MAX_S  # false for NaN too
    ):
        message = f"{label}: seconds from {least} to {TIME_LIMIT_MAX_S} are needed"
        raise RequestInvalid(message)
    return seconds


def utc(instant: object, label: str) -> datetime:
    """Bring an instant to UTC.

    In UTC, because a worker reads no offset that has seconds (dateutil's isoparse), and old local times have them.

    Raises:
        RequestInvalid: it has no offset, or a year in which a worker's arithmetic overflows.
    """
    if not isinstance(instant, datetime) or instant.utcoffset() is None:
        message = f"{label}: an instant needs a time zone; a worker would read it in its own"
        raise RequestInvalid(message)
    if not EARLIEST_AT <= instant <= LATEST_AT:
        message = f"{label}: the year must be {EARLIEST_AT.year} to {LATEST_AT.year}"
        raise RequestInvalid(message)
    return instant.astimezone(UTC)


def after(seconds: float, *, at: datetime, label: str = "countdown") -> datetime:
    """Turn a length of time into an instant, as Celery does with ``countdown`` and numbers in ``expires``.

    Args:
        seconds: how long from ``at``; negative is in the past.
        at: now, aware.
        label: what a refusal calls it.

    Raises:
        RequestInvalid: it is no length of time, or ends outside the calendar of a worker.
    """
    start_at, length = utc(at, "at"), timedelta(seconds=duration(seconds, label))
    try:
        end_at = start_at + length
    except OverflowError:
        end_at = datetime.max.replace(tzinfo=UTC)  # which is refused
    return utc(end_at, label)
