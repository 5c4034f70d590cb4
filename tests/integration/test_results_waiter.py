"""Results are told to whoever waits for them, once the server has them and only then."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from typing import Any

import anyio
import pytest

from shim.errors import RequestInvalid
from shim.results import ResultFormat, WaiterFull
from tests.support.publishing import until
from tests.support.result_waiting import (
    LIMIT_S,
    Told,
    channels,
    publish,
    resting,
    store,
    store_all,
    store_silently,
    subscribed,
    waiting,
)
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


def lookups(server: ValkeyServer) -> int:
    stats: Any = server.client.info("commandstats")
    found: int = stats.get("cmdstat_mget", {"calls": 0})["calls"]
    return found


def connected(server: ValkeyServer) -> Counter[str]:
    with server.client as client:
        return Counter(one["name"] for one in client.client_list() if one["name"])


async def test_a_result_stored_before_anybody_waits_is_given(valkey: ValkeyServer) -> None:
    store_silently(valkey, "a", result=[5])
    async with waiting(valkey.url) as waiter:
        meta = await waiter.ready("a")
        assert meta is not None
        assert (meta.task_id, meta.state, meta.result) == ("a", "SUCCESS", [5])
        await until(subscribed(valkey))


async def test_a_result_that_comes_later_is_pushed_whole_and_not_asked_for(valkey: ValkeyServer) -> None:
    async with waiting(valkey.url) as waiter, anyio.create_task_group() as tasks:
        told, calls = Told(), lookups(valkey)
        tasks.start_soon(told.ready, waiter, "a")
        await until(lambda: lookups(valkey) > calls)
        publish(valkey, "a", "STARTED", {"pid": 1})  # not stored: who asks would find nothing
        publish(valkey, "a", "FAILURE", {"exc_type": "E", "exc_message": []})
        await told.done.wait()
        assert [meta.state for meta in told.metas] == ["FAILURE"]


async def test_a_wait_begins_before_the_listener_does(valkey: ValkeyServer) -> None:
    told = Told()
    async with resting(valkey.url) as waiter, anyio.create_task_group() as tasks:
        tasks.start_soon(told.ready, waiter, "a")
        await anyio.wait_all_tasks_blocked()
        store(valkey, "a")
        tasks.start_soon(waiter.run)
        await told.done.wait()
        tasks.cancel_scope.cancel()
    assert told.metas


async def test_time_that_is_up_gives_nothing_and_leaves_nothing(valkey: ValkeyServer) -> None:
    async with waiting(valkey.url) as waiter:
        assert await waiter.ready("a", timeout_s=0.01) is None
        assert await waiter.ready_all(["a", "b"], timeout_s=0.01) == {}
        assert [meta async for meta in waiter.updates("a", timeout_s=0.01)] == []
        assert waiter.awaited == 0
        await until(subscribed(valkey))


async def test_whoever_is_cancelled_is_no_longer_listened_for_and_others_are(valkey: ValkeyServer) -> None:
    async with waiting(valkey.url) as waiter, anyio.create_task_group() as tasks:
        stays = Told()
        tasks.start_soon(stays.ready, waiter, "shared")
        async with anyio.create_task_group() as leaving:
            for told, task_id in ((Told(), "shared"), (Told(), "alone")):
                leaving.start_soon(told.ready, waiter, task_id)
            leaving.start_soon(Told().updates, waiter, "watched")
            leaving.start_soon(Told().as_ready, waiter, "one", "two")
            await until(subscribed(valkey, "shared", "alone", "watched", "one", "two"))
            leaving.cancel_scope.cancel()
        assert waiter.awaited == 1
        await until(subscribed(valkey, "shared"))
        store(valkey, "shared")
        await stays.done.wait()
        await until(subscribed(valkey))


async def test_all_who_wait_for_one_id_are_told_over_one_subscription(valkey: ValkeyServer) -> None:
    async with waiting(valkey.url) as waiter:
        told = [Told() for _ in range(50)]
        async with anyio.create_task_group() as tasks:
            for one in told:
                tasks.start_soon(one.ready, waiter, "a")
            await until(subscribed(valkey, "a"))
            assert waiter.awaited == 1
            store(valkey, "a", result=5)
        assert [one.metas[0].result for one in told] == [5] * 50


async def test_thousands_wait_on_one_connection_with_few_commands(valkey: ValkeyServer) -> None:
    ids = [f"id-{number}" for number in range(3000)]
    async with waiting(valkey.url) as waiter:
        calls = lookups(valkey)
        told = [Told() for _ in ids]
        async with anyio.create_task_group() as tasks:
            for one, task_id in zip(told, ids, strict=True):
                tasks.start_soon(one.ready, waiter, task_id)
            await until(lambda: len(channels(valkey)) == len(ids))
            await until(lambda: connected(valkey) == {"test-listen": 1, "test-look-up": 1})
            store_all(valkey, *((task_id, "SUCCESS", task_id) for task_id in random.Random(7).sample(ids, len(ids))))
        assert [one.metas[0].result for one in told] == ids
        assert lookups(valkey) - calls <= 2 * (3000 // 200 + 1)
        await until(subscribed(valkey))


async def test_results_are_given_in_the_order_they_come_and_each_once(valkey: ValkeyServer) -> None:
    async with waiting(valkey.url) as waiter, anyio.create_task_group() as tasks:
        store(valkey, "before")
        told = Told()
        tasks.start_soon(told.as_ready, waiter, "b", "a", "before", "a")
        await until(lambda: len(told.metas) == 1)
        for task_id in ("a", "a", "b"):
            store(valkey, task_id)
        await told.done.wait()
        assert [meta.task_id for meta in told.metas] == ["before", "a", "b"]


async def test_nobody_has_to_wait_for_nothing(valkey: ValkeyServer) -> None:
    async with waiting(valkey.url) as waiter:
        assert await waiter.ready_all([]) == {}


async def test_progress_is_told_as_it_changes_and_the_end_ends_it(valkey: ValkeyServer) -> None:
    async with waiting(valkey.url) as waiter, anyio.create_task_group() as tasks:
        store_silently(valkey, "a", "STARTED", {})
        told = Told()
        tasks.start_soon(told.updates, waiter, "a")
        await until(lambda: len(told.metas) == 1)
        for count, (state, result) in enumerate([("PROGRESS", 1), ("PROGRESS", 2), ("RETRY", {}), ("SUCCESS", 3)], 2):
            store(valkey, "a", state, result)
            await until(lambda wanted=count: len(told.metas) == wanted)  # type: ignore[misc]
        await told.done.wait()
        assert [meta.state for meta in told.metas] == ["STARTED", "PROGRESS", "PROGRESS", "RETRY", "SUCCESS"]


async def test_whoever_is_slow_gets_the_latest_and_holds_nobody_up(valkey: ValkeyServer) -> None:
    async with waiting(valkey.url) as waiter, anyio.create_task_group() as tasks:
        slow, quick = waiter.updates("a"), Told()
        store(valkey, "a", "PROGRESS", 0)
        async with contextlib.aclosing(slow):
            first = await anext(slow)
            tasks.start_soon(quick.updates, waiter, "a")
            store_all(valkey, *(("a", "PROGRESS", number) for number in range(1, 2000)))
            await until(lambda: bool(quick.metas) and quick.metas[-1].result == 1999)
            assert all(len(seat._arrived) <= 1 for watch in waiter._watches.values() for seat in watch.seats)
            second = await anext(slow)
            assert (first.result, second.result) == (0, 1999)
            store(valkey, "a", "SUCCESS", "end")
            assert [meta.result async for meta in slow] == ["end"]
        await quick.done.wait()


async def test_the_same_message_twice_is_one_change(valkey: ValkeyServer) -> None:
    async with waiting(valkey.url) as waiter, anyio.create_task_group() as tasks:
        told = Told()
        tasks.start_soon(told.updates, waiter, "a")
        await until(subscribed(valkey, "a"))
        publish(valkey, "a", "PROGRESS")
        await until(lambda: bool(told.metas))
        publish(valkey, "a", "PROGRESS")
        store(valkey, "probe")
        assert await waiter.ready("probe") is not None  # by now the second has been heard
        for state in ("FAILURE", "FAILURE", "STARTED"):
            publish(valkey, "a", state)
        await told.done.wait()
        assert [meta.state for meta in told.metas] == ["PROGRESS", "FAILURE"]
        await until(subscribed(valkey))


async def test_a_wait_given_up_before_the_server_was_asked_is_never_asked_for(valkey: ValkeyServer) -> None:
    store(valkey, "probe")
    async with resting(valkey.url) as waiter:
        async with anyio.create_task_group() as leaving:
            leaving.start_soon(Told().ready, waiter, "a")
            await anyio.wait_all_tasks_blocked()
            leaving.cancel_scope.cancel()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiter.run)
            assert await waiter.ready("probe") is not None
            await until(subscribed(valkey))
            assert not waiter._subscription._wanted
            tasks.cancel_scope.cancel()


async def test_whoever_comes_later_is_told_what_is_known(valkey: ValkeyServer) -> None:
    async with waiting(valkey.url) as waiter, anyio.create_task_group() as tasks:
        first, later = Told(), Told()
        tasks.start_soon(first.updates, waiter, "a")
        await until(subscribed(valkey, "a"))
        publish(valkey, "a", "PROGRESS", 1)
        await until(lambda: bool(first.metas))
        tasks.start_soon(later.updates, waiter, "a")
        await until(lambda: bool(later.metas))
        assert later.metas == first.metas
        publish(valkey, "a")
        await first.done.wait()
        await later.done.wait()


async def test_an_iterator_left_early_is_no_longer_listened_for(valkey: ValkeyServer) -> None:
    store(valkey, "a", "PROGRESS")
    async with waiting(valkey.url) as waiter:
        async with contextlib.aclosing(waiter.updates("a")) as updates:
            async for _ in updates:
                break
        assert waiter.awaited == 0
        await until(subscribed(valkey))


async def test_what_cannot_be_read_ends_the_wait_with_the_reason(valkey: ValkeyServer) -> None:
    async with waiting(valkey.url) as waiter, anyio.create_task_group() as tasks:
        told = Told()
        tasks.start_soon(told.ready, waiter, "a")
        await until(subscribed(valkey, "a"))
        with valkey.client as client:
            client.publish("celery-task-meta-a", b"\x80\x04pickled")
        await told.done.wait()
        assert [meta.reason for meta in told.metas] == ["a pickle, which is never loaded"]


async def test_prefix_and_serializer_are_the_applications(valkey: ValkeyServer) -> None:
    async with waiting(valkey.url, prefix="site_", form=ResultFormat("yaml")) as waiter:
        store(valkey, "a", result=1)
        store(valkey, "a", result=2, prefix="site_")
        meta = await waiter.ready("a")
        assert meta is not None
        assert meta.result == 2


async def test_results_are_heard_across_databases_but_looked_up_in_ones_own(valkey: ValkeyServer) -> None:
    """Channels have no database number; so says Celery's own client too."""
    async with waiting(valkey.url.replace("/0", "/1")) as waiter, anyio.create_task_group() as tasks:
        store_silently(valkey, "a", result="elsewhere")
        told = Told()
        tasks.start_soon(told.ready, waiter, "a")
        await until(subscribed(valkey, "a"))
        store(valkey, "a", result="heard")
        await told.done.wait()
        assert told.metas[0].result == "heard"


