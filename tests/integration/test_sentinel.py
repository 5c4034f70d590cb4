"""Masters found through real sentinels: who is asked, who is believed, and what is said if there is none."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest

from shim.claim import Outcome
from shim.errors import BrokerUnavailable
from shim.link import Link
from tests.support.brokers import claimed, connections, linked_to, listening_to, publishing_to, written
from tests.support.proxy import BadLink
from tests.support.publishing import queued, until
from tests.support.sentinel import NAME, Sentinel, monitoring, sentinel_url
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def sentinel(shared_valkey: ValkeyServer) -> Iterator[Sentinel]:
    with monitoring(shared_valkey.port) as one:
        yield one


def visitors(sentinel: Sentinel) -> int:
    """Count the connections of a sentinel, besides the one that asks."""
    with sentinel.client as client:
        return len(client.client_list()) - 1


async def test_the_master_the_sentinel_names_is_published_to(valkey: ValkeyServer, sentinel: Sentinel) -> None:
    async with publishing_to(sentinel_url(sentinel)) as publisher:
        assert await written(publisher, claimed("a")) is Outcome.WRITTEN
        await until(lambda: visitors(sentinel) == 0)
        assert connections(valkey) == 1
    assert queued(valkey) == ["a"]
    await until(lambda: connections(valkey) == 0)


async def test_the_database_and_the_password_of_the_address_are_the_masters() -> None:
    with ValkeyServer() as server, monitoring(server.port) as one:
        server.client.config_set("requirepass", "of the master")
        text = f"sentinel://:of%20the%20master@127.0.0.1:{one.port}/3"
        assert "master" not in text.partition("@")[2]
        async with linked_to(sentinel_url(one, login=":of%20the%20master@")) as link:
            await link.call("SET", "here", "1")
        async with linked_to(sentinel_url(one)) as link:
            with pytest.raises(BrokerUnavailable) as caught:
                await link.call("SET", "here", "2")
    assert "password" in caught.value.hint


async def test_sentinels_that_are_away_are_passed_over(valkey: ValkeyServer, sentinel: Sentinel) -> None:
    away = Sentinel()
    async with linked_to(sentinel_url(away, away, sentinel, away)) as link:
        assert (await link.facts()).run_id == valkey.client.info()["run_id"]


async def test_a_sentinel_that_stands_still_delays_only_those_it_is_needed_for(
    valkey: ValkeyServer, sentinel: Sentinel
) -> None:
    with monitoring(valkey.port) as still, monitoring(valkey.port) as third:
        still.pause()
        for url in (sentinel_url(still, sentinel, third), sentinel_url(still, sentinel)):
            async with linked_to(url, connect_timeout_s=0.3) as link:
                assert (await link.facts()).run_id == valkey.client.info()["run_id"]


async def test_without_any_sentinel_there_is_no_connection_and_each_is_named() -> None:
    first, second = Sentinel(), Sentinel()
    async with linked_to(sentinel_url(first, second)) as link:
        with pytest.raises(BrokerUnavailable) as caught:
            await link.call("PING")
    assert "no master 'mymaster'" in str(caught.value)
    assert all(f"127.0.0.1:{one.port}" in str(caught.value) for one in (first, second))
    assert "sentinels running" in caught.value.hint


async def test_a_name_the_sentinels_do_not_know_is_told_as_such(sentinel: Sentinel) -> None:
    async with linked_to(sentinel_url(sentinel, master_name="another")) as link:
        with pytest.raises(BrokerUnavailable, match=r"'another'.*No such master") as caught:
            await link.call("PING")
    assert "master of this name" in caught.value.hint


async def test_the_password_of_the_sentinels_is_their_own(valkey: ValkeyServer) -> None:
    with monitoring(valkey.port, "requirepass of-sentinels") as guarded:
        async with linked_to(sentinel_url(guarded, sentinel_kwargs={"password": "of-sentinels"})) as link:
            assert (await link.facts()).run_id == valkey.client.info()["run_id"]
        for options in ({}, {"password": "hunter2"}):
            async with linked_to(sentinel_url(guarded, sentinel_kwargs=options)) as link:
                with pytest.raises(BrokerUnavailable, match=r"Authentication required|password") as caught:
                    await link.call("PING")
            assert "hunter2" not in str(caught.value)


async def test_a_user_of_sentinels_needs_just_the_two_questions(valkey: ValkeyServer) -> None:
    rights = "+sentinel|get-master-addr-by-name +sentinel|master"
    with monitoring(valkey.port, f"user asker on >secret -@all {rights}", "user mute on >secret -@all") as one:
        asker, mute = ({"username": name, "password": "secret"} for name in ("asker", "mute"))
        async with linked_to(sentinel_url(one, sentinel_kwargs=asker)) as link:
            assert (await link.facts()).run_id == valkey.client.info()["run_id"]
        async with linked_to(sentinel_url(one, sentinel_kwargs=mute)) as link:
            with pytest.raises(BrokerUnavailable, match=r"has no permissions to run the 'sentinel\|get-") as caught:
                await link.call("PING")
    assert "SENTINEL MASTER" in caught.value.hint


async def test_a_sentinel_cut_off_with_an_old_master_is_outvoted_by_those_who_know_of_a_later_one(
    valkey: ValkeyServer,
) -> None:
    with (
        ValkeyServer() as old,
        monitoring(old.port) as stale,
        monitoring(valkey.port, "sentinel config-epoch mymaster 5") as fresh,
        monitoring(valkey.port, "sentinel config-epoch mymaster 5") as other,
    ):
        for told in ((stale, fresh, other), (fresh, stale), (other, fresh, stale)):
            async with linked_to(sentinel_url(*told)) as link:
                assert (await link.facts()).run_id == valkey.client.info()["run_id"]


async def test_a_sentinel_that_sees_too_few_others_is_not_believed() -> None:
    with ValkeyServer() as server, monitoring(server.port) as first:
        async with linked_to(sentinel_url(first, min_other_sentinels=1)) as link:
            with pytest.raises(BrokerUnavailable) as caught:
                await link.call("PING")
            assert "min_other_sentinels" in caught.value.hint
            with monitoring(server.port) as second:
                first.hurry()
                second.hurry()
                await until(lambda: first.describes()["num-other-sentinels"] == "1")
                assert await link.call("PING") == b"PONG"


async def test_a_server_that_says_it_is_a_replica_is_not_published_to(valkey: ValkeyServer) -> None:
    with (
        ValkeyServer("--replicaof", f"127.0.0.1 {valkey.port}") as replica,
        monitoring(replica.port) as mistaken,
    ):
        async with linked_to(sentinel_url(mistaken)) as link:
            with pytest.raises(BrokerUnavailable, match="is a slave") as caught:
                await link.call("PING")
        await until(lambda: connections(replica) == 0)
    assert "fail-over" in caught.value.hint


async def test_a_master_the_sentinel_sees_down_is_not_connected_to() -> None:
    with ValkeyServer() as server, monitoring(server.port, down_after_ms=200) as one:
        one.hurry()
        await until(lambda: one.describes()["flags"] == "master")
        server.pause()
        await until(lambda: "s_down" in one.describes()["flags"])
        async with linked_to(sentinel_url(one)) as link:
            with pytest.raises(BrokerUnavailable, match=f"{server.port} is down"):
                await link.call("PING")


def point(sentinel: Sentinel, port: int) -> None:
    """Make a sentinel name another master at once, though the old one runs on as if nothing were."""
    with sentinel.client as client:
        client.execute_command("SENTINEL", "REMOVE", NAME)
        client.execute_command("SENTINEL", "MONITOR", NAME, "127.0.0.1", str(port), "1")


async def test_a_master_that_was_replaced_and_runs_on_is_left_by_all_who_use_it(valkey: ValkeyServer) -> None:
    with ValkeyServer() as old, monitoring(old.port) as one:
        url = sentinel_url(one)
        async with linked_to(url) as link, listening_to(url, ping_every_s=0.1) as ear:
            await ear.subscription.subscribe(["news"])
            assert (await link.facts()).run_id == old.client.info()["run_id"]
            point(one, valkey.port)
            while (await link.facts()).run_id != valkey.client.info()["run_id"]:
                pass
            await until(lambda: valkey.client.publish("news", "here") == 1)
            await until(lambda: connections(old) == 0)


async def test_a_server_replaced_while_it_is_being_connected_to_is_not_published_to(valkey: ValkeyServer) -> None:
    with ValkeyServer() as old:
        async with BadLink(old.port) as slow:
            with monitoring(slow.port) as one:
                slow.freeze()
                async with linked_to(sentinel_url(one)) as link:
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(refused, link)
                        await slow.held.wait()
                        point(one, valkey.port)
                        slow.thaw()
                    await link.call("SET", "here", "1")
        assert old.client.exists("here") == 0
    assert valkey.client.exists("here") == 1


async def refused(link: Link) -> None:
    with pytest.raises(BrokerUnavailable, match="no longer the master"):
        await link.call("SET", "here", "1")
