"""Whatever happens to the server or the way to it: who waits is told the right result, or that time is up."""

from __future__ import annotations

import random
from typing import Any

import anyio
import pytest

from shim.errors import BrokerRefused, BrokerUnavailable
from tests.support.publishing import bad_link, through, until
from tests.support.result_waiting import LIMIT_S, Told, channels, store, store_all, store_silently, subscribed, waiting
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


async def test_a_result_lost_with_the_connection_is_looked_up(valkey: ValkeyServer) -> None:
    async with (
        bad_link(valkey) as proxy,
        waiting(through(proxy), look_up=valkey.url) as waiter,
        anyio.create_task_group() as tasks,
    ):
        told = Told()
        tasks.start_soon(told.ready, waiter, "a")
        await until(subscribed(valkey, "a"))
        await anyio.wait_all_tasks_blocked()
        proxy.lose_replies()
        store(valkey, "a", result="lost on the way")
        await told.done.wait()
        assert [meta.result for meta in told.metas] == ["lost on the way"]


async def test_results_stored_while_nobody_could_listen_are_looked_up(valkey: ValkeyServer) -> None:
    ids = [f"id-{number}" for number in range(500)]
    async with bad_link(valkey) as proxy, waiting(through(proxy), look_up=valkey.url) as waiter:
        told = [Told() for _ in ids]
        async with anyio.create_task_group() as tasks:
            for one, task_id in zip(told, ids, strict=True):
                tasks.start_soon(one.ready, waiter, task_id)
            await until(lambda: len(channels(valkey)) == len(ids))
            await anyio.wait_all_tasks_blocked()
            proxy.refuse()
            proxy.lose_replies()
            store(valkey, "id-0", "STARTED")
            await proxy.lost.wait()
            await until(subscribed(valkey))
            await until(lambda: isinstance(waiter.trouble, BrokerUnavailable))
            for task_id in ids:
                store_silently(valkey, task_id, result=task_id)
            late = Told()
            tasks.start_soon(late.ready, waiter, "late")
            store_silently(valkey, "late")
            assert not any(one.metas for one in told)
            proxy.accept()
        assert [one.metas[0].result for one in told] == ids
        assert late.metas
        assert waiter.trouble is None
        await until(subscribed(valkey))


async def test_a_look_up_whose_answer_is_lost_is_done_again(valkey: ValkeyServer) -> None:
    store_silently(valkey, "a")
    store_silently(valkey, "b")
    async with bad_link(valkey) as proxy, waiting(valkey.url, look_up=through(proxy)) as waiter:
        assert await waiter.ready("a") is not None
        proxy.lose_replies()
        assert await waiter.ready("b") is not None
        assert proxy.lost.is_set()
        assert waiter.trouble is None


async def test_progress_told_meanwhile_is_not_overtaken_by_an_older_look_up(valkey: ValkeyServer) -> None:
    store_silently(valkey, "a", "PROGRESS", 1)
    store_silently(valkey, "probe")
    async with (
        bad_link(valkey) as proxy,
        waiting(valkey.url, look_up=through(proxy), patience_s=LIMIT_S) as waiter,
        anyio.create_task_group() as tasks,
    ):
        assert await waiter.ready("probe") is not None  # the link stands
        proxy.freeze()
        told = Told()
        tasks.start_soon(told.updates, waiter, "a")
        await proxy.held.wait()
        await until(subscribed(valkey, "a"))
        store(valkey, "a", "PROGRESS", 2)
        await until(lambda: bool(told.metas))
        store_silently(valkey, "a", "PROGRESS", 1)  # what a slower answer would still bring
        proxy.thaw()
        assert await waiter.ready("probe") is not None  # by a later look-up
        store(valkey, "a", "SUCCESS")
        await told.done.wait()
        assert [meta.result for meta in told.metas] == [2, None]


async def test_a_server_that_comes_back_is_listened_to_again() -> None:
    with ValkeyServer() as server:
        async with waiting(server.url) as waiter:
            told = {name: Told() for name in ("kept", "later")}
            async with anyio.create_task_group() as tasks:
                for name, one in told.items():
                    tasks.start_soon(one.ready, waiter, name)
                await until(subscribed(server, "kept", "later"))
                store_silently(server, "kept", result="survived")
                server.restart()
                await until(subscribed(server, "later"))
                store(server, "later", result="after")
            assert [one.metas[0].result for one in told.values()] == ["survived", "after"]


