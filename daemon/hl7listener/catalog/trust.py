"""From a feed's keys to who may connect to it, and how the connection is secured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from daemon.hl7listener.peers.identity import AllowList, PeerRule, Permit
from daemon.hl7listener.routes.words import ANY, Words, words
from daemon.hl7listener.tls.certificate import parse_fingerprint
from daemon.hl7listener.tls.terms import CIPHERS, ClientCertificate, MinVersion, Tls
from daemon.settings import Problem, Severity
from daemon.settings.feed import FeedSection
from daemon.settings.feed.trust import PeerSection, TlsSection
from daemon.settings.problems import KeyPath
from daemon.settings.values import Address


class Trust(NamedTuple):
    """Who may connect, and how."""

    allow: AllowList
    tls: Tls | None
    rules: tuple[PeerRule, ...]
    is_plain_accepted: bool


def read_trust(
    path: KeyPath, section: FeedSection, addresses: Iterable[Address], *, listens: bool = True, connects: bool = False
) -> tuple[Trust, list[Problem]]:
    """Read who may connect to the feed at ``path``, which listens on ``addresses``, or connects out itself."""
    problems: list[Problem] = []
    tls = None
    if section.tls is not None:
        tls = _tls(section.tls, connects=connects and not listens)
        problems += _odd_tls((*path, "tls"), section.tls, listens=listens, connects=connects)
    elif section.plaintext is None:
        problems += [_in_clear((*path, "listen"), one) for one in addresses if not one.is_loopback]
        if section.connect is not None and not section.connect.is_loopback:
            problems.append(_in_clear((*path, "connect"), section.connect))
    rules, found = _rules(path, section)
    return Trust(AllowList(section.allow or ()), tls, rules, section.plaintext == "accepted"), [*problems, *found]


def _in_clear(path: KeyPath, address: Address) -> Problem:
    text = f"{address} takes patient data unencrypted from the network"
    hint = 'write [feed.….tls], put a TLS terminator in front, or say plaintext = "accepted"'
    return Problem(path, text, hint, Severity.WARNING)


def _tls(section: TlsSection, *, connects: bool) -> Tls:
    default = ClientCertificate.NONE if section.client_ca is None else ClientCertificate.REQUIRED
    return Tls(
        certificate=section.certificate,
        key=section.key,
        authorities=(section.ca or section.client_ca) if connects else section.client_ca,
        client=default if section.client is None else ClientCertificate(section.client),
        min_version=MinVersion(section.min_version),
        ciphers=section.ciphers or CIPHERS,
        crl=section.crl,
        server_name=section.server_name,
        checks_name=section.check_name,
        handshake_s=section.handshake_timeout,
    )


def _odd_tls(path: KeyPath, section: TlsSection, *, listens: bool, connects: bool) -> list[Problem]:
    problems = []
    if listens and section.certificate is None:
        problems.append(Problem((*path, "certificate"), "is missing", "a feed that listens needs its own certificate"))
    if listens and section.client == "none" and section.client_ca is not None:
        text = "nobody is asked for a certificate, so client_ca says nothing"
        problems.append(Problem((*path, "client"), text, "", Severity.WARNING))
    if not connects:
        given = {"ca": section.ca, "server_name": section.server_name}
        problems += [
            Problem((*path, key), "is for a feed that connects out", "senders are checked by client_ca")
            for key, value in given.items()
            if value is not None
        ]
    return problems


def _rules(path: KeyPath, section: FeedSection) -> tuple[tuple[PeerRule, ...], list[Problem]]:
    rules, problems = [], []
    asks = section.tls is not None and section.tls.client != "none"
    asks = asks and section.tls is not None and (section.tls.client_ca or section.tls.ca) is not None
    for label, peer in section.peer.items():
        here = (*path, "peer", str(label))
        by_certificate = [key for key in ("subject", "san", "fingerprint") if getattr(peer, key) is not None]
        if by_certificate and not asks:
            hint = "write [feed.….tls] with client_ca, or know the peer by its address"
            problems.append(Problem((*here, by_certificate[0]), "no certificate is asked for", hint))
        fingerprints = []
        for place, text in enumerate(peer.fingerprint or ()):
            found = parse_fingerprint(text)
            if found is None:
                hint = "openssl x509 -in FILE -noout -fingerprint -sha256 gives it; write sha256: before it"
                problems.append(Problem((*here, "fingerprint", place), "not a SHA-256 fingerprint", hint))
            else:
                fingerprints.append(found)
        rules.append(
            PeerRule(
                label,
                _words(peer.subject),
                _words(peer.san),
                frozenset(fingerprints),
                peer.address or (),
                whole_subject=any("=" in one for one in peer.subject or ()),
                permit=_permit(peer),
            )
        )
    return tuple(rules), problems


def _permit(peer: PeerSection) -> Permit | None:
    claims = (
        peer.sending_application,
        peer.sending_facility,
        peer.receiving_application,
        peer.receiving_facility,
        peer.type,
    )
    return Permit(*map(_words, claims)) if any(one is not None for one in claims) else None


def _words(texts: Sequence[str] | None) -> Words:
    return ANY if texts is None else words(texts)
