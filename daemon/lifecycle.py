"""The one life every service leads: open, serve, drain."""

from __future__ import annotations

from typing import Protocol

from daemon.public import Public


class Service(Protocol):
    """Something the supervisor runs."""

    name: Public

    async def open(self) -> None:
        """Take what is needed; leave nothing half-taken when it fails.

        Raises:
            DaemonError: what is needed cannot be had.
        """
        ...

    async def serve(self) -> None:
        """Work until drained.

        Raises:
            DaemonError: it cannot go on; if that is retryable it is drained and opened again.
        """
        ...

    async def drain(self) -> None:
        """Finish what is in hand, take nothing new, give back what was taken. Safe in any state."""
        ...
