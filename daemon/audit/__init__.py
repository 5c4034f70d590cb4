"""The audit trail: who did what, and who was refused; on disk in a chain of hashes, and on its way to a log server."""

from daemon.audit.trail import Trail
from daemon.audit.trail_file import TrailFile, append_deed

__all__ = ["Trail", "TrailFile", "append_deed"]
