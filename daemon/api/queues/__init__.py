"""Queues over HTTP."""

from daemon.api.queues.resources import queue_resources

__all__ = ["queue_resources"]
