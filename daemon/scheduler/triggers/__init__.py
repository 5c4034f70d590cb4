"""Triggers: rules that say at which instants an entry is due."""

from daemon.scheduler.triggers.cron import Cron, Dst
from daemon.scheduler.triggers.interval import Interval
from daemon.scheduler.triggers.trigger import Trigger, last_at_or_before

__all__ = ["Cron", "Dst", "Interval", "Trigger", "last_at_or_before"]
