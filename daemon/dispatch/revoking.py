"""Has workers not run tasks, or stop them: told to all, answered by none."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import anyio

from daemon.errors import BrokerDown
from shim.client.amqp_extra import amqp_control
from shim.control import EVERYONE, Command, methods
from shim.control.command import NAMESPACE, control_channel, write_command
from shim.errors import ShimError
from shim.link import Link
from shim.transport import RedisTransport

IDS_PER_COMMAND = 1000


class Revoker:
    """Tells the workers of a broker on Redis. Owns nothing: the link is the caller's."""

    def __init__(self, link: Link, transport: RedisTransport, conf: Mapping[str, Any]) -> None:
        """Keep link and names.

        Raises:
            RequestInvalid: a setting that names no exchange.
        """
        self._link = link
        self._namespace = conf.get("control_exchange") or NAMESPACE
        self._channel = control_channel(
            link.url.database,
            key_prefix=transport.key_prefix,
            namespace=self._namespace,
            fanout_prefix=transport.fanout_prefix,
        )

    async def revoke(self, task_ids: Sequence[str], *, terminate: bool) -> None:
        """Keep tasks from starting; with ``terminate`` also stop those that have started.

        Raises:
            BrokerDown: the broker does not answer, or an id is none.
        """
        try:
            for command in _commands(task_ids, terminate=terminate):
                payload = write_command(
                    command,
                    EVERYONE,
                    namespace=self._namespace,
                    clock=0,
                    delivery_tag=str(uuid.uuid4()),
                    reply_to=None,
                )
                await self._link.call("PUBLISH", self._channel, payload)
        except ShimError as error:
            raise BrokerDown(str(error), hint=error.hint) from None


async def revoke_by_amqp(conf: Mapping[str, Any], task_ids: Sequence[str], *, terminate: bool) -> None:
    """Do the same on RabbitMQ, over a connection of its own.

    Raises:
        BrokerDown: as ``Revoker.revoke``.
    """
    control = amqp_control(conf, client_name="carillon-revoke", new_id=lambda: str(uuid.uuid4()))
    failure: ShimError | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(control.run)
        try:
            for command in _commands(task_ids, terminate=terminate):
                await control.cast(command)
        except ShimError as error:
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise BrokerDown(str(failure), hint=failure.hint)


def _commands(task_ids: Sequence[str], *, terminate: bool) -> Iterator[Command]:
    for first in range(0, len(task_ids), IDS_PER_COMMAND):
        yield methods.revoke(list(task_ids[first : first + IDS_PER_COMMAND]), terminate=terminate)
