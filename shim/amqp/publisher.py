"""The way into RabbitMQ: messages published with confirmations, each with an outcome of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeAlias

import aiormq
import anyio

from shim.amqp.connector import AmqpConnection, AmqpConnector, channel_close, failure_text, is_cancelled
from shim.amqp.declaring import declare, ensure_ladder, ensure_queue, find_exchange
from shim.amqp.delay import ENTRY
from shim.amqp.outcome import (
    WRITTEN,
    AmqpOutcome,
    AmqpResult,
    Refusal,
    after_close,
    not_written,
    refused,
    returned,
    uncertain,
)
from shim.amqp.topology import QueueDeclaration, Step, missing_queue
from shim.amqp.window import Window
from shim.amqp.wire import AmqpMessage
from shim.errors import BrokerRefused, BrokerUnavailable, PublishUncertain

WINDOW_MESSAGES = 500
WINDOW_BYTES = 8 * 1024 * 1024
PLACES_REMEMBERED = 10_000
RECHECK_S = 15.0
"""How long a queue or an exchange found unusable is not asked for again."""

_Place: TypeAlias = tuple[str, str]
"""An exchange, empty for the default one, and the queue that is meant, empty if only the exchange knows."""


class _Encoded(aiormq.spec.Basic.Properties):
    """Properties that are bytes already."""

    def __init__(self, message: AmqpMessage) -> None:
        super().__init__(message_id=message.message_id)  # aiormq finds a returned message by it
        self._encoded = message.properties

    def marshal(self) -> bytes:
        return self._encoded


@dataclass(slots=True, eq=False)
class _Session:
    """A connection, its present channel, and how much is under way in it."""

    connection: AmqpConnection
    channel: aiormq.Channel
    under_way: int = 0
    is_retired: bool = False


class AmqpPublisher:
    """Publishes through one connection, opened when first needed and after each failure.

    Any number of callers may publish at once. Nothing is ever sent twice: every message gets an outcome, and the caller
    sends it again when it sees fit.
    """

    def __init__(
        self,
        connector: AmqpConnector,
        *,
        queues: Mapping[str, QueueDeclaration] | None = None,
        missing: Callable[[str], QueueDeclaration] | None = missing_queue,
        confirm_timeout_s: float = 30.0,
        blocked_timeout_s: float = 10.0,
        ladder_type: str = "quorum",
        window_messages: int = WINDOW_MESSAGES,
        window_bytes: int = WINDOW_BYTES,
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        Args:
            connector: how to connect.
            queues: those the application declares (``task_queues``), by name.
            missing: declares a queue that is in neither ``queues`` nor the server; ``None`` refuses such messages, as
                ``task_create_missing_queues=False``.
            confirm_timeout_s: how long a confirmation may take before the outcome is uncertain.
            blocked_timeout_s: how long to wait while the server takes nothing because of an alarm.
            ladder_type: of the delay queues, if they are absent (``broker_native_delayed_delivery_queue_type``).
            window_messages: how many may be under way unconfirmed; further callers wait.
            window_bytes: the same in bytes.
        """
        self._connector = connector
        self._queues = dict(queues or {})
        self._missing = missing
        self._confirm_timeout_s = confirm_timeout_s
        self._blocked_timeout_s = blocked_timeout_s
        self._ladder_type = ladder_type
        self._window = Window(window_messages, window_bytes)
        self._opening = anyio.Lock()
        self._declaring = anyio.Lock()
        self._session: _Session | None = None
        self._ready: set[_Place] = set()
        self._unusable: dict[_Place, tuple[AmqpResult, float]] = {}

    async def __aenter__(self) -> Self:
        """Return the publisher; it connects when first needed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self.close()

    async def publish(self, messages: Sequence[AmqpMessage]) -> list[AmqpResult]:
        """Publish ``messages`` in order and return their outcomes, one for each.

        Messages to one queue arrive in order if all of them are written. When the connection fails, what had been sent
        without confirmation is ``UNCERTAIN`` and what had not been sent is ``NOT_WRITTEN``; no second connection is tried
        within a call. If the caller is cancelled, what is under way may still arrive.
        """
        results = [not_written("")] * len(messages)
        if not messages:
            return results
        try:
            session = await self._open_session()
        except (BrokerUnavailable, BrokerRefused) as error:
            return [not_written(f"{error}")] * len(messages)
        async with anyio.create_task_group() as tasks:
            for number, message in enumerate(messages):
                obstacle = await self._obstacle(session, message)
                if obstacle is None:
                    await self._window.take(message.size_bytes)
                    tasks.start_soon(self._send, session, message, results, number)
                    continue
                results[number] = obstacle
                if obstacle.outcome is AmqpOutcome.NOT_WRITTEN:  # it will not get better within this call
                    results[number:] = [obstacle] * (len(messages) - number)
                    break
        return results

    async def declare(self, steps: Sequence[Step]) -> None:
        """Declare exchanges, queues and bindings, such as the ladder of delays.

        Raises:
            BrokerUnavailable: no connection.
            BrokerRefused: something exists in another form, or may not be declared.
            PublishUncertain: the connection broke on the way; declaring again is safe.
        """
        session = await self._open_session()
        await declare(session.connection, steps, timeout_s=self._confirm_timeout_s)

    async def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        session, self._session = self._session, None
        if session is not None:
            await session.connection.close()

    async def _open_session(self) -> _Session:
        async with self._opening:
            session = self._session
            if session is None or not session.connection.is_open:
                self._ready.clear()
                self._session = None
                connection = await self._connector.open()
                try:
                    channel = await connection.channel(confirms=True, timeout_s=self._confirm_timeout_s)
                except BaseException:
                    await connection.abort()
                    raise
                session = self._session = _Session(connection, channel)
            elif session.channel.is_closed:
                session.channel = await session.connection.channel(confirms=True, timeout_s=self._confirm_timeout_s)
            return session

    async def _retire(self, session: _Session) -> None:
        """Use a connection no more whose confirmations do not come, and cut it when nothing is under way in it."""
        if session is self._session:
            self._session = None
        session.is_retired = True
        if not session.under_way:
            await session.connection.abort()

    async def _obstacle(self, session: _Session, message: AmqpMessage) -> AmqpResult | None:
        if session.channel.is_closed or not session.connection.is_open:
            return not_written("the connection was lost before it was sent")
        if not await session.connection.unblocked(self._blocked_timeout_s):
            return not_written(f"{session.connection.url}: the server takes no messages (memory or disk alarm)")
        place = _place(message)
        if place in self._ready:
            return None
        now_s = asyncio.get_running_loop().time()
        found, until_s = self._unusable.get(place, (None, 0.0))
        if found is not None and now_s < until_s:
            return found
        try:
            return await self._prepare(session.connection, place)
        except (PublishUncertain, BrokerUnavailable) as error:
            return not_written(f"{error}")

    async def _prepare(self, connection: AmqpConnection, place: _Place) -> AmqpResult | None:
        exchange, queue = place
        async with self._declaring:
            if place in self._ready:
                return None
            trouble = await self._find(connection, exchange, queue)
            if len(self._ready) + len(self._unusable) >= PLACES_REMEMBERED:
                self._ready.clear()
                self._unusable.clear()
            if trouble is None:
                self._ready.add(place)
                self._unusable.pop(place, None)
            else:
                self._unusable[place] = (trouble, asyncio.get_running_loop().time() + RECHECK_S)
            return trouble

    async def _find(self, connection: AmqpConnection, exchange: str, queue: str) -> AmqpResult | None:
        timeout_s = self._confirm_timeout_s
        declared = self._queues.get(queue)
        missing = None if self._missing is None or not queue else self._missing(queue)
        wanted = declared or missing
        if exchange == ENTRY and wanted is not None:
            return await ensure_ladder(connection, wanted, self._ladder_type, timeout_s=timeout_s)
        if exchange and (wanted is None or wanted.exchange is None or wanted.exchange.name != exchange):
            return await find_exchange(connection, exchange, timeout_s=timeout_s)
        # A queue of the application is declared together with its exchange, whichever of them a message names.
        trouble = await ensure_queue(connection, queue, declared, missing, timeout_s=timeout_s)
        if trouble is not None or not exchange:
            return trouble
        return await find_exchange(connection, exchange, timeout_s=timeout_s)

    async def _send(self, session: _Session, message: AmqpMessage, results: list[AmqpResult], number: int) -> None:
        results[number] = uncertain("the call was cancelled before the confirmation came")
        session.under_way += 1
        is_late = False
        try:
            with anyio.move_on_after(self._confirm_timeout_s) as waiting:
                results[number] = await self._confirmed(session.channel, message)
            is_late = waiting.cancelled_caught
            if is_late:
                results[number] = uncertain(f"no confirmation within {self._confirm_timeout_s} s")
        finally:
            session.under_way -= 1
            self._window.give(message.size_bytes)
        # A connection the server has blocked is kept: it knows that it is, and a new one would find out only by sending.
        if (is_late and await session.connection.unblocked(0)) or (session.is_retired and not session.under_way):
            await self._retire(session)

    async def _confirmed(self, channel: aiormq.Channel, message: AmqpMessage) -> AmqpResult:  # noqa: PLR0911 - a table
        try:
            await channel.basic_publish(
                message.body,
                exchange=message.exchange,
                routing_key=message.routing_key,
                properties=_Encoded(message),
                mandatory=True,
                wait=False,  # the window bounds what is not drained
            )
        except aiormq.PublishError:
            if message.queue or not message.exchange:  # else the exchange is there, and nobody is bound to it
                self._ready.discard(_place(message))
            return returned(message.exchange, message.routing_key, message.queue)
        except aiormq.DeliveryError:
            return refused(Refusal.NOT_TAKEN, f"queue {message.queue!r} did not take it (full, or failed)")
        except aiormq.ChannelInvalidStateError:
            return not_written("the connection was lost before it was sent")
        except aiormq.AMQPChannelError as error:
            return after_close(channel_close(error)[1], len(message.body))
        except (aiormq.AMQPError, OSError, RuntimeError) as error:
            return uncertain(f"the connection broke ({failure_text(error)})")
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            return uncertain("the connection broke")
        return WRITTEN


def _place(message: AmqpMessage) -> _Place:
    if not message.exchange:
        return "", message.queue or message.routing_key
    return message.exchange, message.queue
