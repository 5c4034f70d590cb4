"""When a disk has failed too often to be trusted again at once. Pure."""

from __future__ import annotations

from collections import deque

DOWN_AFTER = 3
WITHIN_S = 600.0
DOWN_S = 600.0


class Outages:
    """Counts failures of the disk.

    Three within ten minutes, and it stays shut for ten minutes or until someone says that it may be tried again: a device
    that fails now and then must not take messages now and then.
    """

    def __init__(self) -> None:
        """Nothing has failed yet."""
        self._failed_at_s: deque[float] = deque(maxlen=DOWN_AFTER)
        self.total = 0

    def add(self, now_s: float) -> None:
        """Count a failure."""
        self._failed_at_s.append(now_s)
        self.total += 1

    def down_for_s(self, now_s: float) -> float:
        """Say for how long it is not to be tried; 0 if it may be."""
        failures = self._failed_at_s
        if len(failures) < DOWN_AFTER or failures[-1] - failures[0] > WITHIN_S:
            return 0.0
        return max(failures[-1] + DOWN_S - now_s, 0.0)

    def forget(self) -> None:
        """Begin to count anew."""
        self._failed_at_s.clear()
