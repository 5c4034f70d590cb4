"""Addresses of brokers and result back-ends, in the forms Celery users write."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from shim.errors import BrokerUrlInvalid

_SPOKEN = ("redis", "rediss", "unix", "redis+socket")


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
        BrokerUrlInvalid: another scheme, a malformed address, or a database that is no number.
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
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if scheme in ("unix", "redis+socket"):
        database = _database(query.get("virtual_host") or query.get("db") or "0")
        if not parts.path:
            message = "no path of a socket"
            raise BrokerUrlInvalid(message, hint="write redis+socket:///run/redis/redis.sock")
        credentials = parts.netloc.rpartition("@")[0]
        login = f"{credentials}@" if credentials else ""
        hidden = "***@" if credentials else ""
        path = quote(parts.path)
        return BrokerUrl(f"unix://{login}{path}?db={database}", f"unix://{hidden}{path}?db={database}", database)
    if not host:
        message = "no host"
        raise BrokerUrlInvalid(message, hint="write redis://host:6379/0")
    database = _database(parts.path.strip("/") or query.get("db") or "0")
    place = f"[{host}]" if ":" in host else host
    place = f"{place}:{port}" if port else place
    shown = f"{parts.username or ''}:***@{place}" if parts.password is not None else place
    return BrokerUrl(
        urlunsplit((scheme, parts.netloc, f"/{database}", parts.query, "")),
        f"{scheme}://{shown}/{database}",
        database,
    )


def _database(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        message = f"database {text!r} is no number"
        raise BrokerUrlInvalid(message, hint="the part after the last slash is the database, 0 by default")
    return int(text)
