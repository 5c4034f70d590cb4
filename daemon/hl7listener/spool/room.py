"""How long the room on a disk will last. Pure."""

from __future__ import annotations

import math
from collections import deque

SAMPLES = 360
LEAST_SPAN_S = 300.0


class Outlook:
    """Remembers how much room there was, over the last hour or so.

    Attributes:
        is_low: whether less than what is to be warned at is left.
    """

    def __init__(self, warn_bytes: int) -> None:
        """Know nothing yet."""
        self._warn_bytes = warn_bytes
        self._samples: deque[tuple[float, int]] = deque(maxlen=SAMPLES)
        self.is_low = False

    def add(self, now_s: float, free_bytes: int) -> bool:
        """Remember how much there is now; say whether it became low, or is no longer.

        A little more than the limit is asked for before it counts as enough again.
        """
        self._samples.append((now_s, free_bytes))
        enough = self._warn_bytes + (self._warn_bytes // 8 if self.is_low else 0)
        was_low, self.is_low = self.is_low, free_bytes < enough
        return was_low != self.is_low

    def lasts_s(self) -> float:
        """Say after how many seconds the disk is full if it goes on like this; infinite if it does not fill or is not known."""
        if not self._samples:
            return math.inf
        (begun_s, had), (now_s, has) = self._samples[0], self._samples[-1]
        span_s = now_s - begun_s
        if span_s < LEAST_SPAN_S or has >= had:
            return math.inf
        return has / ((had - has) / span_s)
