"""What happens about trust: who is refused, certificates, the audit trail; like ``daemon/events.py``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from daemon.public import Public


@dataclass(frozen=True, slots=True)
class NodeRefused:
    """Somebody is not who may connect; kept in the audit trail."""

    feed: Public
    address: Public
    reason: Enum
    subject: Public


@dataclass(frozen=True, slots=True)
class CertificateTaken:
    """A feed's certificate is in use. ``until_us`` is its end."""

    feed: Public
    until_us: int


@dataclass(frozen=True, slots=True)
class CertificateNotTaken:
    """New files of a feed's TLS cannot be used; the old ones stay in use."""

    feed: Public
    reason: Public


@dataclass(frozen=True, slots=True)
class AuditHead:
    """How far the audit trail is: with this line kept elsewhere, nobody can cut its end off unseen."""

    number: int
    digest: Public


@dataclass(frozen=True, slots=True)
class AuditLost:
    """Records could not be written to the audit trail, or not be sent on."""

    count: int
    reason: Public
