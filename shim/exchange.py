"""Reading and writing on a connection that may be closed at any moment, by the server or by a task of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from shim.pieces import Payload, Pieces

GATHERED_BYTES = 256 * 1024
"""Sent in one go."""


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


def pack(connection: AbstractConnection, command: Sequence[str | Payload | float]) -> Iterable[bytes]:
    """Write a command as the server reads it (RESP, array of bulk strings); pieces are made once it is sent.

    Raises:
        UnicodeEncodeError: text with lone surrogates.
    """
    if not any(type(one) is Pieces for one in command):
        return connection.pack_command(*cast("Sequence[str | bytes | float]", command))
    encode: Callable[[object], bytes] = connection.encoder.encode
    return _bulk_strings([one if isinstance(one, Pieces) else encode(one) for one in command])


def _bulk_strings(command: Sequence[Payload]) -> Iterator[bytes]:
    yield b"*%d\r\n" % len(command)
    for one in command:
        yield b"$%d\r\n" % len(one)
        if isinstance(one, Pieces):
            yield from one
        else:
            yield one
        yield b"\r\n"


async def write(connection: AbstractConnection, packed: Iterable[bytes]) -> None:
    """Send a packed command; one in pieces as fast as the server takes it.

    Raises:
        RedisError: it did not get away, or only in part.
    """
    with guarded(connection):
        if isinstance(packed, (list, bytes)):
            await connection.send_packed_command(packed, check_health=False)
            return
        for some in _gathered(packed):
            await connection.send_packed_command(some, check_health=False)


def _gathered(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Put small pieces together."""
    some: list[bytes] = []
    size_bytes = 0
    for piece in pieces:
        some.append(piece)
        size_bytes += len(piece)
        if size_bytes >= GATHERED_BYTES:
            yield some
            some, size_bytes = [], 0
    if some:
        yield some
