"""Brokers that are restarted, paused, cut off or replaced while many callers publish: no hang, no leak, no second message."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import anyio.to_thread
import pytest
from anyio.lowlevel import checkpoint

from shim.broker_url import BrokerUrl, parse_broker_url
from shim.claim import Outcome
from shim.errors import PublishUncertain
from shim.publisher import Publisher
from tests.support.brokers import (
    PATIENCE_S,
    claimed,
    claims,
    connections,
    doubled,
    linked_to,
    listening_to,
    publishing_to,
    written,
)
from tests.support.cutting import CutLink
from tests.support.publishing import LEDGER, queued, through, until
from tests.support.sentinel import Watched
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

CALLERS = 10
PACE_S = 0.004


@dataclass
class Load:
    """Callers that publish one claimed message after the other, each until the broker has it."""

    publisher: Publisher
    acknowledged: list[str] = field(default_factory=list)
    is_ending: bool = False

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            for caller in range(CALLERS):
                tasks.start_soon(self._publish, caller)

    async def _publish(self, caller: int) -> None:
        number = 0
        while not self.is_ending:
            name = f"{caller}-{number}"
            await written(self.publisher, claimed(name))
            self.acknowledged.append(name)
            number += 1
            await anyio.sleep(PACE_S)

    async def go_on(self, count: int) -> None:
        """Come back when so many more are acknowledged."""
        wanted = len(self.acknowledged) + count
        await until(lambda: len(self.acknowledged) >= wanted)


def _direct(server: ValkeyServer) -> BrokerUrl:
    return parse_broker_url(server.url)


@pytest.mark.parametrize("how", ["killed", "paused", "asked"])
async def test_a_fail_over_under_load_doubles_nothing_and_loses_only_what_the_old_master_kept_to_itself(
    how: str,
) -> None:
    tasks_before = len(asyncio.all_tasks())
    with Watched() as watched:
        old, new = watched.master, watched.replica
        async with (
            publishing_to(watched.url, reply_timeout_s=PATIENCE_S, connect_timeout_s=PATIENCE_S) as publisher,
            listening_to(watched.url, reply_timeout_s=PATIENCE_S, ping_every_s=PATIENCE_S) as ear,
            anyio.create_task_group() as tasks,
        ):
            load = Load(publisher)
            tasks.start_soon(load.run)
            await ear.subscription.subscribe(["news"])
            await load.go_on(300)
            {"killed": old.kill, "paused": old.pause, "asked": watched.fail_over}[how]()
            await until(lambda: watched.has_master_besides(old))
            if how == "paused":
                old.resume()
            await until(lambda: connections(new) == 2)
            before = set(load.acknowledged)
            await load.go_on(500)
            await until(lambda: new.client.publish("news", "again") == 1)
            await until(lambda: ("news", b"again") in ear.heard)
            load.is_ending = True
        assert ear.opened >= 2
        if how != "killed":
            await until(lambda: old.client.info("replication")["role"] == "slave")
            await until(lambda: connections(old) == 0)
        await until(lambda: connections(new) == 0)
        assert doubled(new) == []
        assert set(queued(new)) == claims(new)
        lost = set(load.acknowledged) - claims(new)
        assert lost <= before
        assert len(load.acknowledged) >= 800
    assert len(asyncio.all_tasks()) == tasks_before


async def test_an_old_master_that_wakes_up_is_left_at_once_and_what_it_took_is_lost_with_its_claims() -> None:
    writes = [claimed(f"kept-{number}") for number in range(50)]
    with Watched() as watched:
        old, new = watched.master, watched.replica
        async with (
            linked_to(watched.url) as link,
            listening_to(watched.url, ping_every_s=0.5) as ear,
            publishing_to(_direct(old)) as stray,
            publishing_to(watched.url) as publisher,
        ):
            await ear.subscription.subscribe(["news"])
            history = (await link.facts()).replication_id
            old.pause()
            await until(lambda: watched.has_master_besides(old))
            watched.hurry(PUBLISH_PERIOD=60_000)  # nobody tells the old master yet
            old.resume()
            assert {await written(stray, one) for one in writes} == {Outcome.WRITTEN}
            while (facts := await link.facts()).run_id != new.client.info()["run_id"]:
                pass
            assert facts.replication_id != history
            await until(lambda: new.client.publish("news", "of the new master") == 1)
            await until(lambda: ear.heard == [("news", b"of the new master")])
            assert old.client.info("replication")["role"] == "master"
            assert len(claims(old)) == len(writes)
            watched.hurry(PUBLISH_PERIOD=200)
            await until(lambda: claims(old) == set())
            assert {await written(publisher, one) for one in writes} == {Outcome.WRITTEN}
            assert {await written(publisher, one) for one in writes} == {Outcome.ALREADY}
        assert doubled(new) == []
        assert len(queued(new)) == len(writes)


async def test_a_broker_restarted_again_and_again_holds_each_acknowledged_message_once() -> None:
    tasks_before = len(asyncio.all_tasks())
    with ValkeyServer("--appendfsync", "always") as server:
        async with publishing_to(_direct(server)) as publisher, anyio.create_task_group() as tasks:
            load = Load(publisher)
            tasks.start_soon(load.run)
            for _ in range(4):
                await load.go_on(100)
                await anyio.to_thread.run_sync(server.restart)
            await load.go_on(100)
            load.is_ending = True
        assert doubled(server) == []
        assert set(queued(server)) == claims(server) == set(load.acknowledged)
        await until(lambda: connections(server) == 0)
    assert len(asyncio.all_tasks()) == tasks_before


async def test_a_broker_that_stands_still_again_and_again_gets_each_message_once() -> None:
    with ValkeyServer() as server:
        async with (
            publishing_to(_direct(server), reply_timeout_s=0.2, connect_timeout_s=0.2) as publisher,
            anyio.create_task_group() as tasks,
        ):
            load = Load(publisher)
            tasks.start_soon(load.run)
            for _ in range(3):
                await load.go_on(100)
                server.pause()
                await anyio.sleep(0.7)  # several times what a caller waits: each sends its write more than once
                server.resume()
            await load.go_on(100)
            load.is_ending = True
        assert doubled(server) == []
        assert set(queued(server)) == claims(server) == set(load.acknowledged)
        await until(lambda: connections(server) == 0)


async def test_a_claim_lost_with_a_server_that_keeps_nothing_is_found_absent_not_advanced() -> None:
    with ValkeyServer(append_only=False) as server:
        async with publishing_to(_direct(server)) as publisher:
            assert await written(publisher, claimed("a")) is Outcome.WRITTEN
            assert await written(publisher, claimed("a")) is Outcome.ALREADY
            server.restart()
            assert server.client.exists(LEDGER) == 0
            assert await written(publisher, claimed("a")) is Outcome.WRITTEN
        assert queued(server) == ["a"]


# -- links that are cut ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["forth", "back"])
async def test_a_connection_cut_after_any_number_of_bytes_makes_one_message_and_not_two(
    valkey: ValkeyServer, way: str
) -> None:
    names = []
    async with CutLink(valkey.port) as proxy:
        async with publishing_to(parse_broker_url(through(proxy))) as publisher:
            await written(publisher, claimed("first"))  # the server knows the script from here on
        for size in range(0, 1000 if way == "forth" else 120, 13 if way == "forth" else 2):
            names.append(f"cut-{size}")
            async with publishing_to(parse_broker_url(through(proxy))) as publisher:
                write = claimed(names[-1])
                setattr(proxy, f"{way}_left", size)
                [result] = await publisher.write([write])
                assert result.outcome in (Outcome.WRITTEN, Outcome.NOT_WRITTEN, Outcome.UNCERTAIN)
                is_there = names[-1] in claims(valkey)
                assert is_there or result.outcome is not Outcome.WRITTEN
                assert not is_there or result.outcome is not Outcome.NOT_WRITTEN
                proxy.heal()
                assert await written(publisher, write) in (Outcome.WRITTEN, Outcome.ALREADY)
        assert proxy.cuts > 20
    assert sorted(queued(valkey)) == sorted(["first", *names])


async def test_a_connection_reset_while_nobody_uses_it_is_an_error_of_ours_and_then_a_new_connection(
    valkey: ValkeyServer,
) -> None:
    async with CutLink(valkey.port) as proxy:
        url = parse_broker_url(through(proxy))
        async with linked_to(url) as link, publishing_to(url) as publisher, listening_to(url) as ear:
            for number in range(10):
                await link.call("PING")
                await ear.subscription.subscribe(["news", f"n{number}"])
                assert await written(publisher, claimed(str(number))) is Outcome.WRITTEN
                proxy.reset_all()
                for _ in range(number):
                    await checkpoint()
                ear.subscription.unsubscribe([f"n{number}"])
                with suppress(PublishUncertain):
                    await link.call("PING")
                assert await written(publisher, claimed(str(number))) is Outcome.ALREADY
    assert sorted(queued(valkey)) == sorted(map(str, range(10)))
