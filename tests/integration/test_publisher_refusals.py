"""A server that refuses: all of it or nothing, and the operator is told what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from shim.claim import Outcome, Write
from shim.errors import BrokerRefused, BrokerUnavailable
from shim.publisher import Publisher
from shim.transport import RedisTransport
from tests.support.publishing import (
    LEDGER,
    LIMIT_S,
    claim,
    linked,
    message,
    outcomes,
    publishing,
    queued,
    until,
)
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


# -- a server that refuses ---------------------------------------------------------------------------------------------


async def test_a_full_server_refuses_whole_and_works_again_when_it_has_room() -> None:
    with ValkeyServer(append_only=False) as server:
        client = server.client
        async with publishing(server.url) as publisher:
            await publisher.write([Write(claim("before"), ())])
            writes = [Write(claim(str(number)), (message(str(number), size=100_000),)) for number in range(5)]
            client.config_set("maxmemory", 1)
            with pytest.raises(BrokerRefused) as caught:
                await publisher.write(writes)
            assert caught.value.server_code == "OOM"
            assert "maxmemory" in caught.value.hint
            assert queued(server) == []
            assert client.hgetall(LEDGER) == {b"before": b"1"}
            client.config_set("maxmemory", 0)
            assert outcomes(await publisher.write(writes)) == [Outcome.WRITTEN] * 5
        assert queued(server) == ["0", "1", "2", "3", "4"]


async def took(publisher: Publisher, writes: Sequence[Write]) -> list[Outcome] | None:
    """Give what became of writes, or ``None`` if the server had no memory for them."""
    try:
        return outcomes(await publisher.write(writes))
    except BrokerRefused as error:
        if error.server_code != "OOM":
            raise
        return None


async def test_a_server_that_fills_up_within_a_call_does_it_whole_or_not_at_all() -> None:
    with ValkeyServer(append_only=False) as server:
        client = server.client
        async with publishing(server.url) as publisher:
            await publisher.write([Write(None, ())])
            for spare in range(0, 4_000_000, 250_000):
                field = f"entry-{spare}"
                writes = [
                    Write(claim(f"{field}/{n}", ttl_s=1000), (message(f"{field}/{n}", size=150_000),)) for n in range(6)
                ]
                info: Any = client.info("memory")
                client.config_set("maxmemory", info["used_memory"] + spare)
                told = await took(publisher, writes)
                assert told in (None, [Outcome.WRITTEN] * 6)
                done = 0 if told is None else 6
                client.config_set("maxmemory", 0)
                assert len([name for name in queued(server) if name.startswith(f"{field}/")]) == done
                assert len([name for name in client.hkeys(LEDGER) if name.startswith(f"{field}/".encode())]) == done


async def test_a_server_with_too_few_replicas_refuses_whole() -> None:
    with ValkeyServer("--min-replicas-to-write", "1") as server:
        async with publishing(server.url) as publisher:
            write = Write(claim(), (message("a"),))
            with pytest.raises(BrokerRefused) as caught:
                await publisher.write([write])
            assert caught.value.server_code == "NOREPLICAS"
            assert server.client.keys() == []
            server.client.config_set("min-replicas-to-write", 0)
            assert outcomes(await publisher.write([write])) == [Outcome.WRITTEN]


async def test_a_replica_refuses_and_once_promoted_takes_the_write() -> None:
    with (
        ValkeyServer("--repl-diskless-sync-delay", "0") as master,
        ValkeyServer("--replicaof", f"127.0.0.1 {master.port}") as replica,
    ):
        with anyio.fail_after(LIMIT_S):
            await until(lambda: replica.client.info("replication")["master_link_status"] == "up")
        async with publishing(replica.url) as publisher:
            write = Write(claim(), (message("a"),))
            with pytest.raises(BrokerRefused) as caught:
                await publisher.write([write])
            assert (caught.value.server_code, caught.value.hint) == ("READONLY", "this server is a replica")
            assert replica.client.keys() == []
            replica.client.replicaof("NO", "ONE")
            assert outcomes(await publisher.write([write])) == [Outcome.WRITTEN]


async def test_a_refusal_reaches_everyone_whose_writes_travelled_together(valkey: ValkeyServer) -> None:
    refused: list[str] = []

    async def write(publisher: Publisher, name: str) -> None:
        with pytest.raises(BrokerRefused) as caught:
            await publisher.write([Write(claim(name), (message(name),))])
        refused.append(caught.value.server_code)

    async with linked(valkey.url) as link, anyio.create_task_group() as tasks:
        publisher = Publisher(link, RedisTransport())
        for name in ("a", "b", "c"):
            tasks.start_soon(write, publisher, name)
        await anyio.wait_all_tasks_blocked()
        valkey.client.config_set("min-replicas-to-write", 1)
        try:
            async with anyio.create_task_group() as runner:
                runner.start_soon(publisher.run)
                await until(lambda: len(refused) == 3)
                runner.cancel_scope.cancel()
        finally:
            valkey.client.config_set("min-replicas-to-write", 0)
    assert refused == ["NOREPLICAS"] * 3
    assert valkey.client.keys() == []


# -- rights ------------------------------------------------------------------------------------------------------------


def user(server: ValkeyServer, name: str, *rules: str) -> str:
    """Make a user with these rights and give the address to be used."""
    server.client.execute_command("ACL", "SETUSER", name, "reset", "on", ">secret", *rules)
    return f"redis://{name}:secret@127.0.0.1:{server.port}/0"


@pytest.mark.parametrize("missing", [["-evalsha"], ["-evalsha", "-eval"], ["-eval"]])
async def test_a_user_who_may_not_run_scripts_is_refused_and_told_what_is_needed(
    valkey: ValkeyServer, missing: list[str]
) -> None:
    valkey.client.script_flush()
    async with publishing(user(valkey, "scriptless", "~*", "+@all", *missing)) as publisher:
        with pytest.raises(BrokerRefused) as caught:
            await publisher.write([Write(claim(), (message(),))])
    assert caught.value.server_code == "NOPERM"
    assert "EVALSHA" in caught.value.hint
    assert "secret" not in f"{caught.value}{caught.value.hint}"
    assert valkey.client.keys() == []


@pytest.mark.parametrize("missing", ["-hset", "-lpush", "-expire", "-hmget", "-type", "-time"])
async def test_a_user_who_may_not_do_all_of_a_write_does_nothing_of_it(valkey: ValkeyServer, missing: str) -> None:
    write = Write(claim(ttl_s=1000), (message("a"),))
    async with publishing(user(valkey, "narrow", "~*", "+@all", missing)) as publisher:
        for _ in range(3):
            with pytest.raises(BrokerRefused) as caught:
                await publisher.write([write])
            assert caught.value.server_code in ("NOPERM", "ERR")
        assert valkey.client.keys() == []
        user(valkey, "narrow", "~*", "+@all")
        assert outcomes(await publisher.write([write])) == [Outcome.WRITTEN]
    assert queued(valkey) == ["a"]


@pytest.mark.parametrize(("missing", "named"), [("-hset", "HSET"), ("-lpush", "LPUSH"), ("-expire", "EXPIRE")])
async def test_a_user_who_may_not_write_is_refused_by_name(valkey: ValkeyServer, missing: str, named: str) -> None:
    async with publishing(user(valkey, "narrow", "~*", "+@all", missing)) as publisher:
        with pytest.raises(BrokerRefused) as caught:
            await publisher.write([Write(claim(ttl_s=1000), (message(),))])
    assert caught.value.server_code == "NOPERM"
    assert named in str(caught.value)
    assert "EVALSHA" in caught.value.hint


async def test_a_user_who_may_not_use_a_queue_does_nothing_of_the_write(valkey: ValkeyServer) -> None:
    rules = ("~ledger", "~allowed", "+@all")
    async with publishing(user(valkey, "fenced", *rules)) as publisher:
        with pytest.raises(BrokerRefused) as caught:
            await publisher.write([Write(claim(), (message(queue="allowed"), message(queue="forbidden")))])
        assert caught.value.server_code == "NOPERM"
        assert valkey.client.keys() == []
        assert outcomes(await publisher.write([Write(claim(), (message(queue="allowed"),))])) == [Outcome.WRITTEN]


async def test_the_rights_the_hint_names_are_enough(valkey: ValkeyServer) -> None:
    async with publishing(user(valkey, "nobody", "~*", "-@all", "+client|setname")) as publisher:
        with pytest.raises(BrokerRefused) as caught:
            await publisher.write([Write(claim(), ())])
    named = re.findall(r"[A-Z]{3,}(?:\|[A-Z]+)?", caught.value.hint)
    assert "EVALSHA" in named
    url = user(valkey, "hinted", "~*", "-@all", *(f"+{command}" for command in named))
    valkey.client.script_flush()
    async with publishing(url.removesuffix("0") + "1") as publisher, linked(url) as link:
        [result] = await publisher.write([Write(claim(ttl_s=1000), (message(),))])
        assert result.outcome is Outcome.WRITTEN
        await link.facts()
        for command in (("TIME",), ("HMGET", LEDGER, "entry"), ("LLEN", "q"), ("MGET", "meta")):
            await link.call(*command)


async def test_a_user_without_the_right_to_connect_is_told_what_is_needed(valkey: ValkeyServer) -> None:
    async with linked(user(valkey, "nobody", "~*", "-@all")) as link:
        with pytest.raises(BrokerUnavailable) as caught:
            await link.call("TIME")
    assert "EVALSHA" in caught.value.hint


@pytest.mark.parametrize("login", ["user:wrong@", "nobody-of-that-name:secret@"])
async def test_a_wrong_password_is_told_as_such(valkey: ValkeyServer, login: str) -> None:
    user(valkey, "user", "~*", "+@all")
    async with linked(f"redis://{login}127.0.0.1:{valkey.port}/0") as link:
        with pytest.raises(BrokerUnavailable) as caught:
            await link.call("PING")
    assert "password" in caught.value.hint
    assert "wrong" not in str(caught.value)


async def test_a_missing_password_is_told_as_such() -> None:
    with ValkeyServer() as server:
        server.client.config_set("requirepass", "secret")
        async with linked(server.url) as link:
            with pytest.raises(BrokerUnavailable) as caught:
                await link.call("PING")
    assert "password" in caught.value.hint


async def test_a_database_the_server_does_not_have_makes_no_connection(valkey: ValkeyServer) -> None:
    async with linked(valkey.url.removesuffix("0") + "99") as link:
        with pytest.raises(BrokerUnavailable, match="DB index is out of range"):
            await link.call("PING")
