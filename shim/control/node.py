"""A node that answers ``celery inspect ping``, so that the probes made for Celery's beat find this process.

It sends no events: Flower and its like take whoever sends ``worker-*`` events for a worker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress

import anyio

from shim.broker_url import BrokerUrl
from shim.connector import Connector
from shim.control.answering import BINDINGS, Question, bound_queues, read_question, write_answer
from shim.control.command import FANOUT_PREFIX, NAMESPACE, control_channel
from shim.errors import ShimError
from shim.link import Link
from shim.routing import Target
from shim.subscription import Subscription
from shim.transport import RedisTransport

QUESTIONS_LIMIT = 100
"""Pings that may wait; the oldest is dropped for a further one, whoever asked has given up first."""


class Node:
    """Answers pings under a name, while ``is_alive`` says so. ``run`` must be running in a task group.

    Silence is the only sign a probe can act upon: ``celery inspect ping`` ends with an exit code above 0 if nobody answers,
    and with 0 at any answer, be it an error.
    """

    def __init__(
        self,
        url: BrokerUrl,
        *,
        name: str,
        is_alive: Callable[[], bool],
        client_name: str,
        new_id: Callable[[], str],
        transport: RedisTransport | None = None,
        namespace: str = NAMESPACE,
        fanout_prefix: str = FANOUT_PREFIX,
    ) -> None:
        """Keep the address and the names; no I/O happens here.

        Args:
            url: the workers' broker, its database included.
            name: the node's full name; ``beat_name`` makes it of a host's.
            is_alive: whether what the node stands for does its work; asked at each ping.
            client_name: name of the two connections on the server.
            new_id: gives an id nobody else has.
            transport: options that workers share (``broker_transport_options``).
            namespace: the workers' ``control_exchange``.
            fanout_prefix: the workers' transport option of that name; empty if they have turned it off.

        Raises:
            RequestInvalid: a namespace that is no name.
        """
        self.name = name
        self._is_alive = is_alive
        self._new_id = new_id
        self._transport = transport or RedisTransport()
        channel = control_channel(
            url.database, key_prefix=self._transport.key_prefix, namespace=namespace, fanout_prefix=fanout_prefix
        )
        # By pattern, as all nodes do: who counts listeners takes those by SUBSCRIBE for bystanders.
        self._subscription = Subscription(Connector(url, client_name=client_name), self._receive, patterns=(channel,))
        self._link = Link(url, client_name=client_name)
        self._questions: deque[Question] = deque(maxlen=QUESTIONS_LIMIT)
        self._asked = anyio.Event()
        self._clock = 0

    async def wait_until_listening(self) -> None:
        """Come back once pings arrive here."""
        await self._subscription.is_open.wait()

    async def run(self) -> None:
        """Answer until cancelled, whatever happens to the server."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._subscription.run)
                tasks.start_soon(self._keep_answering)
        finally:
            with anyio.CancelScope(shield=True):
                await self._link.close()

    def _receive(self, _channel: str, payload: bytes) -> None:
        question = read_question(payload, self.name)
        if question is not None:
            self._clock = max(self._clock, question.clock) + 1
            self._questions.append(question)
            self._asked.set()

    async def _keep_answering(self) -> None:
        while True:
            await self._asked.wait()
            while self._questions:
                question = self._questions.popleft()
                if self._is_alive():
                    with suppress(ShimError):  # whoever asked hears nothing, and asks again
                        await self._answer(question)
            self._asked = anyio.Event()

    async def _answer(self, question: Question) -> None:
        self._clock += 1
        payload = write_answer(question, self.name, clock=self._clock, delivery_tag=self._new_id())
        queues: tuple[str, ...] = (question.routing_key,)
        if question.exchange:
            key = f"{self._transport.key_prefix}{BINDINGS}{question.exchange}"
            members = await self._link.call("SMEMBERS", key)
            queues = bound_queues(members, question.routing_key, self._transport.separator)
        for queue in queues:
            await self._link.call("LPUSH", self._transport.list_key(Target(queue, 0)), payload)
