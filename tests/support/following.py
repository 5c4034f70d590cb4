"""Receivers of events as tests run them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio

from shim.broker_url import parse_broker_url
from shim.connector import Connector
from shim.events import EventReceiver, EventState
from tests.support.valkey import ValkeyServer

LIMIT_S = 60.0
"""A deadline against hanging; nothing is judged by it."""


def now() -> datetime:
    return datetime.fromtimestamp(time.clock_gettime(time.CLOCK_REALTIME), UTC)


def make_receiver(url: str, state: EventState | None = None, **options: Any) -> EventReceiver:
    connector = Connector(parse_broker_url(url), client_name="events")
    return EventReceiver(connector, EventState() if state is None else state, **{"now": now, **options})


@asynccontextmanager
async def following(url: str, state: EventState | None = None, **options: Any) -> AsyncIterator[EventReceiver]:
    """Run a receiver that listens."""
    receiver = make_receiver(url, state, **options)
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receiver.run)
            await told(receiver, lambda: receiver.state.listening_since_at is not None)
            yield receiver
            tasks.cancel_scope.cancel()


async def told(receiver: EventReceiver, condition: Callable[[], bool]) -> None:
    """Wait for a change after which the condition holds; the caller sets the deadline."""
    while not condition():
        await receiver.changed(receiver.state.cursor)


def listeners(server: ValkeyServer) -> int:
    with server.client as client:
        return int(client.pubsub_numpat())


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {LIMIT_S} s"
        time.sleep(0.02)
