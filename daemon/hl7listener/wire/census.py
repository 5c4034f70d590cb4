"""What a feed has received since it was last asked: by type, by route, in bytes. Pure.

Counted here and told of once in a while, because an event for each message would cost more than all of this.
"""

from __future__ import annotations

from daemon.feed_events import Received
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.judging.finding import Finding
from daemon.hl7listener.judging.verdict import Disposition, Reason
from daemon.hl7listener.routes.routing import Route
from daemon.hl7listener.spool import Arrival
from daemon.public import Public

OTHER = Public("other")
"""Types that no route names: what senders make up makes no label."""

_UNROUTED = frozenset((Reason.TYPE, Reason.EVENT, Reason.CONTENT))


class Census:
    """Counts the messages of one feed."""

    def __init__(self, feed: Feed) -> None:
        """Begin with none."""
        self._feed = feed.name
        self._names = {route.number: _name(route) for route in feed.routing.routes}
        types = [route.condition.types.exact for route in feed.routing.routes]
        self._kinds = {word: Public(word) for words in types for word in words if word}
        self._begin()

    def _begin(self) -> None:
        self._size_bytes = 0
        self._filtered = self._unrouted = 0
        self._by_kind: dict[Public, int] = {}
        self._by_route: dict[int, int] = {}

    def note(self, arrival: Arrival, *, is_new: bool) -> None:
        """Count a block that is stored; of a batch its messages. One that came again meets no route."""
        self._size_bytes += len(arrival.data)
        if not arrival.members:
            self._count(arrival.finding, is_new=is_new)
            return
        for member in arrival.members:
            self._count(member.finding, is_new=is_new)

    def take(self) -> Received | None:
        """Give what was counted and begin anew; ``None`` if nothing came."""
        if not self._by_kind:
            return None
        routes = {self._names[number]: count for number, count in self._by_route.items()}
        found = Received(self._feed, self._by_kind, self._size_bytes, routes, self._filtered, self._unrouted)
        self._begin()
        return found

    def _count(self, finding: Finding, *, is_new: bool) -> None:
        header = finding.header
        kind = OTHER if header is None else self._kinds.get(header.message_type, OTHER)
        self._by_kind[kind] = self._by_kind.get(kind, 0) + 1
        if not is_new:
            return
        for route in finding.routes:
            self._by_route[route.number] = self._by_route.get(route.number, 0) + 1
        if finding.disposition is Disposition.FILTERED:
            self._filtered += 1
        elif finding.reason in _UNROUTED:
            self._unrouted += 1


def route_names(feed: Feed) -> list[Public]:
    """Name the routes of a feed that want messages, in the order in which they are tried."""
    return [_name(route) for route in feed.routing.routes if not route.filters]


def _name(route: Route) -> Public:
    """Name a route by its place in the site file and what it does."""
    return Public(f"{route.number + 1} {route.task or f'entry {route.entry}'}")
