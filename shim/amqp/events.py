"""The event stream over RabbitMQ: what ``EventReceiver`` does over Redis, with a queue in place of a subscription."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from shim.amqp.connector import AmqpConnector
from shim.amqp.consuming import AmqpConsumer
from shim.amqp.envelope import Delivery, as_envelope
from shim.amqp.topology import BindQueue, DeclareExchange, DeclareQueue
from shim.errors import ShimError

EXCHANGE = "celeryev"
QUEUE_PREFIX = "celeryev"
TTL_S, EXPIRES_S = 5.0, 60.0
"""Celery's ``event_queue_ttl`` and ``event_queue_expires``: a reader that is too slow misses events, and says nothing."""


class AmqpEventWire:
    """Listens to events. ``run`` must be running in a task group.

    Each message is handed on as ``shim.events.read_message`` reads it, so that one state serves both brokers::

        wire = AmqpEventWire(connector, lambda payload: state.take(read_message(payload), now()), node_id=str(uuid4()))
    """

    def __init__(
        self,
        connector: AmqpConnector,
        receive: Callable[[bytes], None],
        *,
        node_id: str,
        exchange: str = EXCHANGE,
        queue_prefix: str = QUEUE_PREFIX,
        routing_key: str = "#",
        ttl_s: float = TTL_S,
        expires_s: float = EXPIRES_S,
        opened: Callable[[], Awaitable[None]] | None = None,
        closed: Callable[[ShimError | None], None] = lambda _: None,
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        Args:
            connector: how to connect.
            receive: called for each message, in order; never waits.
            node_id: makes the queue's name unique.
            exchange: ``event_exchange``.
            queue_prefix: ``event_queue_prefix``.
            routing_key: ``#`` for all, ``task.#``, ``worker.#``, ``task.multi``.
            ttl_s: ``event_queue_ttl``; older events are dropped unread.
            expires_s: ``event_queue_expires``.
            opened: called each time the stream is listened to anew.
            closed: called each time it is not any more.
        """
        queue = f"{queue_prefix}.{node_id}"
        arguments = {"x-message-ttl": int(ttl_s * 1000), "x-expires": int(expires_s * 1000)}
        steps = (
            DeclareExchange(exchange, "topic"),
            DeclareQueue(queue, durable=False, exclusive=True, auto_delete=True, arguments=arguments),
            BindQueue(queue, exchange, routing_key),
        )
        self._receive = receive
        more = {} if opened is None else {"opened": opened}
        self._consumer = AmqpConsumer(connector, steps, queue, self._take, closed=closed, **more)

    async def run(self) -> None:
        """Listen until cancelled; a connection that breaks is opened again, and what came meanwhile is missed."""
        await self._consumer.run()

    def _take(self, delivery: Delivery) -> None:
        self._receive(as_envelope(delivery))
