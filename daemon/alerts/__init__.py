"""The channels over which people, and watchers outside, are told: webhook, e-mail, pings."""

from daemon.alerts.channels import Channels, read_channels
from daemon.alerts.courier import Courier

__all__ = ["Channels", "Courier", "read_channels"]
