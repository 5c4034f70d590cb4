"""Where a request comes from and whom it is meant for: what proxies that are trusted say, ``Host``, ``Origin``. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

HOPS_LIMIT = 20
TEXT_LIMIT = 2048
_THIS_MACHINE = "localhost"

_PORTS = {"http": ":80", "https": ":443"}
_PAIR = re.compile(r'\s*(for|proto|host)\s*=\s*(?:"([^"]*)"|([^;,"\s]*))\s*', re.IGNORECASE)
Headers = Callable[[str], Sequence[str]]
"""Gives all values of a header."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as seen from where it began.

    Attributes:
        address: of who asks.
        scheme: ``http`` or ``https``.
        host: whom it is meant for, as the client wrote it, in lower case.
    """

    address: str
    scheme: str
    host: str


def seen(
    peer: str, scheme: str, host: str, headers: Headers, trusted: Sequence[IPv4Network | IPv6Network] = ()
) -> Seen:
    """Say where a request began: from a proxy that is trusted as it says, else as the connection says.

    ``X-Forwarded-…`` wins; ``Forwarded`` (RFC 7239) is read where there is none of them. Of several addresses the last that is
    no trusted proxy's counts: those before it were written by whoever it is.
    """
    own = Seen(peer, scheme, host.lower())
    if not trusted or not _is_among(peer, trusted):
        return own
    hops = _listed(headers("X-Forwarded-For"))
    protos, hosts = _listed(headers("X-Forwarded-Proto")), _listed(headers("X-Forwarded-Host"))
    if not hops and not protos and not hosts:
        hops, protos, hosts = _forwarded(headers("Forwarded"))
    address = peer
    for hop in reversed(hops[-HOPS_LIMIT:]):
        found = _address(hop)
        if found is None:
            break
        address = found
        if not _is_among(found, trusted):
            break
    proto = protos[-1].lower() if protos else scheme
    return Seen(address, proto if proto in _PORTS else scheme, (hosts[-1] if hosts else host).lower())


@lru_cache(maxsize=256)
def is_ours(host: str, hosts: frozenset[str]) -> bool:
    """Say whether ``Host`` names this daemon: one of its names, or an address.

    A foreign page that has its own name lead here (DNS rebinding) has that name in ``Host``; addresses cannot be rebound.
    """
    name = name_of(host)
    if name is None:
        return False
    return name == _THIS_MACHINE or name in hosts or _address(name) is not None


def name_of(host: str) -> str | None:
    """Take the port off ``Host``; ``None`` if it is no host."""
    if not 0 < len(host) <= 260 or not host.isascii() or any(mark in host for mark in "/\\@?# ,\t"):  # noqa: PLR2004
        return None
    if host.startswith("["):
        inner, bracket, port = host[1:].partition("]")
        return inner.lower() if bracket and _is_port(port) else None
    name, _, port = host.partition(":")
    return name.lower().rstrip(".") if name and _is_port(f":{port}" if port or ":" in host else "") else None


def is_same(origin: str, here: Seen) -> bool:
    """Say whether an ``Origin`` is our own page's (RFC 6454). Where we speak in clear behind something unknown, ``https`` fits too."""
    if len(origin) > TEXT_LIMIT:
        return False
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in _PORTS or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return False
    if here.scheme == "https" and parts.scheme != "https":
        return False
    default = _PORTS[parts.scheme]
    return bool(parts.netloc) and parts.netloc.lower().removesuffix(default) == here.host.removesuffix(default)


def _is_port(text: str) -> bool:
    return not text or (text.startswith(":") and text[1:].isdecimal() and len(text) <= 6)  # noqa: PLR2004 - ":65535"


def _listed(values: Sequence[str]) -> list[str]:
    text = ",".join(values)
    return [one.strip() for one in text.split(",") if one.strip()] if len(text) <= TEXT_LIMIT else []


def _forwarded(values: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    found: dict[str, list[str]] = {"for": [], "proto": [], "host": []}
    for element in _listed(values):
        for pair in element.split(";"):
            match = _PAIR.fullmatch(pair)
            if match is not None:
                found[match[1].lower()].append(match[2] if match[2] is not None else match[3])
    return found["for"], found["proto"], found["host"]


def _address(text: str) -> str | None:
    """Read an address, with or without a port; ``None`` if it is something else."""
    bare = text[1:].partition("]")[0] if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        parsed = ip_address(bare)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)


def _is_among(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    plain = _address(address)
    return plain is not None and any(ip_address(plain) in one for one in networks)
