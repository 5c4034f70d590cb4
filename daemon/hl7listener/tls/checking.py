"""Tries the certificates of a site before it runs, and says what is wrong with them and what will be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from daemon.clock import instant
from daemon.hl7listener.errors import CertificateUnusable
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.tls.certificate import Validity, stage
from daemon.hl7listener.tls.contexts import client_context, key_is_open, server_context
from daemon.hl7listener.tls.terms import Tls
from daemon.settings import Problem, Severity
from daemon.settings.problems import KeyPath


def check_certificates(feeds: Iterable[Feed], now_us: int) -> Iterator[Problem]:
    """Find what is wrong with the certificates of feeds."""
    for feed in feeds:
        if feed.peers.tls is not None:
            path: KeyPath = ("feed", str(feed.name), "tls")
            listens = feed.peers.tls.certificate is not None
            if listens or feed.peers.connect is not None:
                yield from _check(path, feed.peers.tls, now_us, listens=listens)


def _check(path: KeyPath, tls: Tls, now_us: int, *, listens: bool) -> Iterator[Problem]:
    try:
        validity = (server_context(tls) if listens else client_context(tls)).validity
    except CertificateUnusable as error:
        yield Problem(path, str(error), error.hint)
        return
    key = tls.key or tls.certificate
    if key is not None and key_is_open(key):
        where = (*path, "certificate" if tls.key is None else "key")
        yield Problem(where, f"{key} can be read by others", f"chmod 600 {key}", Severity.WARNING)
    if validity is not None:
        yield from _ends((*path, "certificate"), validity, now_us)


def _ends(path: KeyPath, validity: Validity, now_us: int) -> Iterator[Problem]:
    until = f"{instant(validity.until_us):%Y-%m-%d %H:%M} UTC"
    if now_us < validity.from_us:
        text = f"does not hold before {instant(validity.from_us):%Y-%m-%d %H:%M} UTC"
        yield Problem(path, text, "look after the clock of this machine", Severity.WARNING)
    days = stage(validity.until_us, now_us)
    if days == 0:
        yield Problem(path, f"expired on {until}", "senders will refuse it: renew it", Severity.WARNING)
    elif days is not None:
        yield Problem(
            path, f"expires on {until}", "renew it; a changed file is taken without a restart", Severity.WARNING
        )
