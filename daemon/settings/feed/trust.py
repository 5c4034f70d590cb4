"""``[feed.NAME.tls]`` and ``[feed.NAME.peer.LABEL]``: how a connection is secured, who may make it, and what they may claim."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, PlainSerializer, PlainValidator, model_validator

from daemon.settings.section import Section
from daemon.settings.values import Duration, Label, Labels, Name, wrong

_MAPPED = IPv6Network("::ffff:0:0/96")
_NETWORKS_LIMIT = 1000


def _networks(value: Any) -> tuple[IPv4Network | IPv6Network, ...]:
    items = value if isinstance(value, (list, tuple)) else [value]
    if not items or len(items) > _NETWORKS_LIMIT:
        raise wrong(f"1 to {_NETWORKS_LIMIT} networks are needed", "leave the key out to allow all")
    return tuple(_network(item) for item in items)


def _network(value: Any) -> IPv4Network | IPv6Network:
    if isinstance(value, (IPv4Network, IPv6Network)):
        return value
    hint = 'write "10.20.0.0/16", "192.0.2.7" or "2001:db8::/32"'
    if not isinstance(value, str):
        raise wrong("not a network", hint)
    try:
        network = ip_network(value)
    except ValueError:
        raise wrong(f'"{value[:64]}" is not a network', _host_bits(value) or hint) from None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        inner = int(network.network_address) & 0xFFFFFFFF
        return IPv4Network((inner, network.prefixlen - _MAPPED.prefixlen))
    return network


def _host_bits(value: str) -> str:
    try:
        return f'did you mean "{ip_network(value, strict=False)}"?'
    except ValueError:
        return ""


Networks: TypeAlias = Annotated[
    tuple[IPv4Network | IPv6Network, ...],
    PlainValidator(_networks),
    PlainSerializer(lambda networks: [str(one) for one in networks], when_used="json"),
]
"""Networks or single addresses, one or a list."""


def _file(value: Any) -> Path:
    if not isinstance(value, (str, Path)) or not (str(value) and str(value).isprintable()):
        raise wrong("not the name of a file", 'write "/etc/carillon/feed.pem" or "credential:NAME"')
    return Path(value)


File: TypeAlias = Annotated[Path, PlainValidator(_file), PlainSerializer(str, when_used="json")]
"""A file that TLS is made of; ``file:/path`` and ``credential:NAME`` have been turned into paths."""


class TlsSection(Section):
    """``[feed.NAME.tls]``."""

    certificate: File | None = None
    key: File | None = None
    client_ca: File | None = None
    client: Literal["required", "optional", "none"] | None = None
    min_version: Literal["1.2", "1.3"] = "1.2"
    ciphers: Label | None = None
    crl: File | None = None
    ca: File | None = None
    server_name: Label | None = None
    check_name: bool = True
    handshake_timeout: Duration = 10.0

    @model_validator(mode="after")
    def _belong(self) -> TlsSection:
        if self.key is not None and self.certificate is None:
            raise wrong("key belongs to certificate", "name the certificate it is for")
        if self.client in ("required", "optional") and self.client_ca is None:
            raise wrong("client needs client_ca", "name the file of those who sign the senders' certificates")
        if self.crl is not None and self.client_ca is None and self.ca is None:
            raise wrong("crl belongs to client_ca", "name the file of those who sign the senders' certificates")
        return self


class PeerSection(Section):
    """``[feed.NAME.peer.LABEL]``: one of those that may connect, and what it may claim."""

    subject: Labels | None = None
    san: Labels | None = None
    fingerprint: Labels | None = None
    address: Networks | None = None
    sending_application: Labels | None = None
    sending_facility: Labels | None = None
    receiving_application: Labels | None = None
    receiving_facility: Labels | None = None
    type: Labels | None = None

    @model_validator(mode="after")
    def _is_known(self) -> PeerSection:
        if self.subject is None and self.san is None and self.fingerprint is None and self.address is None:
            raise wrong("nothing says how the peer is known", "give subject, san, fingerprint or address")
        return self


class TrustKeys(Section):
    """Keys of ``[feed.NAME]`` about who may connect."""

    allow: Networks | None = None
    plaintext: Literal["accepted"] | None = None
    tls: TlsSection | None = None
    peer: dict[Name, PeerSection] = Field(default_factory=dict)
