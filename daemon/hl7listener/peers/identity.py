"""Who is at the other end of a connection, whether they may be there, and what they may claim in MSH. Pure.

An address is compared with the feed's ``allow``; address and certificate together say which of the feed's peers it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, NamedTuple, Protocol, TypeAlias

from daemon.deeds import Deed, DeedKind, Outcome
from daemon.hl7listener.judging.verdict import Reason
from daemon.hl7listener.routes.words import ANY, Words
from daemon.hl7listener.text.header import Header
from daemon.hl7listener.tls.certificate import Shown, read_shown
from daemon.hl7listener.tls.faults import Refusal
from daemon.public import Public

Network: TypeAlias = IPv4Network | IPv6Network
_NOTHING = Public("")


@dataclass(frozen=True, slots=True)
class AllowList:
    """Networks that connections may come from; without any, everyone may. IPv4 within IPv6 counts as IPv4."""

    networks: tuple[Network, ...] = ()

    def allows(self, host: str) -> bool:
        """Say whether ``host``, an address in text, is within one of them. What is no address is in none."""
        return not self.networks or _is_within(host, self.networks)


@dataclass(frozen=True, slots=True)
class Permit:
    """What a peer may claim to be, and what it may send: MSH-3 to MSH-6, and MSH-9 as ``ADT`` or ``ADT^A01``."""

    sending_application: Words = ANY
    sending_facility: Words = ANY
    receiving_application: Words = ANY
    receiving_facility: Words = ANY
    types: Words = ANY

    def permits(self, header: Header) -> bool:
        """Say whether a message with this header may come from the peer."""
        claims = (self.sending_application, self.sending_facility, self.receiving_application, self.receiving_facility)
        for number, allowed in enumerate(claims, 3):
            if allowed is not ANY and not _permits(allowed, header, number):
                return False
        if self.types is ANY:
            return True
        kind = header.message_type
        return self.types.match(kind) or self.types.match(f"{kind}^{header.trigger_event}")


@dataclass(frozen=True, slots=True)
class PeerRule:
    """One of those that may connect: by what they are known, and what they are permitted.

    All that is given must fit. ``subject`` is compared with the common names, or, if it holds ``=``, with the whole subject.

    Attributes:
        fingerprints: SHA-256 of certificates, in hex; one of them.
        permit: ``None``: whatever they claim.
    """

    label: Public
    subject: Words = ANY
    names: Words = ANY
    fingerprints: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    whole_subject: bool = False
    permit: Permit | None = None

    def fits(self, host: str, shown: Shown) -> bool:
        """Say whether a connection from ``host`` with this certificate is theirs."""
        if self.networks and not _is_within(host, self.networks):
            return False
        if self.fingerprints and shown.fingerprint not in self.fingerprints:
            return False
        if self.subject is not ANY:
            said = (shown.subject,) if self.whole_subject else shown.common_names
            if not any(self.subject.match(one) for one in said):
                return False
        return self.names is ANY or any(self.names.match(one) for one in shown.names)


class Identity(NamedTuple):
    """Who is at the other end.

    Attributes:
        address: without the port.
        port: ``0`` where there is none.
        subject, fingerprint: of the certificate; empty without one.
        label: which of the feed's peers it is; empty where none are named.
        permit: what it may claim; ``None``: anything.
        tls: version and cipher; empty without TLS.
    """

    address: Public = _NOTHING
    port: int = 0
    subject: Public = _NOTHING
    fingerprint: Public = _NOTHING
    label: Public = _NOTHING
    permit: Permit | None = None
    tls: Public = _NOTHING


class Refused(NamedTuple):
    """A connection that is not admitted, and why."""

    address: Public
    reason: Refusal
    subject: Public = _NOTHING


class Transport(Protocol):
    """What is asked of a connection."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Give a fact, such as ``peername``."""
        ...


def admit(allow: AllowList, rules: Sequence[PeerRule], transport: Transport) -> Identity | Refused:
    """Say who has connected, or why they may not."""
    address, port = address_of(transport.get_extra_info("peername"))
    if not allow.allows(address):
        return Refused(address, Refusal.ADDRESS)
    session = transport.get_extra_info("ssl_object")
    shown, tls = Shown(), _NOTHING
    if session is not None:
        shown = read_shown(session.getpeercert(), session.getpeercert(binary_form=True))
        cipher = session.cipher()
        tls = Public(f"{session.version()} {cipher[0] if cipher else ''}".strip())
    found = Identity(address, port, shown.shown, Public(shown.fingerprint), tls=tls)
    if not rules:
        return found
    for rule in rules:
        if rule.fits(address, shown):
            return found._replace(label=rule.label, permit=rule.permit)
    return Refused(address, Refusal.NO_PEER, shown.shown)


def sender_refused(feed: Public, sender: Identity) -> Deed:
    """Tell the audit trail that a peer sent what it is not permitted to send."""
    who = sender.subject or sender.label
    reason = Public(Reason.SENDER.value)
    return Deed(DeedKind.SENDER_REFUSED, who, feed, Outcome.REFUSED, reason, sender.address)


def address_of(name: Any) -> tuple[Public, int]:
    """Read what a socket says of its other end: an address, IPv4 within IPv6 as IPv4, and a port. Empty if it has none."""
    if not isinstance(name, tuple) or len(name) < 2:  # noqa: PLR2004 - a Unix socket
        return _NOTHING, 0
    host = str(name[0])
    parsed = _parsed(host)
    return Public(host if parsed is None else str(parsed)), int(name[1])


def _is_within(host: str, networks: Sequence[Network]) -> bool:
    address = _parsed(host)
    return address is not None and any(address in network for network in networks)


@lru_cache(maxsize=256)
def _parsed(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _permits(allowed: Words, header: Header, number: int) -> bool:
    raw = header.raw(number)
    if header.delimiters.repetition in raw:  # none of these fields repeats; who claims to be two is neither
        return False
    return allowed.match(raw.split(header.delimiters.component, 1)[0].decode("latin-1"))
