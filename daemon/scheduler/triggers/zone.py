"""A time zone as a row of segments of constant offset, so that wall times can be compared by adding a number.

Everything here counts whole seconds: ``utc_s`` since 1970-01-01 UTC, ``wall_s`` since 1970-01-01 on the wall clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

SCAN_STEP_S = 6 * 3600
"""No zone changes its offset twice within six hours."""

FOREVER_S = 1 << 62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS_KEPT = 512


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time in which a zone's offset does not change.

    Attributes:
        start_s: first second, UTC.
        end_s: first second of the next segment, UTC; the end of a searched year is an end too, with ``shift_s`` 0 after.
        offset_s: what is added to UTC to get the wall clock.
        shift_s: by how much the wall clock jumped when the segment began: above zero left a gap, below zero a fold.
    """

    start_s: int
    end_s: int
    offset_s: int
    shift_s: int


UTC_SEGMENT = Segment(-FOREVER_S, FOREVER_S, 0, 0)


class WallClock:
    """The wall clock of one zone."""

    def __init__(self, zone: str) -> None:
        """Open the zone by its IANA name."""
        self.zone = zone
        self._info = ZoneInfo(zone)
        self._is_utc = zone in ("UTC", "Etc/UTC", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal", "UCT", "Etc/UCT")

    def segment_at(self, utc_s: int) -> Segment:
        """Find the segment ``utc_s`` lies in."""
        if self._is_utc:
            return UTC_SEGMENT
        year = (_EPOCH + timedelta(seconds=utc_s)).year
        for segment in _segments(self._info, year):
            if utc_s < segment.end_s:
                return segment
        raise AssertionError  # the last segment of a year ends where the year ends

    def show(self, utc_s: int) -> datetime:
        """Give the aware local time of ``utc_s``."""
        return (_EPOCH + timedelta(seconds=utc_s)).astimezone(self._info)


@lru_cache(maxsize=_YEARS_KEPT)
def _segments(zone: ZoneInfo, year: int) -> tuple[Segment, ...]:
    begin, end = _utc_s(year), _utc_s(year + 1)
    segments = []
    start, offset = begin, _offset_s(zone, begin)
    shift = offset - _offset_s(zone, begin - 1)
    for step in range(begin + SCAN_STEP_S, end + SCAN_STEP_S, SCAN_STEP_S):
        probe = min(step, end - 1)
        there = _offset_s(zone, probe)
        if there != offset:
            change = _change_between(zone, probe - SCAN_STEP_S, probe)
            segments.append(Segment(start, change, offset, shift))
            start, shift, offset = change, there - offset, there
    return (*segments, Segment(start, end, offset, shift))


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
