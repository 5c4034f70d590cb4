"""What a broker or a worker does wrong, in the words of a desk; and a bound on how long it may take to say anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from daemon.desks import DeskRefused, NotHere
from daemon.dispatch.client import as_daemon_error
from daemon.errors import BrokerDown
from shim.client import BrokerKind, Client
from shim.errors import RequestInvalid, ShimError

ANSWER_LIMIT_S = 4.5


@asynccontextmanager
async def asking_broker() -> AsyncIterator[None]:
    """Ask the broker within; it has four and a half seconds.

    Raises:
        DeskRefused: what is asked for cannot be.
        BrokerDown: it does not answer.
    """
    try:
        with anyio.fail_after(ANSWER_LIMIT_S):
            yield
    except TimeoutError:
        message = f"the broker did not answer within {ANSWER_LIMIT_S:g} s"
        raise BrokerDown(
            message, hint="look again before something is changed once more: it may have been done"
        ) from None
    except RequestInvalid as error:
        raise DeskRefused(str(error), hint=error.hint) from None
    except ShimError as error:
        raise as_daemon_error(error) from None


def needs_control(client: Client) -> None:
    """Refuse on brokers whose workers cannot be asked.

    Raises:
        NotHere: it is neither Redis nor RabbitMQ.
    """
    if not client.has_control:
        message = "this broker is spoken to for sending only: workers and queues cannot be asked"
        raise NotHere(message, hint="Redis, Valkey and RabbitMQ can be asked for everything")


def needs_redis(client: Client, what: str) -> None:
    """Refuse what only Redis can do.

    Raises:
        NotHere: it is another broker.
    """
    needs_control(client)
    if client.kind is not BrokerKind.REDIS:
        message = f"RabbitMQ cannot {what}"
        raise NotHere(message)
