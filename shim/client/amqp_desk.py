"""The queues of RabbitMQ, looked at as those on Redis are."""

from __future__ import annotations

from collections.abc import Sequence

from shim.amqp.connector import AmqpConnector
from shim.amqp.envelope import Delivery
from shim.amqp.queues import PEEK_LIMIT, AmqpQueues
from shim.errors import RequestInvalid
from shim.queues import Backlog, Backlogs, Moved, Parked, Purged, QueuedMessage
from shim.queues.message import UNREADABLE


class AmqpDesk:
    """The queues of one virtual host.

    AMQP tells how many messages wait and how many consumers there are. It does not tell what workers hold, nor who they
    are, nor how old a message is; and nothing can be set aside or moved without the danger of losing or doubling it.
    """

    def __init__(self, connector: AmqpConnector) -> None:
        """Keep how to connect; no I/O happens here."""
        self._queues = AmqpQueues(connector)

    async def close(self) -> None:
        """Close the connection, if there is one."""
        await self._queues.__aexit__(None, None, None)

    async def backlogs(self, queues: Sequence[str]) -> Backlogs:
        """Count what waits in ``queues``; one that does not exist is empty.

        ``consumers`` is empty where nobody takes from a queue, else unknown: RabbitMQ gives their number, not their names.

        Raises:
            BrokerUnavailable, PublishUncertain, BrokerRefused: as ``AmqpQueues.depth``.
        """
        found: dict[str, Backlog] = {}
        for name in dict.fromkeys(queues):
            depth = await self._queues.depth(name)
            waiting = 0 if depth is None else depth.ready
            is_unserved = depth is None or not depth.consumers
            found[name] = Backlog(name, waiting, (waiting,), None, () if is_unserved else None)
        return Backlogs(found, 0, is_unacked_complete=False)

    async def peek(self, queue: str, count: int = 20) -> list[QueuedMessage]:
        """Take the next messages, look at them and put them back; see ``AmqpQueues.peek`` for what that does to them.

        Raises:
            RequestInvalid: more than ``PEEK_LIMIT``, or less than one.
            BrokerUnavailable, PublishUncertain, BrokerRefused: as ``AmqpQueues.peek``.
        """
        if not 0 < count <= PEEK_LIMIT:
            message = f"count {count}: 1 to {PEEK_LIMIT} messages can be shown"
            raise RequestInvalid(message)
        return [queued_message(one) for one in await self._queues.peek(queue, count)]

    async def purge(self, queue: str, *, token: str | None) -> Purged:
        """Throw away what waits; ``token`` must be ``None``.

        Raises:
            RequestInvalid: a token.
            BrokerUnavailable, PublishUncertain, BrokerRefused: as ``AmqpQueues.purge``.
        """
        if token is not None:
            message = f"queue {queue!r}: RabbitMQ cannot set messages aside"
            raise RequestInvalid(message, hint="what is purged there is gone; destroy it if that is meant")
        return Purged(queue, await self._queues.purge(queue) or 0, "")

    async def restore(self, queue: str, token: str) -> int:
        """Refuse: nothing was set aside.

        Raises:
            RequestInvalid: always.
        """
        del token
        message = f"queue {queue!r}: RabbitMQ cannot set messages aside, so there is nothing to restore"
        raise RequestInvalid(message)

    async def parked(self) -> list[Parked]:
        """List nothing: RabbitMQ sets nothing aside."""
        return []

    async def discard(self, queue: str, token: str) -> int:
        """Refuse: nothing was set aside.

        Raises:
            RequestInvalid: always.
        """
        return await self.restore(queue, token)

    async def move(self, queue: str, to: str, *, count: int | None = None) -> Moved:
        """Refuse: a message would be in both queues for a while.

        Raises:
            RequestInvalid: always.
        """
        del to, count
        message = f"queue {queue!r}: RabbitMQ cannot move messages in one step"
        raise RequestInvalid(message, hint="its shovel plugin moves them: rabbitmq-plugins enable rabbitmq_shovel")


def queued_message(delivery: Delivery) -> QueuedMessage:
    """Read what can be shown of a message without opening its body; never raises, whatever lies there."""
    headers = delivery.headers
    task, task_id, retries = headers.get("task"), headers.get("id"), headers.get("retries")
    return QueuedMessage(
        task=task if isinstance(task, str) and task else UNREADABLE,
        task_id=task_id if isinstance(task_id, str) else "",
        priority=None,
        sent_at=None,
        eta_at=_text(headers.get("eta")),
        expires_at=_text(headers.get("expires")),
        retries=retries if isinstance(retries, int) else 0,
        size_bytes=len(delivery.body),
        was_redelivered=False,
        raw=delivery.body,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
