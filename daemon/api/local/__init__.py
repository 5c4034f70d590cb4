"""The daemon's socket for commands of this machine: HTTP over a Unix socket in the state folder."""

from daemon.api.local.place import SOCKET
from daemon.api.local.service import LocalApi

__all__ = ["SOCKET", "LocalApi"]
