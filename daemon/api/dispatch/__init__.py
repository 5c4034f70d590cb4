"""What was handed over to the broker, over HTTP."""

from daemon.api.dispatch.resources import dispatch_resources

__all__ = ["dispatch_resources"]
