"""Addresses of brokers and result back-ends, in the forms Celery users write."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from shim.errors import BrokerUrlInvalid

_SPOKEN = ("redis", "rediss", "unix", "redis+socket")
_DATABASE_OPTIONS = ("db", "virtual_host")
_DATABASE_DIGITS = 9
_TLS_OPTIONS = ("ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile")
_TLS_DEMANDS = ("required", "optional", "none")
"""Celery writes them as ``CERT_REQUIRED`` and so on too."""

_TUNING_OPTIONS = (
    "health_check_interval", "max_connections", "protocol", "retry_on_timeout", "socket_connect_timeout",
    "socket_keepalive", "socket_timeout",
)  # fmt: skip
"""What Celery hands on to redis-py's client. Left out here: the link sets its own, so that no command is repeated."""


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """An address; its representation and text hide the password.

    Attributes:
        address: the form redis-py reads, password included. For connecting only.
        shown: the same with the password as ``***``.
        database: number of the Redis database.
    """

    address: str
    shown: str
    database: int

    def __repr__(self) -> str:
        """Show the address without its password."""
        return f"BrokerUrl({self.shown!r})"

    def __str__(self) -> str:
        """Show the address without its password."""
        return self.shown


def parse_broker_url(text: str) -> BrokerUrl:
    """Read ``redis://``, ``rediss://``, ``redis+socket:///path?virtual_host=N`` or ``unix:///path?db=N``.

    Raises:
        BrokerUrlInvalid: another scheme, a malformed address, a database that is no number, or an unknown option. The
            message shows no part that may belong to a password.
    """
    try:
        parts = urlsplit(text)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        message = "not an address"
        raise BrokerUrlInvalid(message, hint="write redis://host:6379/0") from None
    if scheme not in _SPOKEN:
        message = f"scheme {scheme!r} is not spoken" if scheme else "no scheme"
        raise BrokerUrlInvalid(message, hint=f"one of {', '.join(f'{name}://' for name in _SPOKEN)}")
    options = dict(parse_qsl(parts.query))
    given = {options.pop(name, "") for name in _DATABASE_OPTIONS}
    if scheme in ("unix", "redis+socket"):
        _check_options(options, ())
        return _socket(parts, _database(given))
    if not host:
        message = "no host"
        raise BrokerUrlInvalid(message, hint="write redis://host:6379/0")
    database = _database(given | {parts.path.strip("/")})
    _check_options(options, _TLS_OPTIONS if scheme == "rediss" else ())
    place = f"[{host}]" if ":" in host else host
    place = f"{place}:{port}" if port else place
    shown = f"{parts.username or ''}:***@{place}" if parts.password is not None else place
    return BrokerUrl(
        urlunsplit((scheme, parts.netloc, f"/{database}", _tls(options), "")),
        f"{scheme}://{shown}/{database}",
        database,
    )


def _socket(parts: SplitResult, database: int) -> BrokerUrl:
    login, at, host = parts.netloc.rpartition("@")
    if host:
        message = "a socket has no host"
        raise BrokerUrlInvalid(message, hint="write three slashes: redis+socket:///run/redis/redis.sock")
    if not parts.path:
        message = "no path of a socket"
        raise BrokerUrlInvalid(message, hint="write redis+socket:///run/redis/redis.sock")
    path = quote(unquote(parts.path))
    hidden = "***@" if at else ""
    return BrokerUrl(f"unix://{login}{at}{path}?db={database}", f"unix://{hidden}{path}?db={database}", database)


def _database(given: set[str]) -> int:
    named = given - {""} or {"0"}
    if len(named) > 1:
        message = "the database is given twice"
        raise BrokerUrlInvalid(message, hint="write it after the last slash, or as an option, not both")
    text = named.pop()
    if not (text.isascii() and text.isdigit() and len(text) <= _DATABASE_DIGITS):
        message = "the database is no number"
        raise BrokerUrlInvalid(message, hint="the part after the last slash is the database, 0 by default")
    return int(text)


def _check_options(options: Mapping[str, str], taken: Collection[str]) -> None:
    for name in options:
        if name not in taken and name not in _TUNING_OPTIONS:
            message = f"option {name!r} is not known here"
            raise BrokerUrlInvalid(message, hint=f"known are {', '.join((*_DATABASE_OPTIONS, *taken))}")


def _tls(options: Mapping[str, str]) -> str:
    taken = {name: value for name, value in options.items() if name in _TLS_OPTIONS}
    demand = taken.get("ssl_cert_reqs")
    if demand is not None:
        taken["ssl_cert_reqs"] = demand.removeprefix("CERT_").lower()
        if taken["ssl_cert_reqs"] not in _TLS_DEMANDS:
            message = "ssl_cert_reqs is not known"
            raise BrokerUrlInvalid(message, hint=f"one of {', '.join(_TLS_DEMANDS)}")
    return urlencode(taken)
