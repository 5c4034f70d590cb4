"""How long a feed is usually silent, learned for each hour of the week. Pure.

The longest silence that reached into an hour is remembered for each of the last weeks. What is usual at an hour is the longest
of them, of it and of its neighbours, and half as much again: a feed that rests every night is not quiet at night, and one that
brings a message a second on Monday mornings is after a few minutes. Before an hour has been seen in two weeks nothing is said of
it: there is not enough data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daemon.clock import SECOND_US

HOUR_US = 3600 * SECOND_US
HOURS = 168
WEEKS_KEPT, WEEKS_NEEDED = 4, 2
SHORTEST_US = 5 * 60 * SECOND_US
"""A shorter silence is never an alarm."""


class Usual:
    """What is known of the silences of one feed.

    Hours are counted from the epoch, so that a week is one of 168 hours whatever the zone; a change of the clock by an hour is
    within the neighbours that are looked at.
    """

    def __init__(self) -> None:
        """Begin without knowledge."""
        self._longest_us: dict[int, dict[int, int]] = {}

    def heard(self, previous_us: int, now_us: int) -> None:
        """Learn of a silence that has ended: of the hours it reached into, but for those of more than a week."""
        first = max(previous_us // HOUR_US, now_us // HOUR_US - HOURS + 1)
        for hour in range(first, now_us // HOUR_US + 1):
            silent_us = min((hour + 1) * HOUR_US, now_us) - previous_us
            weeks = self._longest_us.setdefault(hour % HOURS, {})
            week = hour // HOURS
            weeks[week] = max(weeks.get(week, 0), silent_us)
            while len(weeks) > WEEKS_KEPT:
                del weeks[min(weeks)]

    def limit_us(self, now_us: int) -> int | None:
        """Say how long a silence may last at an instant; ``None``: not enough data."""
        hour, week = now_us // HOUR_US, now_us // HOUR_US // HOURS
        known = self._longest_us.get(hour % HOURS, {})
        if sum(week - WEEKS_KEPT <= one <= week for one in known) < WEEKS_NEEDED:
            return None
        longest_us = max(
            silent_us
            for near in (hour - 1, hour, hour + 1)
            for silent_us in self._longest_us.get(near % HOURS, {0: 0}).values()
        )
        return max(longest_us * 3 // 2, SHORTEST_US)

    def as_data(self) -> dict[str, Any]:
        """Write it for JSON."""
        return {str(hour): {str(week): one for week, one in weeks.items()} for hour, weeks in self._longest_us.items()}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Usual:
        """Read what ``as_data`` wrote.

        Raises:
            ValueError, TypeError, AttributeError: it is nothing of the kind.
        """
        usual = cls()
        for hour, weeks in data.items():
            place = int(hour)
            if not 0 <= place < HOURS:
                raise ValueError
            newest = sorted((int(week), int(one)) for week, one in weeks.items())[-WEEKS_KEPT:]
            usual._longest_us[place] = dict(newest)
        return usual
