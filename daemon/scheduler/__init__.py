"""Schedule entries: when they are due, and having them enqueued once."""

from daemon.scheduler.loop import Scheduler
from daemon.scheduler.model import Entry

__all__ = ["Entry", "Scheduler"]
