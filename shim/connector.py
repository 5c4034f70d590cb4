"""Opens connections to the server an address means; every connection of the shim is made here.

redis-py's own clients are not used: their pools refuse instead of waiting, and they repeat commands by themselves.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import anyio
from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.exceptions import RedisError, ResponseError

from shim.broker_facts import parse_info
from shim.broker_url import CLUSTER_HINT, NO_CLUSTER, BrokerUrl
from shim.errors import BrokerUnavailable
from shim.exchange import guarded
from shim.sentinel import Sentinels

UNREACHED = (
    "is the server running, is the address in celery.broker_url right, and does the server want TLS (rediss://)?"
)
UNREACHED_TLS = "is the server running, does it speak TLS on this port, and does it want a certificate of ours (ssl_certfile, ssl_keyfile)?"
HINTS = {
    "OOM": "the server's memory is full: raise maxmemory or let workers drain the queues",
    "READONLY": "this server is a replica",
    "NOREPLICAS": "too few replicas are connected (min-replicas-to-write)",
    "NOPERM": "the user needs CLIENT|SETNAME, SELECT, INFO, EVAL, EVALSHA, TIME, TYPE, HMGET, HSET, EXPIRE, PEXPIRE, "
    "LPUSH, PUBLISH, LLEN, MGET, and with Sentinel ROLE, on the keys of queues, claims and results; docs/shim/brokers.md has the whole rule",
    "WRONGPASS": "the password in celery.broker_url is wrong",
    "NOAUTH": "the server wants a password in celery.broker_url",
    "MISCONF": "the server cannot save to its disk",
    **dict.fromkeys(("MOVED", "ASK", "CLUSTERDOWN", "CROSSSLOT", "TRYAGAIN"), f"{NO_CLUSTER}; {CLUSTER_HINT}"),
}
"""What to do about an error of the server, by its code."""

_TLS_HINTS = {
    "CERTIFICATE_VERIFY_FAILED": "the server's certificate is not trusted: name its CA in ssl_ca_certs, and the host as the "
    "certificate has it (or ssl_check_hostname=false); ssl_cert_reqs=none trusts anyone",
    "CERTIFICATE_REQUIRED": "the server wants a certificate of ours: ssl_certfile and ssl_keyfile",
    "WRONG_VERSION_NUMBER": "the server speaks no TLS on this port: write redis://, or use its TLS port",
    "UNKNOWN_CA": "the server does not trust the certificate in ssl_certfile",
}
_FILES_HINT = "a file named in ssl_ca_certs, ssl_certfile or ssl_keyfile cannot be read"


class Connector:
    """Where to connect to and how patiently."""

    def __init__(
        self,
        url: BrokerUrl,
        *,
        client_name: str,
        connect_timeout_s: float = 2.0,
        reply_timeout_s: float = 5.0,
    ) -> None:
        """Keep the address; no I/O happens here."""
        self.url = url
        self._patience_s = connect_timeout_s + reply_timeout_s
        self._options: dict[str, Any] = {
            **parse_url(url.address),
            "protocol": 2,  # every server and proxy speaks it
            "client_name": client_name,
            "driver_info": None,
            "socket_connect_timeout": connect_timeout_s,
            "socket_timeout": reply_timeout_s,
            "health_check_interval": 0,
        }
        self._kind: type[AbstractConnection] = self._options.pop("connection_class", Connection)
        self._sentinels = Sentinels(url, timeout_s=connect_timeout_s) if url.sentinels else None

    async def open(self) -> AbstractConnection:
        """Connect, log in and choose the database; with sentinels, on the server they name, if it is a master.

        Raises:
            BrokerUnavailable: no connection, or the server refused it, or it is not one to publish to.
        """
        place: dict[str, Any] = {}
        if self._sentinels is not None:
            master = await self._sentinels.find_master()
            place = {"host": master.host, "port": master.port}
        connection = self._kind(**{**self._options, **place})
        try:
            with anyio.fail_after(self._patience_s), guarded(connection):
                await connection.connect()  # type: ignore[no-untyped-call]
                await self._check(connection)
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await connection.disconnect(nowait=True)
            if isinstance(error, (RedisError, OSError)):
                raise self._unavailable(error) from None
            raise
        return connection

    async def is_outdated(self, connection: AbstractConnection) -> bool:
        """Say whether the sentinels name another master than the server of ``connection``.

        An old master that was cut off takes writes until it learns of the new one, and then throws them away. ``False``
        without sentinels, and if none of them answers.
        """
        if self._sentinels is None:
            return False
        try:
            master = await self._sentinels.find_master()
        except BrokerUnavailable:
            return False
        return not isinstance(connection, Connection) or (connection.host, connection.port) != (
            master.host,
            master.port,
        )

    async def _check(self, connection: AbstractConnection) -> None:
        await connection.send_packed_command(connection.pack_command("INFO", "cluster"))
        if self._sentinels is not None:
            await connection.send_packed_command(connection.pack_command("ROLE"))
        try:
            described = await connection.read_response()
        except ResponseError:
            described = b""  # a user without the right, or a proxy without the command: nothing to be known
        if parse_info(described.decode("utf-8", "replace")).is_cluster:
            message = f"{self.url}: {NO_CLUSTER}"
            raise BrokerUnavailable(message, hint=CLUSTER_HINT)
        if self._sentinels is not None and (role := (await connection.read_response())[0]) != b"master":
            raise self._not_master(f"a {role.decode('ascii', 'replace')} by its own word")
        if await self.is_outdated(connection):  # it may have slept while it was being connected to
            raise self._not_master("no longer the master")

    def _not_master(self, what: str) -> BrokerUnavailable:
        message = f"{self.url}: the server the sentinels named is {what}"
        return BrokerUnavailable(message, hint="a fail-over is under way")

    def _unavailable(self, error: Exception) -> BrokerUnavailable:
        reason = str(error) or type(error).__name__
        message = f"{self.url}: no connection ({reason})"
        return BrokerUnavailable(message, hint=self._hint(error))

    def _hint(self, error: Exception) -> str:
        is_secure = self.url.address.startswith("rediss:")
        for one in _wrapped(error):
            if code_of(one) in HINTS:
                return HINTS[code_of(one)]
            if isinstance(one, ssl.SSLError):
                reason = str(one.reason).upper()
                return next((hint for name, hint in _TLS_HINTS.items() if name in reason), UNREACHED_TLS)
            if isinstance(one, (FileNotFoundError, PermissionError)) and is_secure:
                return _FILES_HINT
        return UNREACHED_TLS if is_secure else UNREACHED


def _wrapped(error: BaseException | None) -> Iterator[BaseException]:
    """Give the error and those it arose from: redis-py wraps what it meets."""
    while error is not None:
        yield error
        error = error.__context__


def code_of(error: BaseException) -> str:
    """Give the code a server's error begins with, or nothing."""
    return (error.status_code or "") if isinstance(error, RedisError) else ""
