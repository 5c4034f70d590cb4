"""A time zone as a row of segments of constant offset, so that wall times can be compared by adding a number.

Everything here counts whole seconds: ``utc_s`` since 1970-01-01 UTC, ``wall_s`` since 1970-01-01 on the wall clock.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SCAN_STEP_S = 2 * 86_400
"""No zone ever changed its offset twice within three days."""

FOREVER_S = 1 << 62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS_KEPT = 4096
_YEAR_LIMITS = (2, 9997)
_UNREADABLE = (ZoneInfoNotFoundError, OSError, ValueError, IndexError, struct.error)
_UTC_NAMES = ("UTC", "Etc/UTC", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal", "UCT", "Etc/UCT")


class Segment(NamedTuple):
    """A stretch of time in which a zone's offset does not change.

    Attributes:
        start_s: first second, UTC; of a long stretch without changes, the begin of a year.
        end_s: first second of the next segment, UTC.
        offset_s: what is added to UTC to get the wall clock.
        shift_s: by how much the wall clock jumped when the segment began: above zero left a gap, below zero a fold.
        next_shift_s: the same for the end of the segment.
    """

    start_s: int
    end_s: int
    offset_s: int
    shift_s: int
    next_shift_s: int


UTC_SEGMENT = Segment(-FOREVER_S, FOREVER_S, 0, 0, 0)


class _Epoch:
    """Counts how often the zones were forgotten."""

    number = 0


_epoch = _Epoch()
_opened: set[str] = set()


def forget_zones() -> None:
    """Read every zone anew when it is next asked for: its rules have changed."""
    ZoneInfo.clear_cache()
    _changes.cache_clear()
    _segments.cache_clear()
    _epoch.number += 1


def zones_opened() -> frozenset[str]:
    """Give the names of all zones that were ever opened here."""
    return frozenset(_opened)


class WallClock:
    """The wall clock of one zone."""

    def __init__(self, zone: str) -> None:
        """Open the zone by its IANA name."""
        self.zone = zone
        self.epoch = _epoch.number
        self._info = ZoneInfo(zone)
        self._is_utc = zone in _UTC_NAMES
        self._here = UTC_SEGMENT if self._is_utc else Segment(0, 0, 0, 0, 0)
        _opened.add(zone)

    def segment_at(self, utc_s: int) -> Segment:
        """Find the segment ``utc_s`` lies in."""
        if self.epoch != _epoch.number:
            self._read_anew()
        here = self._here
        if here.start_s <= utc_s < here.end_s:
            return here
        year = (_EPOCH + timedelta(seconds=utc_s)).year
        for segment in _segments(self._info, year):
            if utc_s < segment.end_s:
                self._here = segment
                return segment
        raise AssertionError  # the last segment of a year ends after the year

    def show(self, utc_s: int) -> datetime:
        """Give the aware local time of ``utc_s``."""
        if self.epoch != _epoch.number:
            self._read_anew()
        return (_EPOCH + timedelta(seconds=utc_s)).astimezone(self._info)

    def _read_anew(self) -> None:
        self.epoch = _epoch.number
        if not self._is_utc:
            self._here = Segment(0, 0, 0, 0, 0)
            # A zone that cannot be read while its package is being replaced stays as it was known.
            with suppress(*_UNREADABLE):
                self._info = ZoneInfo(self.zone)


@lru_cache(maxsize=_YEARS_KEPT)
def _segments(zone: ZoneInfo, year: int) -> tuple[Segment, ...]:
    """Give the segments that touch a year.

    Those at its ends are looked for up to a year away, so that what lies between segments is a clock change wherever it
    matters.
    """
    first, last = max(year - 1, _YEAR_LIMITS[0]), min(year + 1, _YEAR_LIMITS[1])
    begin, end = _utc_s(first), _utc_s(last + 1)
    found = [change for one in range(first, last + 1) for change in _changes(zone, one)]
    if not found or found[0][0] != begin:
        found.insert(0, (begin, 0))
    offset = _offset_s(zone, begin - 1)
    ends = [*found[1:], (end, _offset_s(zone, end) - _offset_s(zone, end - 1))]
    segments = []
    for (start, shift), (stop, next_shift) in zip(found, ends, strict=True):
        offset += shift
        segments.append(Segment(start, stop, offset, shift, next_shift))
    here, there = _utc_s(year), _utc_s(year + 1)
    return tuple(one for one in segments if one.end_s > here and one.start_s < there)


@lru_cache(maxsize=_YEARS_KEPT)
def _changes(zone: ZoneInfo, year: int) -> tuple[tuple[int, int], ...]:
    """Give the changes of a year: the first second of the new offset, and the difference in seconds."""
    begin, end = _utc_s(year), _utc_s(year + 1)
    offset = _offset_s(zone, begin - 1)
    changes = []
    before = begin - 1
    for probe in (*range(begin, end, SCAN_STEP_S), end - 1):
        there = _offset_s(zone, probe)
        if there != offset:
            changes.append((_change_between(zone, before, probe), there - offset))
            offset = there
        before = probe
    return tuple(changes)


def _change_between(zone: ZoneInfo, low: int, high: int) -> int:
    """Find the first second whose offset is that of ``high``, known to differ from that of ``low``."""
    new = _offset_s(zone, high)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_s(zone, middle) == new:
            high = middle
        else:
            low = middle
    return high


def _offset_s(zone: ZoneInfo, utc_s: int) -> int:
    offset = (_EPOCH + timedelta(seconds=utc_s)).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _utc_s(year: int) -> int:
    return int((datetime(year, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
