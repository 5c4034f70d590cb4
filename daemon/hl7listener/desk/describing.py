"""Routes and deviations of feeds, as rows that may be shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from daemon.desks import DeviationRow, RouteRow
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.wire.census import route_names
from daemon.hl7listener.wire.report import DeviationSeen
from daemon.public import Public


def deviation_row(seen: DeviationSeen) -> DeviationRow:
    """Describe how senders stray."""
    return DeviationRow(
        Public(seen.kind.value), seen.count, seen.first_at_us, seen.last_at_us, seen.peers, seen.advice, seen.window
    )


def route_rows(feed: Feed, counts: Mapping[str, int]) -> list[RouteRow]:
    """Describe the routes of a feed, in the order in which they are tried, with how many messages each took."""
    wanting = [route for route in feed.routing.routes if not route.filters]
    return [
        RouteRow(name, counts.get(name, 0), route.task or route.entry)
        for name, route in zip(route_names(feed), wanting, strict=True)
    ]
