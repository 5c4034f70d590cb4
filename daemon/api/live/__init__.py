"""Live events over one WebSocket."""

from daemon.api.live.broadcast import Broadcast
from daemon.api.live.channels import live_channels

__all__ = ["Broadcast", "live_channels"]
