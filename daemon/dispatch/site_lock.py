"""Which daemon of a site runs its schedule, where the broker cannot compare: the one that holds an exclusive queue.

RabbitMQ gives such a queue to one connection, and takes it back when that connection ends. What the holder knows of the
schedule lies in another queue, the newest message of which the next holder reads.
"""

from __future__ import annotations

import anyio

from daemon.keys import estate_queue, lock_queue
from daemon.public import Public
from shim.amqp.connector import AmqpConnection, AmqpConnector
from shim.amqp.declaring import declare
from shim.amqp.queues import AmqpQueues
from shim.amqp.table import encode_properties
from shim.amqp.topology import DeclareQueue, QueueDeclaration
from shim.amqp.wire import AmqpMessage
from shim.errors import BrokerRefused

ANSWER_LIMIT_S = 5.0
LOCKED = "RESOURCE_LOCKED"


class SiteLock:
    """The lock of one site, and what its holder leaves behind."""

    def __init__(self, connector: AmqpConnector, site: Public) -> None:
        """Keep names and how to connect; no I/O happens here."""
        self._connector = connector
        self._connection: AmqpConnection | None = None
        self._queue = DeclareQueue(lock_queue(site), durable=False, exclusive=True, auto_delete=True)
        self.estate_queue = QueueDeclaration(estate_queue(site), arguments={"x-max-length": 1})
        """Holds one message, the newest; whoever publishes to it must declare it so."""

    @property
    def is_connected(self) -> bool:
        """Say whether there is a connection; the lock is lost with it."""
        return self._connection is not None and self._connection.is_open

    @property
    def server_version(self) -> str:
        """Give the version the server told, if it has been reached."""
        return self._connection.server_version if self._connection is not None else ""

    async def look(self) -> bool:
        """Take the lock, or make sure that it is still held; false if another connection has it.

        Raises:
            BrokerUnavailable, PublishUncertain: no connection, or it broke.
            BrokerRefused: this user may not declare the queue.
        """
        if not self.is_connected:
            await self.close()
            self._connection = await self._connector.open()
        assert self._connection is not None
        try:
            await declare(self._connection, (self._queue,), timeout_s=ANSWER_LIMIT_S)
        except BrokerRefused as error:
            if error.server_code == LOCKED:
                return False
            raise
        return True

    async def wait(self, limit_s: float) -> None:
        """Wait for so long, or until the connection is lost."""
        with anyio.move_on_after(limit_s):
            if self._connection is None or not self._connection.is_open:
                await anyio.sleep_forever()
            else:
                await self._connection.lost()

    async def read_estate(self) -> bytes | None:
        """Read what the last holder left; ``None`` if there is nothing.

        Raises:
            BrokerUnavailable, PublishUncertain, BrokerRefused: it cannot be read.
        """
        async with AmqpQueues(self._connector, answer_timeout_s=ANSWER_LIMIT_S) as queues:
            found = await queues.peek(self.estate_queue.name, 1)
        return found[0].body if found else None

    def estate_message(self, body: bytes, message_id: str) -> AmqpMessage:
        """Make the message that replaces the one in the queue; ``message_id`` is unique."""
        properties = encode_properties(
            {}, content_type="application/json", content_encoding="utf-8", message_id=message_id
        )
        name = self.estate_queue.name
        return AmqpMessage("", message_id, "", name, name, properties, body)

    async def close(self) -> None:
        """Give the lock back, if it is held, and close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
