"""What is published on RabbitMQ for one task: its message and, where an application wants it, the event that tells of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from shim.amqp.delay import delayed
from shim.amqp.table import encode_properties
from shim.amqp.topology import QueueDeclaration
from shim.amqp.wire import AmqpMessage, build_amqp_message
from shim.message import Message, build_message
from shim.request import PERSISTENT, TaskRequest
from shim.routing import Routed
from shim.sent_event import EVENT_EXCHANGE, TRANSIENT, build_event_message, build_sent_event


class Made(NamedTuple):
    """A task's message, and the event to be published after it; ``None`` if nobody wants one."""

    message: AmqpMessage
    event: AmqpMessage | None


class AmqpMaker:
    """Makes messages in the name of one sender. Pure but for its logical clock and the ids it is given."""

    def __init__(
        self,
        declarations: Mapping[str, QueueDeclaration],
        *,
        origin: str,
        pid: int,
        new_id: Callable[[], str],
        missing: Callable[[str], QueueDeclaration] | None = None,
        tells: bool = False,
        event_exchange: str = EVENT_EXCHANGE,
    ) -> None:
        """Keep the names.

        Args:
            declarations: of the queues the application names.
            origin: who sends, such as ``gen12@host``.
            pid: process id, in events.
            new_id: gives a text that no other message has.
            missing: declares any other queue.
            tells: whether a ``task-sent`` event goes with each task (``task_send_sent_event``).
            event_exchange: the workers' setting of that name.
        """
        self._declarations = declarations
        self._missing = missing
        self._origin = origin
        self._pid = pid
        self._new_id = new_id
        self._tells = tells
        self._event_exchange = event_exchange
        self._clock = 0

    def make(self, request: TaskRequest, routed: Routed, at: datetime) -> Made:
        """Make what is published; an exchange makes the copies for its queues, so that there is one message.

        Args:
            request: what to run.
            routed: where it goes.
            at: now, aware.

        Raises:
            RequestInvalid: no worker, or not RabbitMQ, could take it.
        """
        if request.delivery_mode == PERSISTENT and routed.delivery_mode != PERSISTENT:
            request = request._replace(delivery_mode=routed.delivery_mode)
        # Of several copies the one for the queue that was named: that is the queue to declare, and the one an event names.
        target = next((one for one in routed.targets if one.queue == routed.queue), routed.targets[0])
        message = build_message(request, target, at=at, origin=self._origin)
        ready = build_amqp_message(
            message, message_id=self._new_id(), exchange=routed.exchange, routing_key=routed.routing_key or None
        )
        if request.eta_at is not None:
            # Rounded up: what comes off the delay queues early waits in the worker for the rest.
            left_s = math.ceil((request.eta_at - at).total_seconds())
            ready = delayed(ready, self._declaration(routed.queue), left_s)
        return Made(ready, self._event(message, routed, at) if self._tells else None)

    def _declaration(self, queue: str) -> QueueDeclaration | None:
        found = self._declarations.get(queue)
        return self._missing(queue) if found is None and queue and self._missing is not None else found

    def _event(self, message: Message, routed: Routed, at: datetime) -> AmqpMessage:
        self._clock += 1
        event = build_sent_event(
            message,
            at=at,
            hostname=self._origin,
            pid=self._pid,
            clock=self._clock,
            exchange=routed.exchange,
            routing_key=routed.routing_key,
        )
        told = build_event_message([event], hostname=self._origin, exchange=self._event_exchange)
        message_id = self._new_id()
        properties = encode_properties(
            told.headers,
            content_type=told.content_type,
            content_encoding=told.content_encoding,
            delivery_mode=TRANSIENT,
            priority=0,
            message_id=message_id,
        )
        return AmqpMessage(message.task_id, message_id, told.exchange, told.routing_key, "", properties, told.body)