async def test_no_more_ids_are_awaited_than_allowed(valkey: ValkeyServer) -> None:
    async with waiting(valkey.url, ids_limit=2) as waiter, anyio.create_task_group() as tasks:
        told = Told()
        tasks.start_soon(told.as_ready, waiter, "a", "b")
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(WaiterFull) as caught:
            await waiter.ready("c")
        assert (caught.value.code, caught.value.retryable) == ("waiter-full", True)
        assert await waiter.ready("b", timeout_s=0.01) is None  # awaited already: no more room is needed
        store(valkey, "a")
        await until(lambda: len(told.metas) == 1)
        assert await waiter.ready("c", timeout_s=0.01) is None
        store(valkey, "b")


@pytest.mark.parametrize("task_id", ["", "\ud800"])
async def test_an_id_that_cannot_travel_is_refused_and_breaks_nothing(valkey: ValkeyServer, task_id: str) -> None:
    async with waiting(valkey.url) as waiter:
        with pytest.raises(RequestInvalid):
            await waiter.ready(task_id)
        store(valkey, "a")
        assert await waiter.ready("a") is not None


async def test_when_the_listener_ends_everybody_is_let_go(valkey: ValkeyServer) -> None:
    told = [Told() for _ in range(3)]
    async with anyio.create_task_group() as tasks:
        async with waiting(valkey.url) as waiter:
            tasks.start_soon(told[0].ready, waiter, "a")
            tasks.start_soon(told[1].updates, waiter, "a")
            tasks.start_soon(told[2].as_ready, waiter, "a", "b")
            await until(subscribed(valkey, "a", "b"))
        with anyio.fail_after(LIMIT_S):
            for one in told:
                await one.done.wait()
        assert [one.metas for one in told] == [[], [], []]
        assert await waiter.ready("later") is None
        assert waiter.awaited == 0


async def test_coming_and_going_in_any_order_loses_no_result_and_leaves_no_subscription(valkey: ValkeyServer) -> None:
    """Waits for few ids begin, are given up and begin anew, in one turn of the loop or in many, while results come."""
    seed = random.Random(11)
    ids = [f"id-{number}" for number in range(20)]
    async with waiting(valkey.url) as waiter:
        for _ in range(40):
            told = {task_id: Told() for task_id in ids}
            async with anyio.create_task_group() as tasks:
                async with anyio.create_task_group() as leaving:
                    for task_id in ids:
                        leaving.start_soon(Told().ready, waiter, task_id)
                    for _ in range(seed.randrange(6)):
                        await anyio.lowlevel.checkpoint()
                    leaving.cancel_scope.cancel()
                for task_id in ids:
                    tasks.start_soon(told[task_id].ready, waiter, task_id)
                for _ in range(seed.randrange(6)):
                    await anyio.lowlevel.checkpoint()
                store_all(valkey, *((task_id, "SUCCESS", None) for task_id in seed.sample(ids, len(ids))))
            assert all(one.metas for one in told.values())
            with valkey.client as client:
                client.flushall()
        await until(subscribed(valkey))
        assert not waiter._subscription._wanted
