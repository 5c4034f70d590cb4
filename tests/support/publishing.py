"""Publishers and links as tests use them, and what they left in the server."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio

from shim.broker_url import parse_broker_url
from shim.claim import Claim, Outcome, Write, WriteResult
from shim.envelope import Envelope, build_envelope
from shim.link import Link
from shim.publisher import Publisher
from shim.request import TaskRequest
from shim.routing import Target
from shim.transport import RedisTransport
from tests.support.proxy import BadLink
from tests.support.valkey import ValkeyServer

LIMIT_S = 30.0
"""A deadline against hanging; nothing is judged by it."""
PATIENCE_S = 1.0
"""How long a link waits for an answer that does not come."""
HOUR_US = 3_600_000_000
NOW = datetime(2026, 11, 22, tzinfo=UTC)
LEDGER = "ledger"

_numbers = itertools.count()


def message(name: str | None = None, *, queue: str = "q", priority: int = 0, size: int = 0) -> Envelope:
    number = next(_numbers)
    request = TaskRequest("app.task", name or f"id-{number}", args=["x" * size])
    return build_envelope(request, Target(queue, priority), delivery_tag=f"tag-{number}", at=NOW, origin="test")


def claim(field: str = "entry", *, expect: str | None = None, advance_to: str = "1", **more: Any) -> Claim:
    return Claim(more.pop("key", LEDGER), field, expect, advance_to, **more)


def outcomes(results: Sequence[WriteResult]) -> list[Outcome]:
    return [result.outcome for result in results]


def queued(server: ValkeyServer, key: str = "q") -> list[str]:
    """Give the ids of the messages in a list, in the order workers take them."""
    found: Any = server.client.lrange(key, 0, -1)
    return [json.loads(one)["headers"]["id"] for one in reversed(found)]


def calls(server: ValkeyServer) -> int:
    """Count the script calls the server has taken, since its statistics were reset."""
    stats: Any = server.client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha"))


def pushes(server: ValkeyServer) -> int:
    """Count the pushes the server has done, since its statistics were reset."""
    stats: Any = server.client.info("commandstats")
    pushed: int = stats.get("cmdstat_lpush", {"calls": 0})["calls"]
    return pushed


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something outside this process, by looking; the caller sets the deadline."""
    while not condition():  # noqa: ASYNC110 - what is waited for is in the server, which sets no event
        await anyio.sleep(0.005)


async def answered(publisher: Publisher, write: Write) -> Outcome:
    """Write until the server answers, over a link whose patience is short; the caller sets the deadline."""
    while True:
        [outcome] = outcomes(await publisher.write([write]))
        if outcome not in (Outcome.UNCERTAIN, Outcome.NOT_WRITTEN):
            return outcome


def make_link(url: str, **options: Any) -> Link:
    return Link(parse_broker_url(url), client_name="test", **options)


@asynccontextmanager
async def linked(url: str, **options: Any) -> AsyncIterator[Link]:
    link = make_link(url, **options)
    with anyio.fail_after(LIMIT_S):
        try:
            yield link
        finally:
            with anyio.CancelScope(shield=True):
                await link.close()


@asynccontextmanager
async def publishing(
    url: str, transport: RedisTransport | None = None, *, tolerance_us: int = 0, **options: Any
) -> AsyncIterator[Publisher]:
    async with linked(url, **options) as link, anyio.create_task_group() as tasks:
        publisher = Publisher(link, transport or RedisTransport(), tolerance_us=tolerance_us)
        tasks.start_soon(publisher.run)
        yield publisher
        tasks.cancel_scope.cancel()


class CountingLink(BadLink):
    """Counts the connections made, and those their client has ended."""

    made = 0
    ended = 0

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.made += 1
        super()._connected(reader, writer)

    async def _forth(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await super()._forth(reader, writer)
        self.ended += 1


@asynccontextmanager
async def bad_link(server: ValkeyServer) -> AsyncIterator[CountingLink]:
    """Open a way to the server that can be broken; at the end it lets go of what it holds back."""
    async with CountingLink(server.port) as proxy:
        try:
            yield proxy
        finally:
            proxy.thaw()


def through(proxy: BadLink) -> str:
    return f"redis://127.0.0.1:{proxy.port}/0"
