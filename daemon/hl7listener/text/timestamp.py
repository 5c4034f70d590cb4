"""HL7 time stamps (v2.7 chapter 2A, DTM; TS before): what was sent, as precise as it was sent, and the instant it means.

    YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ][^precision]

An hour of 00 is the midnight a day begins with; 24:00:00, as ISO 8601 has it, the one it ends with. A stamp without offset is
local time of the sender, in the zone MSH-7 names by its offset, or that of the feed, or one nobody knows.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import IntEnum
from typing import NamedTuple

_STAMP = re.compile(r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(\.\d{1,4})?)?)?)?)?)?([+-]\d{4})?", re.ASCII)
_LONGEST = 24
_LATEST_OFFSET_MIN = 24 * 60
_MINUTES = 60
_MIDNIGHT = 24
_UNKNOWN_OFFSET = (2, 9)
"""From this version on -0000 says that the offset is not known."""


class Precision(IntEnum):
    """How much of a time was sent."""

    YEAR = 1
    MONTH = 2
    DAY = 3
    HOUR = 4
    MINUTE = 5
    SECOND = 6
    FRACTION = 7


_OLD_PRECISION = {
    "Y": Precision.YEAR,
    "L": Precision.MONTH,
    "D": Precision.DAY,
    "H": Precision.HOUR,
    "M": Precision.MINUTE,
    "S": Precision.SECOND,
}


class Stamp(NamedTuple):
    """A time stamp.

    Attributes:
        local: the clock it was written by, without a zone; parts beyond the precision are the first there are.
        fraction: digits of the second, as sent.
        offset: from UTC; ``None`` if nobody knows.
        is_sent: whether the stamp itself said the offset.
        is_placeless: whether it is UTC, and said to come from a place whose offset is not known.
    """

    precision: Precision
    local: datetime
    fraction: str = ""
    offset: timedelta | None = None
    is_sent: bool = False
    is_placeless: bool = False

    def iso(self) -> str:
        """Write it in ISO 8601 with the precision it has; an hour alone gets its minutes, and a day has no offset."""
        text = self.local.isoformat()
        if self.precision <= Precision.DAY:
            return text[: (4, 7, 10)[self.precision - 1]]
        text = text[:16] if self.precision <= Precision.MINUTE else text[:19]
        return text + (f".{self.fraction}" if self.fraction else "") + self.offset_iso()

    def instant(self) -> datetime | None:
        """Give the first instant it may mean, in UTC; ``None`` where no offset is known, or the calendar ends."""
        if self.offset is None:
            return None
        micros = int(self.fraction.ljust(6, "0")) if self.fraction else 0
        try:
            return (self.local.replace(microsecond=micros) - self.offset).replace(tzinfo=UTC)
        except OverflowError:
            return None

    def day(self) -> date | None:
        """Give the day by the sender's clock; ``None`` if it is less precise than that."""
        return self.local.date() if self.precision >= Precision.DAY else None

    def offset_iso(self) -> str:
        """Write the offset as ISO 8601 does; empty if nobody knows it."""
        if self.offset is None:
            return ""
        if self.is_placeless:
            return "-00:00"
        minutes = int(self.offset.total_seconds()) // _MINUTES
        return f"{'-' if minutes < 0 else '+'}{abs(minutes) // _MINUTES:02d}:{abs(minutes) % _MINUTES:02d}"


def parse_timestamp(
    text: str, default_zone: tzinfo | None = None, *, version: tuple[int, ...] = (), component: str = "^"
) -> Stamp | None:
    """Read a time stamp; ``None`` if it is none, or no calendar and no clock has it. Never raises.

    Args:
        text: the value of a field or component.
        default_zone: where the sender's clocks are, for a stamp that does not say.
        version: of the message; from 2.9 on an offset of -0000 says that none is known.
        component: what the precision of old stamps stands behind.
    """
    stamp, _, precision = text.strip().partition(component)
    if len(stamp) > _LONGEST:
        return None
    found = _read(stamp, precision, names_no_place=version >= _UNKNOWN_OFFSET)
    if found is None or found.offset is not None or default_zone is None or found.precision < Precision.HOUR:
        return found
    # Of a local time there is twice, when clocks are put back, the first; one that never was is read as if they had not been.
    try:
        offset = found.local.replace(tzinfo=default_zone).utcoffset()
    except (OverflowError, ValueError):
        return found
    return found._replace(offset=offset)


def message_zone(
    stamp: str, zone: tzinfo | None, *, version: tuple[int, ...] = (), component: str = "^"
) -> tzinfo | None:
    """Say where the sender's clocks are: at the offset of its MSH-7 if that has one, else in the zone of the feed."""
    if "+" not in stamp and "-" not in stamp:
        return zone
    found = parse_timestamp(stamp, version=version, component=component)
    if found is None or found.offset is None or found.is_placeless:
        return zone
    return timezone(found.offset)


def _read(stamp: str, old_precision: str, *, names_no_place: bool) -> Stamp | None:
    match = _STAMP.fullmatch(stamp)
    if match is None:
        return None
    parts = match.groups()
    numbers = [int(part) for part in parts[:6] if part is not None]
    precision = Precision(len(numbers) + (parts[6] is not None))
    year, month, day, hour, minute, second = numbers + [1, 1, 0, 0, 0][len(numbers) - 1 :]
    offset = _offset(parts[7])
    if parts[7] is not None and offset is None:
        return None
    days = 0
    if hour == _MIDNIGHT and not minute and not second and not (parts[6] or "").strip(".0"):
        hour, days = 0, 1
    try:
        local = datetime(year, month, day, hour, minute, second) + timedelta(days=days)  # noqa: DTZ001 - the sender's clock
    except (ValueError, OverflowError):
        return None
    kept = min(precision, _OLD_PRECISION.get(old_precision, precision))
    if kept < precision:
        local = _first_of(local, kept)
    fraction = (parts[6] or "").removeprefix(".") if kept is Precision.FRACTION else ""
    return Stamp(kept, local, fraction, offset, offset is not None, names_no_place and parts[7] == "-0000")


def _first_of(local: datetime, precision: Precision) -> datetime:
    parts = [*local.timetuple()[:precision], *(1, 1, 0, 0, 0)[precision - 1 :]]
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001 - the sender's clock


def _offset(text: str | None) -> timedelta | None:
    if text is None:
        return None
    hours, minutes = int(text[1:3]), int(text[3:])
    total = hours * _MINUTES + minutes
    if minutes >= _MINUTES or total >= _LATEST_OFFSET_MIN:
        return None
    return timedelta(minutes=-total if text[0] == "-" else total)
