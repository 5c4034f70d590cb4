"""Remote control over RabbitMQ, called as over Redis."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from shim.amqp.connector import AmqpConnector
from shim.amqp.control import AmqpControlWire
from shim.control import EVERYONE, Answers, Audience, Command
from shim.errors import BrokerUnavailable, PublishUncertain

TIMEOUT_S = 1.0
OPEN_LIMIT_S = 3.0
"""How long the first call waits for the queue of answers; its own time begins when that is open."""


class AmqpControl:
    """Sends commands to workers and gathers their answers. ``run`` must be running.

    RabbitMQ does not tell how many workers heard a command: a call to all, or to those whose names match, lasts its whole
    time and is never known to be complete. One to workers by name ends with the last answer.
    """

    def __init__(self, connector: AmqpConnector, *, new_id: Callable[[], str], namespace: str) -> None:
        """Keep the collaborators; no I/O happens here. ``namespace`` is the workers' ``control_exchange``."""
        self._wire = AmqpControlWire(connector, new_id=new_id, namespace=namespace)

    async def run(self) -> None:
        """Keep the queue for answers open until cancelled."""
        await self._wire.run()

    async def call(self, command: Command, audience: Audience = EVERYONE, *, timeout_s: float = TIMEOUT_S) -> Answers:
        """Send a command and gather the answers.

        Raises:
            BrokerUnavailable: no connection; surely not sent.
            PublishUncertain: the server did not confirm it; nodes may have got the command.
            RequestInvalid: text with lone surrogates.
        """
        patience_s = anyio.current_time() + OPEN_LIMIT_S
        while True:
            try:
                return await self._wire.call(command, audience, timeout_s=timeout_s)
            except BrokerUnavailable:
                if anyio.current_time() >= patience_s:
                    raise
                await anyio.sleep(min(timeout_s, 0.1))  # nothing was sent: asking again is safe

    async def cast(self, command: Command, audience: Audience = EVERYONE, *, timeout_s: float = TIMEOUT_S) -> int:
        """Send a command that nobody shall answer; 1 if somebody listens, 0 if nobody does.

        Raises:
            ShimError: as ``call``.
        """
        with anyio.move_on_after(timeout_s + OPEN_LIMIT_S):
            return int(await self._wire.cast(command, audience))
        message = f"{command.method}: the server did not confirm it in time"
        raise PublishUncertain(message, hint="asking again is safe; whether a change was made, the workers tell")
