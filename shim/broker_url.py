"""Addresses of brokers and result back-ends, in the forms Celery users write."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from shim.errors import BrokerUrlInvalid
from shim.tls_options import TLS_OPTIONS, UseSsl, read_tls_options, read_use_ssl

_SPOKEN = ("redis", "rediss", "unix", "redis+socket", "sentinel")
_DATABASE_OPTIONS = ("db", "virtual_host")
_DATABASE_DIGITS = 9
_SENTINEL_PORT = 26379
_MASTER = "master.invalid"
"""Stands where the master's address belongs, which only the sentinels know."""

_TUNING_OPTIONS = (
    "health_check_interval", "max_connections", "protocol", "retry_on_timeout", "socket_connect_timeout",
    "socket_keepalive", "socket_timeout",
)  # fmt: skip
"""What Celery hands on to redis-py's client. Left out here: the link sets its own, so that no command is repeated."""

_SENTINEL_TUNING = (*_TUNING_OPTIONS, "client_name", "decode_responses", "encoding", "socket_keepalive_options")

NO_CLUSTER = "Redis Cluster is not spoken: Celery's transport cannot use one"
CLUSTER_HINT = "use one server, or a master and replicas watched by Sentinel: sentinel://host:26379/0"
_NO_PROVIDER = "credential_provider is not used here: it is code that hands out passwords"
_PROVIDER_HINT = "write user and password into the address"


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """An address; its representation and text hide every password.

    Attributes:
        address: the form redis-py reads, password and TLS options included. For connecting only. With sentinels its host
            stands for whatever server they name.
        shown: the address as written, the password as ``***``.
        database: number of the Redis database.
        sentinels: their addresses in the form of ``address``, passwords included; empty without Sentinel.
        master_name: what the sentinels call the master.
        min_other_sentinels: a sentinel that sees fewer others is not believed.
    """

    address: str
    shown: str
    database: int
    sentinels: tuple[str, ...] = ()
    master_name: str = ""
    min_other_sentinels: int = 0

    def __repr__(self) -> str:
        """Show the address without its password."""
        return f"BrokerUrl({self.shown!r})"

    def __str__(self) -> str:
        """Show the address without its password."""
        return self.shown


def parse_broker_url(
    text: str,
    *,
    use_ssl: UseSsl = None,
    transport_options: Mapping[str, object] | None = None,
) -> BrokerUrl:
    """Read an address of a broker or a result back-end.

    ``redis://``, ``rediss://``, ``redis+socket:///path?virtual_host=N``, ``unix:///path?db=N`` and
    ``sentinel://h1:26379;sentinel://h2:26379/0``, of which kombu reads user, password and database in the first part only.

    Args:
        text: the address.
        use_ssl: ``broker_use_ssl`` or ``redis_backend_use_ssl``. As with Celery it makes ``redis://`` speak TLS, and with
            Sentinel the way to the master. An option that the address has too is the address's.
        transport_options: ``broker_transport_options`` or ``result_backend_transport_options``. Read are ``master_name``,
            ``sentinel_kwargs`` and ``min_other_sentinels``, with Sentinel; the others are not about connecting.

    Raises:
        BrokerUrlInvalid: another scheme, a malformed address, a database that is no number, or an unknown option. The
            message shows no part that may belong to a password.
    """
    tls = read_use_ssl(use_ssl)
    parts = _split(text.split(";", maxsplit=1)[0])
    if parts.scheme == "sentinel":
        return _sentinel(text, parts, tls, transport_options or {})
    if ";" in text:
        message = "several brokers in one address are spoken to with Sentinel only"
        raise BrokerUrlInvalid(message, hint="a ; in a password is written %3B")
    options = _options(parts)
    given = {options.pop(name, "") for name in _DATABASE_OPTIONS}
    if parts.scheme in ("unix", "redis+socket"):
        if tls is not None:
            message = "use_ssl: a socket speaks no TLS"
            raise BrokerUrlInvalid(message, hint="leave it out, or name a host: rediss://host:6379/0")
        _check_options(options, ())
        return _socket(parts, _database(given))
    if not parts.hostname:
        message = "no host"
        raise BrokerUrlInvalid(message, hint="write redis://host:6379/0")
    database = _database(given | {parts.path.strip("/")})
    is_secure = parts.scheme == "rediss" or tls is not None
    _check_options(options, TLS_OPTIONS if is_secure else ())
    scheme = "rediss" if is_secure else "redis"
    shown = f"{_shown_login(parts)}{_place(parts)}"
    return BrokerUrl(
        urlunsplit((scheme, parts.netloc, f"/{database}", _tls_query(tls, options), "")),
        f"{scheme}://{shown}/{database}",
        database,
    )


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        scheme, _, _ = parts.scheme, parts.hostname, parts.port
    except ValueError:
        message = "not an address"
        raise BrokerUrlInvalid(message, hint="write redis://host:6379/0") from None
    if "cluster" in scheme:
        raise BrokerUrlInvalid(NO_CLUSTER, hint=CLUSTER_HINT)
    if scheme not in _SPOKEN:
        message = f"scheme {scheme!r} is not spoken" if scheme else "no scheme"
        raise BrokerUrlInvalid(message, hint=f"one of {', '.join(f'{name}://' for name in _SPOKEN)}")
    return parts


