"""Where a feed's senders come from, and who they must be."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.settings.values import Address


@dataclass(frozen=True, slots=True)
class Peers:
    """Where senders come from, and who they must be.

    Attributes:
        listen: the addresses to listen on.
    """

    listen: tuple[Address, ...] = ()
