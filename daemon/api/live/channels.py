"""The WebSocket of live events."""

from __future__ import annotations

from daemon.api.http.resource import Channel
from daemon.api.live.broadcast import Broadcast


def live_channels(broadcast: Broadcast) -> tuple[Channel, ...]:
    """List it."""
    return (Channel("/api/ws/events", broadcast.talk, "Follow what changes", "live"),)
