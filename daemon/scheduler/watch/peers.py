"""The other daemons of the site: who has given no sign for too long, and who is back. Pure."""

from __future__ import annotations

from collections.abc import Mapping

GONE_US = 30_000_000
"""Without a sign for so long, a daemon is gone."""


class Peers:
    """Compares what daemons left in the broker, as often as it is read."""

    def __init__(self, me: str, *, gone_us: int = GONE_US) -> None:
        """Begin as ``me``, having seen nobody."""
        self._me = me
        self._gone_us = gone_us
        self._watching_us: int | None = None
        self._gone: set[str] = set()
        self.alive = 0
        """How many daemons give signs, this one included."""

    def lost_contact(self) -> None:
        """Begin anew: while the broker was away, nobody could give a sign there."""
        self._watching_us = None

    def look(self, seen_us: Mapping[str, int], now_us: int) -> tuple[list[tuple[str, int]], list[str]]:
        """Say who is gone (and was seen when), and who is back.

        Args:
            seen_us: when each daemon gave its last sign, on the broker's clock; who ended as asked is not in it.
            now_us: the broker's clock.
        """
        if self._watching_us is None or now_us < self._watching_us:
            self._watching_us = now_us
        silent = {
            name: at_us for name, at_us in seen_us.items() if now_us - at_us >= self._gone_us and name != self._me
        }
        self.alive = len(seen_us) - len(silent)
        back = sorted(name for name in self._gone if name in seen_us and name not in silent)
        self._gone &= silent.keys()
        if now_us - self._watching_us < self._gone_us:
            return [], back
        gone = sorted((name, at_us) for name, at_us in silent.items() if name not in self._gone)
        self._gone |= silent.keys()
        return gone, back
