"""The time by which entries are due: ours, but never ahead of the broker's, whose claims refuse what is early.

A clock that runs ahead would otherwise offer only occurrences that are refused, again and again, and never fire.
"""

from __future__ import annotations

from daemon.clock import Clock

LEAD_IGNORED_US = 10_000
"""Being ahead of the broker's clock by so little is no lead: claims allow for more."""


class Pace:
    """A clock held back by another."""

    def __init__(self, clock: Clock) -> None:
        """Keep the clock."""
        self._clock = clock
        self._lead_us = 0
        self._seen_us = 0

    def now_us(self) -> int:
        """Give the time by which entries are due."""
        return self._clock.now_us() - self._lead_us

    def hear(self, asked_us: int, broker_us: int) -> None:
        """Compare clocks: a question asked when ours, uncorrected, showed ``asked_us`` was answered at ``broker_us``.

        The answer was given after the question, so a lead that shows is real. 0 is no answer.
        """
        if broker_us:
            lead_us = asked_us - broker_us
            self._lead_us = lead_us if lead_us > LEAD_IGNORED_US else 0

    def was_set_back(self) -> bool:
        """Say whether our clock shows less than when this was asked last; a lead it had is forgotten then."""
        seen_us, self._seen_us = self._seen_us, self._clock.now_us()
        if self._seen_us >= seen_us:
            return False
        self._lead_us = 0
        return True
