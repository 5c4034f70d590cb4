"""Reading and writing on a connection that may be closed at any moment, by the server or by a task of our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError


@contextmanager
def guarded(connection: AbstractConnection) -> Iterator[None]:
    """Turn what others stumble over when a connection is closed under them into the error it is.

    redis-py's parser and writer meet ``None`` where their streams were (``AttributeError``); uvloop refuses to write on a
    transport that was reset (``RuntimeError``). redis-py has given the connection up by then.

    Raises:
        redis.exceptions.ConnectionError: it was closed.
    """
    try:
        yield
    except (AttributeError, RuntimeError):
        if connection.is_connected:
            raise
        message = "closed while it was in use"
        raise RedisConnectionError(message) from None


async def is_stale(connection: AbstractConnection) -> bool:
    """Say whether an idle connection is of no use: the server has closed it, or sent what nobody asked for."""
    try:
        with guarded(connection):
            return await connection.can_read()
    except (RedisError, OSError):
        return True


async def read(connection: AbstractConnection, *, timeout_s: float | None = None) -> Any:
    """Read a reply; ``None`` after ``timeout_s``, if that is given.

    Raises:
        RedisError: no reply, or an error as reply.
    """
    with guarded(connection):
        return await connection.read_response(timeout=timeout_s)


async def write(connection: AbstractConnection, packed: Any) -> None:
    """Send a packed command.

    Raises:
        RedisError: it did not get away, or only in part.
    """
    with guarded(connection):
        await connection.send_packed_command(packed, check_health=False)
