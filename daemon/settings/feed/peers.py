"""Keys of ``[feed.NAME]`` about the other side: where it connects, or is connected to, and who it must be."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import PlainSerializer, PlainValidator, model_validator

from daemon.settings.feed.trust import TrustKeys
from daemon.settings.values import Address, Duration, parse_address, wrong

SYSTEMD: Literal["systemd"] = "systemd"
_ADDRESSES_LIMIT = 16


def _listen(value: Any) -> tuple[Address, ...] | Literal["systemd"]:
    if value == SYSTEMD:
        return SYSTEMD
    items = value if isinstance(value, (list, tuple)) else [value]
    if not 0 < len(items) <= _ADDRESSES_LIMIT:
        raise wrong(f"1 to {_ADDRESSES_LIMIT} addresses are needed")
    addresses = tuple(parse_address(item) for item in items)
    for place, address in enumerate(addresses):
        for other in addresses[:place]:
            if other == address and address.port:
                raise wrong(f"{address} is named twice")
    return addresses


def _shown(value: tuple[Address, ...] | str) -> str | list[str]:
    if isinstance(value, str):
        return value
    return str(value[0]) if len(value) == 1 else [str(address) for address in value]


def _connect(value: Any) -> Address:
    address = parse_address(value)
    if not address.port:
        raise wrong("port 0 is nobody's", 'write the port the sender listens on, "10.1.2.3:2575"')
    return address


Listen: TypeAlias = Annotated[
    tuple[Address, ...] | Literal["systemd"], PlainValidator(_listen), PlainSerializer(_shown)
]
"""One or several addresses to listen on, or ``systemd`` for inherited sockets alone."""

Connect: TypeAlias = Annotated[Address, PlainValidator(_connect), PlainSerializer(str)]
"""An address to connect to."""


class PeerKeys(TrustKeys):
    """Where senders come from, and who they must be."""

    listen: Listen | None = None
    connect: Connect | None = None
    connect_retry: Duration = 30.0

    @model_validator(mode="after")
    def _has_senders(self) -> PeerKeys:
        if self.listen is None and self.connect is None:
            raise wrong(
                "nothing says where messages come from",
                'write listen = "127.0.0.1:2575", or connect = "HOST:PORT" to fetch them from there',
            )
        return self
