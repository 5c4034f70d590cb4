"""Workers over HTTP."""

from daemon.api.workers.resources import worker_resources

__all__ = ["worker_resources"]
