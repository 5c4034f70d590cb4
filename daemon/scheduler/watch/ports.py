"""What watching needs of the outside: protocols and the values that pass through them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from daemon.clock import instant
from daemon.public import Public


class Alert(NamedTuple):
    """What people are told: names and instants, nothing of arguments or results.

    Attributes:
        site: of which site.
        by: the daemon that tells.
        entry, daemon, feed: what it is about, one of the three.
        what: was missed (``What``), or is wrong with the feed.
        at_us: the occurrence; when the daemon was seen last.
        since_us: from when on it counts as missed.
        is_over: whether all is well again.
    """

    site: Public
    by: Public
    entry: Public | None
    daemon: Public | None
    what: Public
    at_us: int
    since_us: int
    is_over: bool
    feed: Public | None = None

    def as_data(self) -> dict[str, str | None]:
        """Write it as every channel carries it."""
        of_feed = {} if self.feed is None else {"feed": str(self.feed)}
        return {
            **of_feed,
            "site": str(self.site),
            "entry": None if self.entry is None else str(self.entry),
            "daemon": None if self.daemon is None else str(self.daemon),
            "what": str(self.what),
            "state": "over" if self.is_over else "missed",
            "occurrence": instant(self.at_us).isoformat() if self.entry is not None else None,
            "seen": instant(self.at_us).isoformat() if self.daemon is not None else None,
            "since": instant(self.since_us).isoformat(),
            "told_by": str(self.by),
        }


class Herald(Protocol):
    """The way to people and to watchers outside. Nothing here waits or fails."""

    def tell(self, alert: Alert) -> None:
        """Have an alert sent over every channel there is."""
        ...

    def ping(self, url: str) -> None:
        """Have an address called."""
        ...


class Presence(Protocol):
    """Where the daemons of a site see each other."""

    async def show(self, me: str, facts: Mapping[str, object] | None) -> tuple[dict[str, int], int]:
        """Leave a sign, unless there are no facts to leave; say when each daemon left its last, and the broker's clock.

        Raises:
            BrokerDown: the broker does not answer.
        """
        ...

    async def leave(self, me: str) -> None:
        """Take the sign away: this daemon ends because it was asked to.

        Raises:
            BrokerDown: the broker does not answer.
        """
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...