def _sentinel(
    text: str, first: SplitResult, tls: Mapping[str, str] | None, transport_options: Mapping[str, object]
) -> BrokerUrl:
    others = [one for one in text.split(";")[1:] if one]
    if not all(one.startswith("sentinel://") for one in others):
        message = "an address of sentinels names something else too"  # not shown: it may be a piece of a password
        raise BrokerUrlInvalid(message, hint="each part begins with sentinel://; a ; in a password is written %3B")
    parts = [first, *(_split(one) for one in others)]
    _check_sentinels(parts)
    options = _options(first)
    given = {options.pop(name, "") for name in _DATABASE_OPTIONS}
    database = _database(given | {first.path.strip("/")})
    for one in parts[1:]:
        if _database({one.path.strip("/")} - {""} or {str(database)}) != database:
            message = "the database must stand in the first sentinel's address: Celery reads no other"
            raise BrokerUrlInvalid(message, hint=f"write sentinel://host:{_SENTINEL_PORT}/N;sentinel://…")
    is_secure = tls is not None or any(name in TLS_OPTIONS for name in options)
    _check_options(options, TLS_OPTIONS)
    name, fewest = transport_options.get("master_name"), transport_options.get("min_other_sentinels", 0)
    if not isinstance(name, str) or not name:
        message = "with sentinel:// the transport option master_name is needed"
        raise BrokerUrlInvalid(message, hint='broker_transport_options = {"master_name": "mymaster"}')
    if not isinstance(fewest, int) or isinstance(fewest, bool) or fewest < 0:
        message = "min_other_sentinels is no number"
        raise BrokerUrlInvalid(message, hint="the number of other sentinels one must see to be believed, 0 by default")
    login, at, _ = first.netloc.rpartition("@")
    scheme = "rediss" if is_secure else "redis"
    query = _tls_query(tls, options) if is_secure else ""
    return BrokerUrl(
        urlunsplit((scheme, f"{login}{at}{_MASTER}", f"/{database}", query, "")),
        ";".join(f"sentinel://{_shown_login(one)}{_place(one, _SENTINEL_PORT)}" for one in parts) + f"/{database}",
        database,
        _sentinel_addresses(parts, transport_options.get("sentinel_kwargs")),
        name,
        fewest,
    )


def _check_sentinels(parts: list[SplitResult]) -> None:
    first = parts[0]
    for one in parts:
        if not one.hostname:
            message = "no host"
            raise BrokerUrlInvalid(message, hint=f"write sentinel://host:{_SENTINEL_PORT}/0")
        if "," in one.hostname:
            message = "sentinels are separated by ; and each begins with sentinel://"
            raise BrokerUrlInvalid(message, hint="sentinel://h1:26379;sentinel://h2:26379/0")
        if one is not first and (one.query or (one.password and not first.password)):
            message = "password and options must stand in the first sentinel's address: Celery reads no other"
            raise BrokerUrlInvalid(
                message, hint="they are the master's; those of the sentinels go into sentinel_kwargs"
            )


def _sentinel_addresses(parts: list[SplitResult], given: object) -> tuple[str, ...]:
    """Write the addresses of the sentinels, with what ``sentinel_kwargs`` says of all of them."""
    if given is not None and not isinstance(given, Mapping):
        message = "sentinel_kwargs is no mapping"
        raise BrokerUrlInvalid(message, hint='{"password": "…", "ssl": true}')
    options = {str(name): value for name, value in (given or {}).items()}
    for name in options:
        if name == "credential_provider":
            raise BrokerUrlInvalid(f"sentinel_kwargs: {_NO_PROVIDER}", hint="give username and password")
        if name not in ("username", "password", "ssl", *TLS_OPTIONS, *_SENTINEL_TUNING):
            message = f"sentinel_kwargs: option {name!r} is not known here"
            raise BrokerUrlInvalid(message, hint=f"known are username, password, ssl, {', '.join(TLS_OPTIONS)}")
    user, password = (options.get(name) or "" for name in ("username", "password"))
    if not isinstance(user, str) or not isinstance(password, str):
        message = "sentinel_kwargs: username and password are texts"
        raise BrokerUrlInvalid(message, hint="or leave them out")
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""
    is_secure = bool(options.get("ssl"))  # without it redis-py, and so Celery, passes over the ssl_ options
    query = urlencode(read_tls_options({name: options[name] for name in options if name in TLS_OPTIONS and is_secure}))
    scheme = "rediss" if is_secure else "redis"
    return tuple(urlunsplit((scheme, f"{login}{_place(one, _SENTINEL_PORT)}", "/0", query, "")) for one in parts)


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


def _place(parts: SplitResult, default_port: int | None = None) -> str:
    host, port = parts.hostname or "", parts.port or default_port
    place = f"[{host}]" if ":" in host else host
    return f"{place}:{port}" if port else place


def _shown_login(parts: SplitResult) -> str:
    return f"{parts.username or ''}:***@" if parts.password is not None else ""


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


def _options(parts: SplitResult) -> dict[str, str]:
    return dict(parse_qsl(parts.query))


def _check_options(options: Mapping[str, str], taken: Collection[str]) -> None:
    for name in options:
        if name == "credential_provider":
            raise BrokerUrlInvalid(f"option 'credential_provider': {_NO_PROVIDER}", hint=_PROVIDER_HINT)
        if name in TLS_OPTIONS and name not in taken:
            message = f"option {name!r} is for TLS"
            raise BrokerUrlInvalid(message, hint="write rediss:// instead of redis://")
        if name not in taken and name not in _TUNING_OPTIONS:
            message = f"option {name!r} is not known here"
            raise BrokerUrlInvalid(message, hint=f"known are {', '.join((*_DATABASE_OPTIONS, *taken))}")


def _tls_query(use_ssl: Mapping[str, str] | None, options: Mapping[str, str]) -> str:
    written = read_tls_options({name: value for name, value in options.items() if name in TLS_OPTIONS})
    return urlencode({**(use_ssl or {}), **written})
