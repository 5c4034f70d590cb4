"""Feeds over HTTP."""

from daemon.api.feeds.resources import feed_resources

__all__ = ["feed_resources"]
