"""Addresses of RabbitMQ in the forms Celery users write, several of them for one cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from shim.errors import BrokerUrlInvalid

UseSsl: TypeAlias = bool | Mapping[str, Any] | None
"""Celery's ``broker_use_ssl``."""

_SCHEMES = {"amqp": False, "pyamqp": False, "amqps": True}
_PORT, _TLS_PORT = 5672, 5671
_EXAMPLE = "write amqp://user:password@host:5672/virtual-host"
_TLS_NAMES = ("ca_certs", "certfile", "keyfile", "cert_reqs", "check_hostname")
_DEMANDS = {
    "0": "none",
    "1": "optional",
    "2": "required",
    "none": "none",
    "optional": "optional",
    "required": "required",
}


@dataclass(frozen=True, slots=True)
class AmqpTls:
    """How a TLS connection is made.

    Attributes:
        ca_file: PEM file of authorities; the system's if ``None``.
        certificate_file, key_file: PEM files of this client, if the server wants to know it.
        is_verified: whether the server's certificate is checked.
        check_hostname: whether it must name the host; py-amqp does not check that unless told.
    """

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    is_verified: bool = True
    check_hostname: bool = True


@dataclass(frozen=True, slots=True)
class AmqpUrl:
    """One address; its representation and text hide the password.

    Attributes:
        host, port: where the server listens.
        user, password: for connecting only.
        virtual_host: ``/`` unless the address names another.
        tls: ``None`` for a plain connection.
    """

    host: str
    port: int
    user: str
    password: str
    virtual_host: str
    tls: AmqpTls | None

    def __repr__(self) -> str:
        """Show the address without its password."""
        return f"AmqpUrl({str(self)!r})"

    def __str__(self) -> str:
        """Show the address without its password."""
        scheme = "amqp" if self.tls is None else "amqps"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{self.user}:***@{host}:{self.port}/{self.virtual_host}"


def parse_amqp_urls(text: str, *, use_ssl: UseSsl = None) -> tuple[AmqpUrl, ...]:
    """Read one address, or several with ``;`` between them, in the order they are to be tried.

    As kombu reads them: ``amqp://`` alone is ``guest`` on the local host; the path without its first slash is the virtual
    host, percent-decoded, and ``/`` if that is empty, so ``amqp://host``, ``amqp://host/`` and ``amqp://host//`` mean the
    same; a further address without a scheme is a host that shares the rest with the first.

    Args:
        text: ``amqp://``, ``amqps://`` or ``pyamqp://``, with ``ssl_…`` options in the query if there are any.
        use_ssl: Celery's ``broker_use_ssl``: true, or a mapping of ``ca_certs``, ``certfile``, ``keyfile``, ``cert_reqs``.

    Raises:
        BrokerUrlInvalid: another scheme, a malformed address, or an unknown option. The message shows no part that may
            belong to a password.
    """
    found: list[AmqpUrl] = []
    for part in (piece.strip() for piece in text.split(";")):
        if "://" not in part and found and part:
            found.append(_sibling(part, found[0]))
        else:
            found.append(_parse(part, use_ssl))
    return tuple(found)


def _parse(text: str, use_ssl: UseSsl) -> AmqpUrl:
    try:
        parts = urlsplit(text)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        message = "not an address"
        raise BrokerUrlInvalid(message, hint=_EXAMPLE) from None
    if scheme not in _SCHEMES or "://" not in text:
        message = f"scheme {scheme!r} is not spoken here" if scheme else "no scheme"
        raise BrokerUrlInvalid(message, hint=f"one of {', '.join(f'{name}://' for name in _SCHEMES)}")
    tls = _tls(parts, use_ssl)
    virtual_host = unquote(parts.path[1:]) or "/"
    if "%" in virtual_host:
        message = "a virtual host with a percent sign cannot be addressed"
        raise BrokerUrlInvalid(message, hint="write a slash inside its name as %2F")
    user = unquote(parts.username or "") or "guest"
    password = unquote(parts.password or "") or "guest"
    where = unquote(host or "") or "localhost"
    # As kombu does: "localhost" may be an IPv6 address first, where the server does not listen.
    where = "127.0.0.1" if where == "localhost" and tls is None else where
    return AmqpUrl(where, port or (_TLS_PORT if tls else _PORT), user, password, virtual_host, tls)


def _sibling(text: str, first: AmqpUrl) -> AmqpUrl:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
        parts = urlsplit("")
    if not host or parts.username is not None or parts.path or parts.query:
        message = "a further address is neither an address nor a host"
        raise BrokerUrlInvalid(message, hint="write amqp://user:password@first/;second:5672 or whole addresses")
    return AmqpUrl(host, port or first.port, first.user, first.password, first.virtual_host, first.tls)


def _tls(parts: SplitResult, use_ssl: UseSsl) -> AmqpTls | None:
    options: dict[str, Any] = dict(use_ssl) if isinstance(use_ssl, Mapping) else {}
    for name, value in parse_qsl(parts.query):
        if not name.startswith("ssl_"):
            message = f"option {name!r} is not known here"
            raise BrokerUrlInvalid(message, hint=f"known are {', '.join(f'ssl_{one}' for one in _TLS_NAMES)}")
        options[name] = value
    if not (_SCHEMES[parts.scheme] or options or use_ssl):
        return None
    given = {name.removeprefix("ssl_"): value for name, value in options.items() if value is not None}
    unknown = sorted(given.keys() - set(_TLS_NAMES))
    if unknown:
        message = f"TLS option {unknown[0]!r} is not known here"
        raise BrokerUrlInvalid(message, hint=f"known are {', '.join(_TLS_NAMES)}")
    demand = _demand(given.get("cert_reqs", "required"))
    checked = str(given.get("check_hostname", "true")).lower() not in ("false", "0")
    return AmqpTls(
        ca_file=given.get("ca_certs"),
        certificate_file=given.get("certfile"),
        key_file=given.get("keyfile"),
        is_verified=demand != "none",
        check_hostname=checked and demand != "none",
    )


def _demand(given: object) -> str:
    name = str(int(given)) if isinstance(given, int) else str(given).removeprefix("CERT_").lower()
    if name not in _DEMANDS:
        message = "cert_reqs is not known"
        raise BrokerUrlInvalid(message, hint="one of required, optional, none")
    return _DEMANDS[name]
