"""The private list that answers arrive in, and the connection that waits at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

from shim.connector import Connector
from shim.errors import BrokerUnavailable
from shim.exchange import read, write

BLOCK_S = 1
"""How long the server holds a wait open. The connection's own patience must be longer, or it would break at each."""

BACKOFF_FIRST_S, BACKOFF_LAST_S = 0.05, 2.0


class Mailbox:
    """Takes answers as they come. ``run`` must be running in a task group.

    An answer that the server has handed out and that is lost with its connection is gone; nothing is asked for twice.
    """

    def __init__(
        self,
        connector: Connector,
        key: str,
        receive: Callable[[bytes], None],
        *,
        lost: Callable[[], Awaitable[None]],
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        Args:
            connector: opens the connection; its patience for a reply must exceed ``BLOCK_S``.
            key: the list, with any prefix.
            receive: called for each element, in order; never waits.
            lost: called each time an open connection has broken.
        """
        self._connector = connector
        self._key = key
        self._receive = receive
        self._lost = lost

    async def run(self) -> None:
        """Keep waiting for answers, whatever happens to the server, until cancelled."""
        pause_s = BACKOFF_FIRST_S
        while True:
            try:
                connection = await self._connector.open()
            except BrokerUnavailable:
                pass
            else:
                try:
                    was_of_use = await self._take_until_broken(connection)
                except ResponseError:
                    pass  # the connection stood: this user may not wait at a list, say
                else:
                    pause_s = BACKOFF_FIRST_S if was_of_use else pause_s
                    await self._lost()
            await anyio.sleep(pause_s)
            pause_s = min(pause_s * 2, BACKOFF_LAST_S)

    async def _take_until_broken(self, connection: AbstractConnection) -> bool:
        """Hand on what arrives; say whether the server answered at all.

        Raises:
            ResponseError: the server refused the wait.
        """
        has_answered = False
        wait = connection.pack_command("BRPOP", self._key, BLOCK_S)
        try:
            while True:
                await write(connection, wait)
                reply = await read(connection)
                has_answered = True
                if reply is not None:
                    self._receive(reply[1])
                    await anyio.lowlevel.checkpoint()
        except ResponseError:
            raise
        except (RedisError, OSError):
            return has_answered
        finally:
            with anyio.CancelScope(shield=True):
                await connection.disconnect(nowait=True)
