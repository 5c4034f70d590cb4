"""Delays that RabbitMQ keeps itself, so that no worker holds a message until its time (``kombu/transport/native_delayed_delivery.py``).

A message waits in a ladder of 28 queues. Step *n* holds it for 2ⁿ seconds if bit *n* of the delay is set in the routing key,
and passes it straight on if not; at the end of the ladder an exchange gives it to the queue it was meant for. Celery from
5.5 on declares the ladder with each worker that has a quorum queue, because a worker of such a queue cannot raise its
prefetch limit for messages it holds.
"""

from __future__ import annotations

import re

from shim.amqp.table import SHORT_STRING_BYTES
from shim.amqp.topology import BindExchange, BindQueue, DeclareExchange, DeclareQueue, QueueDeclaration, Step
from shim.amqp.wire import AmqpMessage
from shim.errors import RequestInvalid

BITS = 28
DELAY_MAX_S = 2**BITS - 1
"""Over eight years."""

ENTRY = f"celery_delayed_{BITS - 1}"
DELIVERY = "celery_delayed_delivery"

_KEY_PREFIX = re.compile(rf"(?:[01]\.){{{BITS}}}")


def delayed(message: AmqpMessage, declaration: QueueDeclaration | None, delay_s: float) -> AmqpMessage:
    """Send ``message`` up the ladder, as Celery does for a queue with a topic exchange.

    It comes back unchanged where Celery would send it straight, for the worker to hold: less than a second is left, no
    quorum queue is meant, or the exchange is direct or none, whose messages the ladder cannot give back.

    Args:
        message: built for the exchange and routing key of ``declaration``.
        declaration: of the queue meant, if it is known.
        delay_s: seconds left until the task may run.

    Raises:
        RequestInvalid: a delay of more than 28 bits, or a routing key that grows beyond 255 bytes.
    """
    if delay_s < 1 or declaration is None or not takes_delays(declaration):
        return message
    key = delayed_routing_key(int(delay_s), message.routing_key or declaration.routing_key)
    return message._replace(exchange=ENTRY, routing_key=key)


def takes_delays(declaration: QueueDeclaration) -> bool:
    """Say whether the ladder is used for a queue: a quorum queue behind a topic or fanout exchange."""
    exchange = declaration.exchange
    return declaration.is_quorum and exchange is not None and bool(exchange.name) and exchange.type != "direct"


def delayed_routing_key(delay_s: int, routing_key: str) -> str:
    """Write the delay in binary before the routing key, one word for each bit; an older delay in front is replaced.

    Raises:
        RequestInvalid: a delay outside 1…2²⁸-1 seconds, no routing key, or more than 255 bytes.
    """
    if not 1 <= delay_s <= DELAY_MAX_S:
        message = f"delay of {delay_s} s: RabbitMQ's delay queues take 1 to {DELAY_MAX_S}"
        raise RequestInvalid(message)
    if not routing_key:
        message = "a delayed message needs a routing key"
        raise RequestInvalid(message)
    key = f"{'.'.join(f'{delay_s:0{BITS}b}')}.{_KEY_PREFIX.sub('', routing_key, count=1)}"
    if len(key.encode(errors="replace")) > SHORT_STRING_BYTES:
        message = f"routing key: with its delay it has more than {SHORT_STRING_BYTES} bytes"
        raise RequestInvalid(message, hint="shorten the routing key of the queue")
    return key


def ladder(queue_type: str = "quorum") -> tuple[Step, ...]:
    """Give the declarations of the whole ladder; ``queue_type`` is ``broker_native_delayed_delivery_queue_type``."""
    steps: list[Step] = []
    for level in range(BITS - 1, -1, -1):
        name = f"celery_delayed_{level}"
        arguments = {
            "x-queue-type": queue_type,
            "x-overflow": "reject-publish",
            "x-message-ttl": 2**level * 1000,
            "x-dead-letter-exchange": _below(level),
        }
        if queue_type == "quorum":
            arguments["x-dead-letter-strategy"] = "at-least-once"
        steps += (
            DeclareExchange(name, "topic"),
            DeclareQueue(name, arguments=arguments),
            BindQueue(name, name, _bit(level, "1")),
        )
    steps.append(DeclareExchange(DELIVERY, "topic"))
    steps += (BindExchange(_below(level), f"celery_delayed_{level}", _bit(level, "0")) for level in range(BITS))
    return tuple(steps)


def way_back(declaration: QueueDeclaration) -> tuple[Step, ...]:
    """Give the bindings by which the end of the ladder reaches a queue, none for a queue that takes no delays."""
    exchange = declaration.exchange
    if exchange is None or not takes_delays(declaration):
        return ()
    key = declaration.routing_key if declaration.routing_key.startswith("#") else f"#.{declaration.routing_key}"
    return (BindExchange(exchange.name, DELIVERY, key), BindQueue(declaration.name, exchange.name, key))


def _below(level: int) -> str:
    return f"celery_delayed_{level - 1}" if level else DELIVERY


def _bit(level: int, value: str) -> str:
    return "*." * (BITS - 1 - level) + f"{value}.#"
