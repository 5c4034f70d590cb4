"""The HTTP side of the daemon."""

from daemon.api.server import Api

__all__ = ["Api"]
