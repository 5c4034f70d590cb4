"""Consumes from a queue of our own that lives as long as its connection; opened anew whenever that breaks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import aiormq
import anyio
from aiormq.abc import DeliveredMessage

from shim.amqp.connector import AmqpConnection, AmqpConnector, guarded
from shim.amqp.declaring import run_step
from shim.amqp.envelope import Delivery
from shim.amqp.topology import Step
from shim.errors import BrokerRefused, BrokerUnavailable, PublishUncertain, ShimError

STEP_TIMEOUT_S = 10.0
BACKOFF_FIRST_S, BACKOFF_LAST_S = 0.05, 2.0


async def _nothing() -> None:
    pass


class AmqpConsumer:
    """Hands on what arrives in one queue. ``run`` must be running in a task group."""

    def __init__(
        self,
        connector: AmqpConnector,
        steps: Sequence[Step],
        queue: str,
        receive: Callable[[Delivery], None],
        *,
        opened: Callable[[], Awaitable[None]] = _nothing,
        closed: Callable[[ShimError | None], None] = lambda _: None,
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        Args:
            connector: how to connect.
            steps: what to declare each time, the queue among it.
            queue: its name.
            receive: called for each message, in order; never waits.
            opened: called each time messages begin to flow.
            closed: called each time they have ceased to, or could not begin, with the reason if one is known.
        """
        self._connector = connector
        self._steps = tuple(steps)
        self._queue = queue
        self._receive = receive
        self._opened = opened
        self._closed = closed
        self._over = anyio.Event()

    async def run(self) -> None:
        """Consume until cancelled, whatever happens to the server; messages that come meanwhile are missed."""
        pause_s = BACKOFF_FIRST_S
        while True:
            reason: ShimError | None = None
            try:
                connection = await self._connector.open()
            except BrokerUnavailable as error:
                reason = error
            else:
                try:
                    await self._consume(connection)
                    pause_s = BACKOFF_FIRST_S
                    await connection.lost()
                except (BrokerUnavailable, BrokerRefused, PublishUncertain) as error:
                    reason = error
                finally:
                    await connection.close()
            self._closed(reason)
            await anyio.sleep(pause_s)
            pause_s = min(pause_s * 2, BACKOFF_LAST_S)

    async def _consume(self, connection: AmqpConnection) -> None:
        channel = await connection.channel(confirms=False, timeout_s=STEP_TIMEOUT_S)
        for step in self._steps:
            await guarded(run_step(channel, step), connection.url, STEP_TIMEOUT_S)
        # The server ends a consumer whose queue is deleted, and says no more.
        channel.on_consumer_cancel_callbacks.add(lambda _: connection.give_up())
        await guarded(channel.basic_consume(self._queue, self._take, no_ack=True), connection.url, STEP_TIMEOUT_S)
        await self._opened()

    async def _take(self, message: DeliveredMessage) -> None:
        self._receive(read_delivery(message))


def read_delivery(message: DeliveredMessage) -> Delivery:
    """Take the values out of what aiormq delivers."""
    properties: aiormq.spec.Basic.Properties = message.header.properties
    return Delivery(
        message.exchange or "",
        message.routing_key or "",
        properties.content_type or "",
        properties.headers or {},
        message.body,
    )
