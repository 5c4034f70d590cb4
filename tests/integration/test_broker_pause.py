"""Half a minute of a broker that stands still, with the patience everyone has by default. The one slow test of its kind."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from shim.broker_url import parse_broker_url
from shim.claim import Outcome
from tests.support.brokers import claimed, claims, connections, doubled, listening_to, publishing_to, written
from tests.support.publishing import queued, until
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

PAUSE_S = 30.0


async def test_thirty_seconds_of_standstill_hang_nobody_lose_nothing_and_double_nothing() -> None:
    tasks_before = len(asyncio.all_tasks())
    outcomes: list[Outcome] = []
    with ValkeyServer() as server:
        url = parse_broker_url(server.url)
        async with publishing_to(url) as publisher, listening_to(url) as ear:
            await ear.subscription.subscribe(["news"])
            assert await written(publisher, claimed("before")) is Outcome.WRITTEN

            async def insist(name: str) -> None:
                outcomes.append(await written(publisher, claimed(name)))

            server.pause()
            async with anyio.create_task_group() as callers:
                for number in range(500):
                    callers.start_soon(insist, f"during-{number}")
                await anyio.sleep(PAUSE_S)
                assert outcomes == []
                server.resume()
            await until(lambda: ear.opened == 2)
            await until(lambda: server.client.publish("news", "after") == 1)
            await until(lambda: ear.heard == [("news", b"after")])
            await until(lambda: connections(server) == 2)
        assert set(outcomes) <= {Outcome.WRITTEN, Outcome.ALREADY}
        assert doubled(server) == []
        assert len(queued(server)) == 501
        assert set(queued(server)) == claims(server)
        await until(lambda: connections(server) == 0)
    assert len(asyncio.all_tasks()) == tasks_before
