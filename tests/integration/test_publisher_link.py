"""The link: one connection, each caller its own reply, and what the server says of itself."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest
import redis
from anyio.lowlevel import checkpoint

from shim.claim import Write
from shim.errors import BrokerRefused, BrokerUnavailable, PublishUncertain, RequestInvalid
from shim.link import Link
from tests.support.publishing import (
    PATIENCE_S,
    bad_link,
    claim,
    linked,
    make_link,
    message,
    publishing,
    through,
    until,
)
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


def has_left(valkey: ValkeyServer, number: int) -> bool:
    """Say whether a server knows a client no more."""
    return all(int(one["id"]) != number for one in valkey.client.client_list())


# -- the link ----------------------------------------------------------------------------------------------------------


async def test_a_cancelled_call_leaves_no_reply_behind_for_the_next(valkey: ValkeyServer) -> None:
    valkey.client.mset({"first": "1", "second": "2"})
    async with bad_link(valkey) as proxy, linked(through(proxy)) as link:
        await link.call("PING")
        proxy.freeze()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(link.call, "GET", "first")
            await proxy.held.wait()
            tasks.cancel_scope.cancel()
        proxy.thaw()
        assert [await link.call("GET", "second") for _ in range(3)] == [b"2"] * 3


async def test_a_call_cancelled_while_it_connects_leaves_no_connection_behind(valkey: ValkeyServer) -> None:
    async with bad_link(valkey) as proxy, linked(through(proxy)) as link:
        proxy.freeze()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(link.call, "PING")
            await proxy.held.wait()
            tasks.cancel_scope.cancel()
        proxy.thaw()
        assert await link.call("ECHO", "here") == b"here"
        await until(lambda: (proxy.made, proxy.ended) == (2, 1))


async def test_calls_that_wait_their_turn_get_their_own_replies_though_others_are_cancelled(
    valkey: ValkeyServer,
) -> None:
    valkey.client.mset({f"key-{number}": f"value-{number}" for number in range(200)})
    wrong: list[int] = []

    async def ask(link: Link, number: int) -> None:
        if await link.call("GET", f"key-{number}") != f"value-{number}".encode():
            wrong.append(number)

    async def ask_and_leave(link: Link, number: int, turns: int) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, link, number)
            for _ in range(turns):
                await checkpoint()
            tasks.cancel_scope.cancel()

    async with linked(valkey.url) as link, anyio.create_task_group() as tasks:
        for number in range(200):
            if number % 3:
                tasks.start_soon(ask, link, number)
            else:
                tasks.start_soon(ask_and_leave, link, number, number)
    assert wrong == []


async def test_a_call_without_an_answer_is_uncertain_and_its_late_answer_is_nobodys(valkey: ValkeyServer) -> None:
    valkey.client.mset({"first": "1", "second": "2"})
    async with bad_link(valkey) as proxy, linked(through(proxy), reply_timeout_s=PATIENCE_S) as link:
        await link.call("PING")
        proxy.freeze()
        with pytest.raises(PublishUncertain) as caught:
            await link.call("GET", "first")
        proxy.thaw()
        assert await link.call("GET", "second") == b"2"
    assert caught.value.retryable


async def test_closing_the_link_ends_the_call_under_way_and_a_later_call_opens_it_again(valkey: ValkeyServer) -> None:
    async with bad_link(valkey) as proxy, linked(through(proxy)) as link:
        await link.call("PING")
        proxy.freeze()
        ended: list[BaseException] = []

        async def call() -> None:
            with pytest.raises(PublishUncertain) as caught:
                await link.call("PING")
            ended.append(caught.value)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await proxy.held.wait()
            await link.close()
        assert len(ended) == 1
        proxy.thaw()
        assert await link.call("ECHO", "again") == b"again"


async def test_a_connection_that_was_closed_while_it_was_idle_is_not_used_again(valkey: ValkeyServer) -> None:
    async with linked(valkey.url) as link:
        for _ in range(3):
            number = await link.call("CLIENT", "ID")
            assert valkey.client.client_kill_filter(_id=number) == 1
            await until(partial(has_left, valkey, number))
            await anyio.wait_all_tasks_blocked()
            assert await link.call("PING") == b"PONG"


async def test_closing_a_link_that_was_never_opened_or_is_closed_does_nothing(valkey: ValkeyServer) -> None:
    link = make_link(valkey.url)
    await link.close()
    await link.call("PING")
    await link.close()
    await link.close()


async def test_an_error_reply_keeps_the_connection(valkey: ValkeyServer) -> None:
    valkey.client.set("text", "1")
    async with linked(valkey.url) as link:
        before = await link.call("CLIENT", "ID")
        with pytest.raises(BrokerRefused) as caught:
            await link.call("LPUSH", "text", "x")
        assert caught.value.server_code == "WRONGTYPE"
        assert await link.call("CLIENT", "ID") == before


async def test_text_that_is_no_unicode_is_refused_before_it_is_sent_and_keeps_the_connection(
    valkey: ValkeyServer,
) -> None:
    async with linked(valkey.url) as link:
        before = await link.call("CLIENT", "ID")
        with pytest.raises(RequestInvalid):
            await link.call("GET", "\ud800")
        assert await link.call("CLIENT", "ID") == before


async def test_a_link_is_one_connection_that_says_who_it_is(valkey: ValkeyServer) -> None:
    async with linked(valkey.url) as link, anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(link.call, "PING")
        await link.call("PING")
        clients: Any = valkey.client.client_list()
        assert [one["name"] for one in clients].count("test") == 1


async def test_certificates_that_cannot_be_read_make_no_connection(valkey: ValkeyServer) -> None:
    url = f"rediss://127.0.0.1:{valkey.port}/0?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=/nowhere/ca.pem"
    async with linked(url) as link:
        with pytest.raises(BrokerUnavailable):
            await link.call("PING")


async def test_a_server_that_speaks_no_tls_makes_no_connection(valkey: ValkeyServer) -> None:
    async with linked(f"rediss://127.0.0.1:{valkey.port}/0?ssl_cert_reqs=none", connect_timeout_s=PATIENCE_S) as link:
        with pytest.raises(BrokerUnavailable):
            await link.call("PING")


async def test_a_unix_socket_is_spoken_to_in_the_database_of_its_address(valkey: ValkeyServer) -> None:
    path = valkey.folder / "a socket"
    with ValkeyServer("--unixsocket", str(path)):
        quoted = str(path).replace(" ", "%20")
        async with publishing(f"redis+socket://{quoted}?virtual_host=3") as publisher:
            await publisher.write([Write(claim(), (message("a"),))])
        with redis.Redis(unix_socket_path=str(path), db=3) as client:
            assert client.llen("q") == 1


# -- facts -------------------------------------------------------------------------------------------------------------


async def test_the_facts_of_a_master_are_those_the_server_gives() -> None:
    with ValkeyServer("--maxmemory-policy", "allkeys-lru") as server:
        async with linked(server.url) as link:
            facts = await link.facts()
        info: Any = server.client.info()
    assert facts.version == info["valkey_version"]
    assert facts.run_id == info["run_id"]
    assert facts.replication_id == info["master_replid"]
    assert (facts.role, facts.append_only, facts.loading) == ("master", True, False)
    assert (facts.eviction_policy, facts.is_evicting) == ("allkeys-lru", True)


async def test_the_facts_of_a_replica_say_so_and_share_the_masters_history() -> None:
    with (
        ValkeyServer("--repl-diskless-sync-delay", "0") as master,
        ValkeyServer("--replicaof", f"127.0.0.1 {master.port}") as replica,
    ):
        async with linked(master.url) as up, linked(replica.url) as down:
            await until(lambda: replica.client.info("replication")["master_link_status"] == "up")
            of_master, of_replica = await up.facts(), await down.facts()
    assert (of_master.role, of_replica.role) == ("master", "slave")
    assert of_master.replication_id == of_replica.replication_id
    assert of_master.run_id != of_replica.run_id


async def test_a_server_started_without_its_data_has_another_history() -> None:
    with ValkeyServer(append_only=False) as server:
        async with linked(server.url) as link:
            before = await link.facts()
            server.restart()
            with pytest.raises(PublishUncertain):
                await link.facts()
            after = await link.facts()
    assert not before.append_only
    assert before.run_id != after.run_id
    assert before.replication_id != after.replication_id
