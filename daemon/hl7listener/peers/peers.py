"""Where a feed's senders come from, and who they must be."""

from __future__ import annotations

from dataclasses import dataclass, field

from daemon.hl7listener.peers.identity import AllowList, Identity, PeerRule, Permit, Refused
from daemon.hl7listener.tls.faults import Refusal
from daemon.hl7listener.tls.terms import Tls
from daemon.settings.values import Address

__all__ = ["AllowList", "Identity", "PeerRule", "Peers", "Permit", "Refusal", "Refused", "Tls"]


@dataclass(frozen=True, slots=True)
class Peers:
    """Where senders come from, and who they must be.

    Attributes:
        listen: the addresses to listen on.
        inherited_only: whether it listens on sockets of systemd alone.
        connect: where to connect to, and receive from there.
        retry_s: the longest wait between two attempts to connect.
        allow: where connections may come from.
        tls: what TLS is made of; ``None``: none.
        rules: those that may connect; without any, everyone who comes from ``allow`` and, with TLS, has the certificate
            that is asked for.
        is_plain_accepted: whether somebody decided that patient data may come unencrypted.
    """

    listen: tuple[Address, ...] = ()
    inherited_only: bool = False
    connect: Address | None = None
    retry_s: float = 30.0
    allow: AllowList = field(default_factory=AllowList)
    tls: Tls | None = None
    rules: tuple[PeerRule, ...] = ()
    is_plain_accepted: bool = False

    @property
    def in_clear(self) -> tuple[Address, ...]:
        """Give the addresses beyond this machine that patient data passes unencrypted, unless somebody accepted that."""
        if self.tls is not None or self.is_plain_accepted:
            return ()
        ends = self.listen if self.connect is None else (*self.listen, self.connect)
        return tuple(address for address in ends if not address.is_loopback)
