"""Remote control of workers over RabbitMQ: commands to the fanout exchange, answers to a queue of our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from shim.amqp.connector import AmqpConnector
from shim.amqp.consuming import AmqpConsumer
from shim.amqp.envelope import Delivery, as_envelope, from_envelope
from shim.amqp.outcome import AmqpOutcome, Refusal
from shim.amqp.publisher import AmqpPublisher
from shim.amqp.topology import DeclareExchange, DeclareQueue
from shim.control.answers import Answers, Reply, gather, have_all_answered, read_reply
from shim.control.audience import EVERYONE, Audience
from shim.control.command import NAMESPACE, Command, write_command
from shim.errors import BrokerUnavailable, PublishUncertain, ShimError

EXPIRES_MS = 10_000
"""As Celery's ``control_queue_expires``."""

REPLIES_LIMIT = 10_000
"""Answers kept for one call."""


@dataclass(slots=True, eq=False)
class _Call:
    audience: Audience
    expect: int | None
    replies: list[Reply] = field(default_factory=list)
    over: anyio.Event = field(default_factory=anyio.Event)

    def take(self, reply: Reply) -> None:
        self.replies.append(reply)
        # Nobody can count who heard a command here; names and a number given by the caller are all there is.
        heard = REPLIES_LIMIT if self.expect is None else self.expect
        if have_all_answered(self.replies, self.audience, heard):
            self.over.set()


class AmqpControlWire:
    """Sends commands and gathers answers. ``run`` must be running in a task group.

    The exchange does not tell how many workers heard a command, so a call to everyone takes its whole time unless
    ``expect`` is given; one to named workers ends when all of them have answered.
    """

    def __init__(
        self,
        connector: AmqpConnector,
        *,
        new_id: Callable[[], str],
        namespace: str = NAMESPACE,
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        Args:
            connector: how to connect.
            new_id: makes tickets and the name of the queue.
            namespace: ``control_exchange`` of the workers.
        """
        self._namespace = namespace
        self._new_id = new_id
        self._exchange = f"{namespace}.pidbox"
        self._replies = f"shim.reply.{new_id()}"
        self._publisher = AmqpPublisher(connector)
        arguments = {"x-expires": EXPIRES_MS}
        steps = (
            DeclareExchange(self._exchange, "fanout", durable=False),
            DeclareQueue(self._replies, durable=False, exclusive=True, auto_delete=True, arguments=arguments),
        )
        self._consumer = AmqpConsumer(
            connector, steps, self._replies, self._take, opened=self._listening, closed=self._broken
        )
        self._ready = anyio.Event()
        self._trouble = ""
        self._calls: dict[str, _Call] = {}
        self._clock = 0

    async def run(self) -> None:
        """Keep the queue for answers open until cancelled."""
        try:
            await self._consumer.run()
        finally:
            with anyio.CancelScope(shield=True):
                await self._publisher.close()

    async def call(
        self, command: Command, audience: Audience = EVERYONE, *, timeout_s: float = 1.0, expect: int | None = None
    ) -> Answers:
        """Send ``command`` and wait for answers; that no worker answered is a value too.

        Args:
            command: from ``shim.control.methods``.
            audience: whom it is for.
            timeout_s: how long answers are waited for.
            expect: how many workers there are, if the caller knows; the call ends with so many answers.

        Raises:
            BrokerUnavailable: the server cannot be reached; nothing was sent.
            PublishUncertain: the command may or may not have been sent.
            RequestInvalid: text with lone surrogates.
        """
        with anyio.move_on_after(timeout_s):
            await self._ready.wait()
        if not self._ready.is_set():
            message = self._trouble or "the queue for answers is not open yet"
            raise BrokerUnavailable(message, hint="is run() running, and RabbitMQ too?")
        ticket = self._new_id()
        call = self._calls[ticket] = _Call(audience, expect)
        try:
            if not await self._send(command, audience, ticket, self._replies):
                return gather((), audience, heard=0, is_complete=True)
            with anyio.move_on_after(timeout_s):
                await call.over.wait()
            heard = max(len(call.replies), expect or 0)
            return gather(call.replies, audience, heard=heard, is_complete=call.over.is_set())
        finally:
            del self._calls[ticket]

    async def cast(self, command: Command, audience: Audience = EVERYONE) -> bool:
        """Send ``command`` and ask for no answers; false if no worker is there to hear it.

        Raises:
            BrokerUnavailable, PublishUncertain, RequestInvalid: as ``call``.
        """
        return await self._send(command, audience, self._new_id(), None)

    async def _send(self, command: Command, audience: Audience, ticket: str, reply_to: str | None) -> bool:
        self._clock += 1
        payload = write_command(
            command, audience, namespace=self._namespace, clock=self._clock, delivery_tag=ticket, reply_to=reply_to
        )
        message = from_envelope(payload, exchange=self._exchange, routing_key="", message_id=ticket)
        [result] = await self._publisher.publish([message])
        if result.outcome is AmqpOutcome.NOT_WRITTEN:
            raise BrokerUnavailable(result.reason)
        if result.outcome is AmqpOutcome.UNCERTAIN:
            raise PublishUncertain(
                result.reason, hint="asking again is safe; a command that changes something may run twice"
            )
        return result.refusal is not Refusal.NO_QUEUE

    def _take(self, delivery: Delivery) -> None:
        reply = read_reply(as_envelope(delivery))
        if reply is None:
            return
        self._clock = max(self._clock, reply.clock) + 1
        call = self._calls.get(reply.ticket)
        if call is not None and len(call.replies) < REPLIES_LIMIT:
            call.take(reply)

    async def _listening(self) -> None:
        self._trouble = ""
        self._ready.set()

    def _broken(self, reason: ShimError | None) -> None:
        self._trouble = str(reason or "")
        self._ready = anyio.Event()