async def test_a_wait_may_begin_while_the_server_is_away() -> None:
    with ValkeyServer() as server:
        server.kill()
        async with waiting(server.url) as waiter, anyio.create_task_group() as tasks:
            assert await waiter.ready("a", timeout_s=0.05) is None
            told = Told()
            tasks.start_soon(told.ready, waiter, "a")
            await until(lambda: isinstance(waiter.trouble, BrokerUnavailable))
            server.start()
            store(server, "a")
            await told.done.wait()
            assert told.metas


async def test_of_a_paused_server_time_limits_hold_and_nothing_is_left() -> None:
    with ValkeyServer() as server:
        async with waiting(server.url) as waiter:
            store(server, "before")
            assert await waiter.ready("before") is not None
            server.pause()
            try:
                for number in range(20):
                    assert await waiter.ready(f"id-{number}", timeout_s=0.02) is None
                assert await waiter.ready_all([f"id-{number}" for number in range(50)], timeout_s=0.02) == {}
                assert waiter.awaited == 0
                assert not waiter._to_look_up
                assert not waiter._to_join
            finally:
                server.resume()
            store(server, "after")
            assert await waiter.ready("after") is not None
            await until(subscribed(server))


async def test_a_server_paused_for_longer_than_anybody_is_patient_loses_nothing() -> None:
    with ValkeyServer() as server:
        async with waiting(server.url, ping_every_s=0.2) as waiter:
            told = [Told() for _ in range(3)]
            async with anyio.create_task_group() as tasks:
                for number, one in enumerate(told):
                    tasks.start_soon(one.ready, waiter, f"id-{number}")
                await until(subscribed(server, "id-0", "id-1", "id-2"))
                server.pause()
                try:
                    await until(lambda: waiter.trouble is not None)
                finally:
                    server.resume()
                store_all(server, *((f"id-{number}", "SUCCESS", number) for number in range(3)))
            assert [one.metas[0].result for one in told] == [0, 1, 2]


async def test_with_cuts_at_any_time_every_wait_ends_with_its_result(valkey: ValkeyServer) -> None:
    seed = random.Random(5)
    ids = [f"id-{number}" for number in range(200)]
    async with bad_link(valkey) as proxy, waiting(through(proxy)) as waiter:
        told = [Told() for _ in ids]
        async with anyio.create_task_group() as tasks:
            for first in range(0, len(ids), 20):
                some = slice(first, first + 20)
                for one, task_id in zip(told[some], ids[some], strict=True):
                    tasks.start_soon(one.ready, waiter, task_id)
                proxy.lose_replies(seed.randrange(4))
                for _ in range(seed.randrange(8)):
                    await anyio.lowlevel.checkpoint()
                store_all(
                    valkey,
                    *((one, "STARTED", None) for one in ids[some]),
                    *((one, "SUCCESS", one) for one in ids[some]),
                )
        assert [one.metas[0].result for one in told] == ids
        assert waiter.awaited == 0


async def test_a_user_who_may_not_listen_is_told_why_and_gets_results_by_looking(valkey: ValkeyServer) -> None:
    with valkey.client as client:
        client.execute_command("ACL", "SETUSER", "blind", "on", ">pw", "~*", "resetchannels", "+@all")
    url = valkey.url.replace("://", "://blind:pw@")
    async with waiting(url) as waiter, anyio.create_task_group() as tasks:
        told = Told()
        tasks.start_soon(told.ready, waiter, "a")
        await until(lambda: isinstance(waiter.trouble, BrokerRefused))
        store(valkey, "a")
        await told.done.wait()
        assert told.metas
        with valkey.client as client:
            client.execute_command("ACL", "SETUSER", "blind", "allchannels")
        tasks.start_soon(told.ready, waiter, "b")
        await until(subscribed(valkey, "b"))
        await until(lambda: waiter.trouble is None)
        store(valkey, "b")


async def test_a_user_who_may_not_look_up_is_told_why_and_gets_what_is_published(valkey: ValkeyServer) -> None:
    with valkey.client as client:
        client.execute_command("ACL", "SETUSER", "deaf", "on", ">pw", "~*", "&*", "+@all", "-mget")
    async with waiting(valkey.url.replace("://", "://deaf:pw@")) as waiter, anyio.create_task_group() as tasks:
        told: Any = Told()
        tasks.start_soon(told.ready, waiter, "a")
        await until(lambda: isinstance(waiter.trouble, BrokerRefused))
        await until(subscribed(valkey, "a"))
        store(valkey, "a")
        await told.done.wait()
