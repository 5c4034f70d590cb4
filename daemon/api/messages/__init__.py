"""Stored messages over HTTP."""

from daemon.api.messages.resources import message_resources

__all__ = ["message_resources"]
