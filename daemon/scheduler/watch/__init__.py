"""Watching: what is late or failed, told once for the whole site; the other daemons; pings to those who watch from outside."""

from daemon.scheduler.watch.missed import Telling
from daemon.scheduler.watch.ports import Alert, Herald, Presence
from daemon.scheduler.watch.service import Collaborators, Watch
from daemon.scheduler.watch.telling import WatchPlan

__all__ = ["Alert", "Collaborators", "Herald", "Presence", "Telling", "Watch", "WatchPlan"]
