"""Where an application keeps its results, read from its configuration as Celery reads it (``celery/backends/redis.py``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from shim.broker_url import BrokerUrl, parse_broker_url
from shim.errors import BrokerUrlInvalid
from shim.results.keys import result_key_prefix
from shim.tls_options import read_use_ssl

_REDIS = ("redis", "rediss")
_SOCKETS = ("socket", "redis+socket")
_SENTINEL = "sentinel"


@dataclass(frozen=True, slots=True)
class ResultPlace:
    """A result back-end.

    Attributes:
        address: as written, or for Redis with everything the settings add; may hold a password and is not part of the
            representation.
        is_redis: whether the shim reads it itself, a Redis server or the master behind sentinels.
        key_prefix: as Celery joins it before keys and channels.
        serializer: ``result_serializer``.
        url: what to connect to, if ``is_redis``.
    """

    address: str = field(repr=False)
    is_redis: bool
    key_prefix: str = ""
    serializer: str = "json"
    url: BrokerUrl | None = None


def result_place(conf: Mapping[str, Any]) -> ResultPlace | None:
    """Find the result back-end of an application by its lower-case settings; ``None`` if it keeps no results.

    What Celery does, and is easily missed: the database of a ``redis://`` address is its path or else 0; ``redis_db`` counts only
    for an address without ``://`` and for sockets. Host, port, user and password that the address lacks come from ``redis_host``,
    ``redis_port``, ``redis_username`` and ``redis_password``. A ``db=`` option of the address beats everything.

    Raises:
        BrokerUrlInvalid: a Redis address that cannot be spoken to, or a credential provider, which only Celery itself can run.
    """
    backend = conf.get("result_backend")
    if not isinstance(backend, str) or backend in ("", "disabled", "disabled://"):
        return None
    given = conf.get("result_backend_transport_options")
    options: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    prefix = options.get("global_keyprefix")
    scheme = backend.partition("://")[0]
    address, url = backend, None
    if scheme == _SENTINEL:
        url = parse_broker_url(backend, use_ssl=conf.get("redis_backend_use_ssl"), transport_options=options)
    elif scheme in _REDIS or scheme in _SOCKETS:
        address = _redis_address(backend, conf)
        url = parse_broker_url(address)
    return ResultPlace(
        address,
        url is not None,
        result_key_prefix(prefix) if isinstance(prefix, str) else "",
        str(conf.get("result_serializer") or "json"),
        url,
    )


def _redis_address(backend: str, conf: Mapping[str, Any]) -> str:
    if conf.get("redis_backend_credential_provider"):
        message = "redis_backend_credential_provider: a provider of credentials is Python code of the application"
        raise BrokerUrlInvalid(
            message, hint="write user and password into result_backend, or read results through Celery"
        )
    has_address = "://" in backend
    try:
        parts = urlsplit(backend if has_address else "")
        parts.port  # noqa: B018 - raises on what is no port
    except ValueError:
        message = "result_backend is not an address"
        raise BrokerUrlInvalid(message, hint="write redis://host:6379/0") from None
    query = dict(parse_qsl(parts.query))
    login = _login(parts, query, conf)
    if parts.scheme in _SOCKETS:
        database = query.pop("db", None) or query.pop("virtual_host", None) or conf.get("redis_db") or 0
        return f"redis+socket://{login}{parts.path}?{urlencode({'virtual_host': str(database).strip('/')})}"
    query.pop("virtual_host", None)  # Celery reads it, and puts the path in its place
    database = query.pop("db", None) or (unquote(parts.path).strip("/") if has_address else conf.get("redis_db")) or 0
    host = query.pop("host", None) or parts.hostname or conf.get("redis_host") or "localhost"
    port = query.pop("port", None) or parts.port or conf.get("redis_port") or 6379
    scheme = parts.scheme or "redis"
    tls = read_use_ssl(conf.get("redis_backend_use_ssl"))
    if tls is not None:
        scheme, query = "rediss", {**tls, **query}
    place = f"[{host}]" if ":" in host else host
    options = f"?{urlencode(query)}" if query else ""
    return f"{scheme}://{login}{place}:{port}/{quote(str(database), safe='')}{options}"


def _login(parts: SplitResult, query: dict[str, str], conf: Mapping[str, Any]) -> str:
    user = query.pop("username", None) or unquote(parts.username or "") or conf.get("redis_username") or ""
    password = query.pop("password", None) or unquote(parts.password or "") or conf.get("redis_password")
    if not password and not user:
        return ""
    secret = f":{quote(str(password), safe='')}" if password else ""
    return f"{quote(str(user), safe='')}{secret}@"
