"""One connection to a Redis or Valkey server that never repeats a command by itself.

redis-py's defaults send a command up to ten times more when a reply is lost, which doubles messages. Here a call is
sent at most once, and its failure says whether it may have been applied.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import anyio
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoScriptError,
    RedisError,
    ResponseError,
)

from shim.broker_facts import BrokerFacts, parse_info
from shim.broker_url import BrokerUrl
from shim.connector import HINTS, Connector, code_of
from shim.errors import BrokerRefused, PublishUncertain, RequestInvalid
from shim.exchange import is_stale, pack, read, write
from shim.pieces import Payload

Reply: TypeAlias = Any
"""What a server answers: bytes, integers, lists of them, or None. Narrowed by each caller."""


MASTER_CHECK_S = 1.0
"""With Sentinel: how long an open connection is used before the sentinels are asked whether its server is still the master."""


class ScriptMissing(BrokerRefused):
    """The server does not hold the script; nothing ran."""


class Link:
    """A single connection, one command at a time, opened when first needed and after each failure."""

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
        self._connector = Connector(
            url, client_name=client_name, connect_timeout_s=connect_timeout_s, reply_timeout_s=reply_timeout_s
        )
        self._connection: AbstractConnection | None = None
        self._checked_at_s = 0.0
        self._turn = asyncio.Lock()

    async def call(self, *command: str | Payload | float) -> Reply:
        """Send one command once and return its reply.

        Raises:
            BrokerUnavailable: no connection; surely not sent.
            PublishUncertain: sent, but the reply did not come; a command that writes may have been applied, or will be.
            BrokerRefused: the server answered with an error.
            RequestInvalid: text with lone surrogates; nothing was sent.
        """
        async with self._turn:
            connection = await self._connected()
            return await self._exchange(connection, command)

    async def facts(self) -> BrokerFacts:
        """Ask the server what it is.

        Raises:
            ShimError: as ``call``.
        """
        reply = await self.call("INFO")
        return parse_info(reply.decode("utf-8", "replace"))

    async def close(self) -> None:
        """Drop the connection; a later call opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _connected(self) -> AbstractConnection:
        now_s = asyncio.get_running_loop().time()
        connection = self._connection
        if connection is not None and connection.is_connected and await is_stale(connection):
            await (
                self.close()
            )  # a server that was restarted meanwhile is there again, and nothing was sent to the old one
            connection = None
        if connection is not None and connection.is_connected:
            if not self.url.sentinels or now_s - self._checked_at_s < MASTER_CHECK_S:
                return connection
            self._checked_at_s = now_s
            is_outdated = await self._connector.is_outdated(connection)
            if connection.is_connected and not is_outdated:
                return connection
            await self.close()
        self._checked_at_s = now_s
        connection = self._connection = await self._connector.open()
        return connection

    async def _exchange(self, connection: AbstractConnection, command: tuple[str | Payload | float, ...]) -> Reply:
        try:
            packed = pack(connection, command)
        except UnicodeEncodeError:
            message = f"{command[0]!r}: text with lone surrogates is not Unicode and cannot travel"
            raise RequestInvalid(message) from None
        try:
            await write(connection, packed)
            return await read(connection)
        except NoScriptError:
            message = f"{self.url}: the script is not loaded"
            raise ScriptMissing(message, server_code="NOSCRIPT") from None
        except (AuthenticationError, AuthorizationError, BusyLoadingError) as error:
            raise self._refused(error, code_of(error) or "ERR") from None
        except ResponseError as error:
            code = code_of(error) or str(error).split(" ", 1)[0]
            if code in ("READONLY", "MASTERDOWN"):
                await self.close()  # another server is the master now: ask the address again
            raise self._refused(error, code) from None
        except (RedisError, OSError) as error:
            await self.close()
            message = f"{self.url}: the connection broke while a command was under way ({type(error).__name__})"
            raise PublishUncertain(message, hint="the claim tells whether it was applied") from None
        except BaseException:
            # A reply may still be on its way; nobody may read it as the answer of another command.
            self._connection = None
            with anyio.CancelScope(shield=True):
                await connection.disconnect(nowait=True)
            raise

    def _refused(self, error: Exception, code: str) -> BrokerRefused:
        hint = HINTS.get(code, "")
        message = f"{self.url}: the server refused ({code}: {error})"
        return BrokerRefused(message, server_code=code, hint=hint)
