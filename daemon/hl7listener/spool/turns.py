"""When the search index may take its next step: not while messages come fast, and at the latest after a while. Pure."""

from __future__ import annotations

BUSY_PER_S = 300
"""With more messages than that there is a burst, and each step would take time from the answers to senders."""

LAG_MOST_S = 30.0
"""How long the index stands still in a burst; then it goes on all the same until it is level."""


class Turns:
    """Gives the index its turns, by how many messages have come since it last asked."""

    def __init__(self, now_s: float, arrived: int) -> None:
        """Begin with an index that is level.

        Args:
            now_s: on the monotonic clock.
            arrived: how many messages have come so far.
        """
        self._asked_at_s = self._level_at_s = now_s
        self._arrived = arrived

    def may_go_on(self, now_s: float, arrived: int) -> bool:
        """Say whether it is the index's turn."""
        is_busy = arrived - self._arrived > BUSY_PER_S * (now_s - self._asked_at_s)
        self._asked_at_s, self._arrived = now_s, arrived
        return not is_busy or now_s - self._level_at_s >= LAG_MOST_S

    def is_level(self, now_s: float) -> None:
        """Take note that everything that is stored is in the index."""
        self._level_at_s = now_s
