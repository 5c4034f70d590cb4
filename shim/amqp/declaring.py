"""Declares queues and exchanges, each time on a channel of its own: a mistake closes the channel it is made on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import aiormq

from shim.amqp.connector import AmqpConnection, guarded
from shim.amqp.delay import ENTRY, ladder, way_back
from shim.amqp.outcome import AmqpResult, Refusal, refused
from shim.amqp.topology import BindExchange, BindQueue, DeclareExchange, DeclareQueue, QueueDeclaration, Step
from shim.errors import BrokerRefused

_FORBIDDEN, _ABSENT, _LOCKED, _DIFFERS = "ACCESS_REFUSED", "NOT_FOUND", "RESOURCE_LOCKED", "PRECONDITION_FAILED"


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """What the server says of a queue.

    Attributes:
        ready: messages that wait; those a worker holds unacknowledged are not among them.
        consumers: how many consume from it.
    """

    ready: int
    consumers: int


async def declare(connection: AmqpConnection, steps: Sequence[Step], *, timeout_s: float) -> None:
    """Declare ``steps`` in order; what exists already and equals them stays as it is.

    Raises:
        BrokerRefused: something exists in another form, or may not be declared.
        PublishUncertain, BrokerUnavailable: the connection broke.
    """
    channel = await connection.channel(confirms=False, timeout_s=timeout_s)
    for step in steps:
        await guarded(run_step(channel, step), connection.url, timeout_s)
    await guarded(channel.close(), connection.url, timeout_s)


async def look(connection: AmqpConnection, queue: str, *, timeout_s: float) -> QueueDepth | None:
    """Ask for a queue without changing it; ``None`` if there is none.

    Raises:
        BrokerRefused: it may not be asked for, or belongs to another connection alone.
        PublishUncertain, BrokerUnavailable: the connection broke.
    """
    channel = await connection.channel(confirms=False, timeout_s=timeout_s)
    try:
        answer = await guarded(channel.queue_declare(queue, passive=True), connection.url, timeout_s)
    except BrokerRefused as error:
        if error.server_code == _ABSENT:
            return None
        raise
    await guarded(channel.close(), connection.url, timeout_s)
    return QueueDepth(answer.message_count or 0, answer.consumer_count or 0)


async def ensure_queue(
    connection: AmqpConnection,
    queue: str,
    declared: QueueDeclaration | None,
    missing: QueueDeclaration | None,
    *,
    timeout_s: float,
) -> AmqpResult | None:
    """See to it that ``queue`` exists; ``None`` if it does, else why nothing can be sent to it.

    Args:
        connection: where.
        queue: its name.
        declared: the application's own declaration; a queue that exists must equal it.
        missing: how to declare it if it is absent and the application does not name it; ``None`` if it may not be created.
        timeout_s: for each step.

    Raises:
        PublishUncertain, BrokerUnavailable: the connection broke.
    """
    try:
        found = await look(connection, queue, timeout_s=timeout_s)
        wanted = declared if found is not None or declared is not None else missing
        if wanted is not None:
            await declare(connection, wanted.steps(), timeout_s=timeout_s)
        elif found is None:
            return refused(Refusal.NO_QUEUE, f"no such queue: {queue!r}, and it is not to be created")
    except BrokerRefused as error:
        if error.server_code == _FORBIDDEN and await _exists(connection, queue, timeout_s=timeout_s):
            return None  # someone else declares it, and this user may only write
        return _refusal(queue, error)
    return None


async def ensure_ladder(
    connection: AmqpConnection, declared: QueueDeclaration, queue_type: str, *, timeout_s: float
) -> AmqpResult | None:
    """See to it that delayed messages find a ladder and the way back to their queue; ``None`` if they do.

    A ladder that exists stays as it is, whatever its type. The way back is declared in any case: what comes down a ladder
    that leads nowhere is dropped, and nobody is told.

    Raises:
        PublishUncertain, BrokerUnavailable: the connection broke.
    """
    absent = await find_exchange(connection, ENTRY, timeout_s=timeout_s)
    steps = (*(ladder(queue_type) if absent else ()), *declared.steps(), *way_back(declared))
    try:
        await declare(connection, steps, timeout_s=timeout_s)
    except BrokerRefused as error:
        return _refusal(declared.name, error)
    return None


async def find_exchange(connection: AmqpConnection, exchange: str, *, timeout_s: float) -> AmqpResult | None:
    """See whether ``exchange`` exists; ``None`` if it does, else why nothing can be sent to it.

    A message to an absent exchange would close the channel, and with it all that is under way there.

    Raises:
        PublishUncertain, BrokerUnavailable: the connection broke.
    """
    channel = await connection.channel(confirms=False, timeout_s=timeout_s)
    try:
        await guarded(channel.exchange_declare(exchange, passive=True), connection.url, timeout_s)
    except BrokerRefused as error:
        if error.server_code == _ABSENT:
            return refused(Refusal.NO_QUEUE, f"no such exchange: {exchange!r}")
        return refused(Refusal.FORBIDDEN, f"exchange {exchange!r}: {error}")
    await guarded(channel.close(), connection.url, timeout_s)
    return None


async def _exists(connection: AmqpConnection, queue: str, *, timeout_s: float) -> bool:
    try:
        return await look(connection, queue, timeout_s=timeout_s) is not None
    except BrokerRefused:
        return False


def _refusal(queue: str, error: BrokerRefused) -> AmqpResult:
    if error.server_code in (_DIFFERS, _LOCKED):
        reason = f"queue {queue!r} exists in another form than the application declares: {error}"
        return refused(Refusal.QUEUE_DIFFERS, reason)
    return refused(Refusal.FORBIDDEN, f"queue {queue!r}: {error}")


async def run_step(channel: aiormq.Channel, step: Step) -> None:
    """Declare one thing; whatever aiormq raises comes through."""
    match step:
        case DeclareExchange(name, kind, durable, auto_delete):
            await channel.exchange_declare(name, exchange_type=kind, durable=durable, auto_delete=auto_delete)
        case DeclareQueue(name, durable, exclusive, auto_delete, arguments):
            await channel.queue_declare(
                name, durable=durable, exclusive=exclusive, auto_delete=auto_delete, arguments=dict(arguments)
            )
        case BindQueue(queue, exchange, routing_key):
            await channel.queue_bind(queue, exchange, routing_key)
        case BindExchange(destination, source, routing_key):
            await channel.exchange_bind(destination, source, routing_key)
