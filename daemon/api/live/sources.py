"""Where the rows of feeds, messages, alerts and the overview come from, for those who follow them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio.lowlevel

from daemon.api.alerts.views import alert_view
from daemon.api.feeds.views import feed_view
from daemon.api.http.caller import Role
from daemon.api.overview import Overview
from daemon.desks import AlertDesk, FeedDesk, LiveSource, Topic

AT_ONCE = 20
ALERTS_SHOWN = 500


def own_sources(feeds: FeedDesk, alerts: AlertDesk, overview: Overview) -> tuple[LiveSource, ...]:
    """List them."""

    async def feed_rows(role: Role) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        for place, row in enumerate(feeds.rows()):
            if place % AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()  # so that hundreds of feeds keep nobody waiting
            found[row.name] = feed_view(row, role)
        return found

    async def message_rows(role: Role) -> Mapping[str, Any]:
        del role
        return {
            row.name: {
                "feed": row.name,
                "answered": sum(row.codes.values()),
                "resent": row.resent,
                "waiting": row.waiting,
                "last_at": feed_view(row, Role.VIEWER).last_at,
            }
            for row in feeds.rows()
        }

    async def alert_rows(role: Role) -> Mapping[str, Any]:
        return {row.id: alert_view(row, role) for row in alerts.rows()[:ALERTS_SHOWN]}

    async def overview_rows(role: Role) -> Mapping[str, Any]:
        return {"overview": await overview.view(role)}

    return (
        LiveSource(Topic.FEEDS, feed_rows),
        LiveSource(Topic.MESSAGES, message_rows),
        LiveSource(Topic.ALERTS, alert_rows),
        LiveSource(Topic.OVERVIEW, overview_rows, every_s=2.0),
    )
