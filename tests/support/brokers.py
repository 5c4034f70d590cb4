"""Links, publishers and subscriptions to any broker address, and what they leave behind in a server."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from shim.broker_url import BrokerUrl
from shim.claim import Claim, Outcome, Write
from shim.connector import Connector
from shim.errors import BrokerRefused
from shim.link import Link
from shim.publisher import Publisher
from shim.subscription import Subscription
from shim.transport import RedisTransport
from tests.support.publishing import LEDGER, message, queued
from tests.support.valkey import ValkeyServer

LIMIT_S = 60.0
"""A deadline against hanging; nothing is judged by it."""
PATIENCE_S = 1.0
CLIENT_NAME = "under-test"


@asynccontextmanager
async def linked_to(url: BrokerUrl, **options: Any) -> AsyncIterator[Link]:
    link = Link(url, client_name=CLIENT_NAME, **options)
    with anyio.fail_after(LIMIT_S):
        try:
            yield link
        finally:
            with anyio.CancelScope(shield=True):
                await link.close()


@asynccontextmanager
async def publishing_to(url: BrokerUrl, **options: Any) -> AsyncIterator[Publisher]:
    async with linked_to(url, **options) as link, anyio.create_task_group() as tasks:
        publisher = Publisher(link, RedisTransport(), tolerance_us=0)
        tasks.start_soon(publisher.run)
        yield publisher
        tasks.cancel_scope.cancel()


class Ear:
    """A subscription, and all it was told."""

    def __init__(
        self, url: BrokerUrl, *, patterns: Iterable[str] = (), ping_every_s: float = 5.0, **options: Any
    ) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.opened = 0
        self.closed: list[Exception | None] = []
        connector = Connector(url, client_name=CLIENT_NAME, **options)
        self.subscription = Subscription(
            connector,
            lambda channel, payload: self.heard.append((channel, payload)),
            patterns=patterns,
            opened=self._opened,
            closed=self.closed.append,
            ping_every_s=ping_every_s,
        )

    async def _opened(self) -> None:
        self.opened += 1


@asynccontextmanager
async def listening_to(url: BrokerUrl, **options: Any) -> AsyncIterator[Ear]:
    ear = Ear(url, **options)
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ear.subscription.run)
            yield ear
            tasks.cancel_scope.cancel()


def claimed(name: str) -> Write:
    """Make a write of one message, under a claim of its own."""
    return Write(Claim(LEDGER, name, None, "done"), (message(name),))


async def written(publisher: Publisher, write: Write) -> Outcome:
    """Repeat a write until the broker has it, as a caller does that wants it there."""
    while True:
        try:
            [result] = await publisher.write([write])
        except BrokerRefused as error:
            if error.server_code not in ("READONLY", "MASTERDOWN", "LOADING", "NOREPLICAS"):
                raise
        else:
            if result.outcome not in (Outcome.UNCERTAIN, Outcome.NOT_WRITTEN):
                return result.outcome
        await anyio.sleep(0.02)


def doubled(server: ValkeyServer) -> list[str]:
    """Give the ids that stand in the queue more than once."""
    return [name for name, count in Counter(queued(server)).items() if count > 1]


def claims(server: ValkeyServer) -> set[str]:
    return {name.decode() for name in server.client.hkeys(LEDGER)}


def connections(server: ValkeyServer) -> int:
    """Count the connections to a server that were made under the name of these tests."""
    with server.client as client:
        return sum(one["name"] == CLIENT_NAME for one in client.client_list())
