"""Opens connections to the server an address means; every connection of the shim is made here.

redis-py's own clients are not used: their pools refuse instead of waiting, and they repeat commands by themselves.
"""

from __future__ import annotations

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import RedisError

from shim.broker_url import BrokerUrl
from shim.errors import BrokerUnavailable

UNREACHED = "is the server running, and is the address in celery.broker_url right?"
HINTS = {
    "OOM": "the server's memory is full: raise maxmemory or let workers drain the queues",
    "READONLY": "this server is a replica",
    "NOREPLICAS": "too few replicas are connected (min-replicas-to-write)",
    "NOPERM": "the user needs CLIENT|SETNAME, SELECT, INFO, EVAL, EVALSHA, TIME, TYPE, HMGET, HSET, EXPIRE, LPUSH, "
    "LLEN, MGET, on the keys of queues, claims and results",
    "WRONGPASS": "the password in celery.broker_url is wrong",
    "NOAUTH": "the server wants a password in celery.broker_url",
    "MISCONF": "the server cannot save to its disk",
}
"""What to do about an error of the server, by its code."""


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
        self._pool = ConnectionPool.from_url(
            url.address,
            protocol=2,  # every server and proxy speaks it
            client_name=client_name,
            driver_info=None,
            socket_connect_timeout=connect_timeout_s,
            socket_timeout=reply_timeout_s,
            health_check_interval=0,
        )

    async def open(self) -> AbstractConnection:
        """Connect, log in and choose the database.

        Raises:
            BrokerUnavailable: no connection, or the server refused it.
        """
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            raise self._unavailable(error) from None
        return connection

    def _unavailable(self, error: Exception) -> BrokerUnavailable:
        reason = str(error) or type(error).__name__
        message = f"{self.url}: no connection ({reason})"
        return BrokerUnavailable(message, hint=HINTS.get(code_of(error), UNREACHED))


def code_of(error: Exception) -> str:
    """Give the code a server's error begins with, or nothing."""
    return (error.status_code or "") if isinstance(error, RedisError) else ""
