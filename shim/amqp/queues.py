"""Looks at queues: how many messages wait, what the next ones are, and away with them."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import anyio

from shim.amqp.connector import AmqpConnection, AmqpConnector, guarded
from shim.amqp.consuming import read_delivery
from shim.amqp.declaring import QueueDepth, look
from shim.amqp.envelope import Delivery
from shim.errors import BrokerRefused

PEEK_LIMIT = 100
ABSENT = "NOT_FOUND"


class AmqpQueues:
    """Asks one server about its queues, one question at a time."""

    def __init__(self, connector: AmqpConnector, *, answer_timeout_s: float = 10.0) -> None:
        """Keep the collaborators; no I/O happens here."""
        self._connector = connector
        self._timeout_s = answer_timeout_s
        self._turn = anyio.Lock()
        self._connection: AmqpConnection | None = None

    async def __aenter__(self) -> Self:
        """Return itself; it connects when first needed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def depth(self, queue: str) -> QueueDepth | None:
        """Count the messages that wait and the consumers; ``None`` if there is no such queue.

        Messages that workers hold unacknowledged are not counted: AMQP does not tell them.

        Raises:
            BrokerUnavailable, PublishUncertain: no connection, or it broke.
            BrokerRefused: the queue belongs to another connection alone.
        """
        async with self._turn:
            return await look(await self._open(), queue, timeout_s=self._timeout_s)

    async def purge(self, queue: str) -> int | None:
        """Throw away every message that waits and give how many there were; ``None`` if there is no such queue.

        Raises:
            BrokerUnavailable: no connection; nothing was purged.
            PublishUncertain: it broke; the queue may have been purged.
            BrokerRefused: this user may not.
        """
        async with self._turn:
            connection = await self._open()
            channel = await connection.channel(confirms=False, timeout_s=self._timeout_s)
            try:
                answer = await guarded(channel.queue_purge(queue), connection.url, self._timeout_s)
            except BrokerRefused as error:
                if error.server_code == ABSENT:
                    return None
                raise
            await guarded(channel.close(), connection.url, self._timeout_s)
            return answer.message_count or 0

    async def peek(self, queue: str, limit: int = 10) -> list[Delivery]:
        """Take the next messages, look at them, and put them back.

        AMQP has no other way. They go back to their places, but are marked as redelivered; a worker that asks meanwhile
        gets the ones behind them first; and a quorum queue counts it as a delivery, which matters if it has a delivery
        limit. An absent queue has no messages.

        Raises:
            BrokerUnavailable, PublishUncertain: no connection, or it broke; the server puts them back by itself.
            BrokerRefused: this user may not.
        """
        found: list[Delivery] = []
        async with self._turn:
            connection = await self._open()
            channel = await connection.channel(confirms=False, timeout_s=self._timeout_s)
            try:
                while len(found) < min(limit, PEEK_LIMIT):
                    message = await guarded(channel.basic_get(queue), connection.url, self._timeout_s)
                    if message.delivery_tag is None:
                        break
                    found.append(read_delivery(message))
            except BrokerRefused as error:
                if error.server_code == ABSENT:
                    return []
                raise
            # What a channel holds unacknowledged goes back to its place when it closes.
            await guarded(channel.close(), connection.url, self._timeout_s)
        return found

    async def _open(self) -> AmqpConnection:
        if self._connection is None or not self._connection.is_open:
            self._connection = await self._connector.open()
        return self._connection
