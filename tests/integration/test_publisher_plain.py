"""Writes without a claim: one push for many, whole or refused, and the script for whatever needs it."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest
import redis

from shim.claim import PLAIN_WRITES_PER_CALL, WRITES_PER_CALL, Outcome, Write, WriteResult
from shim.envelope import Envelope
from shim.errors import BrokerRefused
from shim.publisher import Publisher
from shim.routing import Target
from shim.transport import RedisTransport
from tests.support.publishing import (
    LIMIT_S,
    PATIENCE_S,
    bad_link,
    calls,
    claim,
    linked,
    message,
    outcomes,
    publishing,
    pushes,
    queued,
    through,
    until,
)
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


def to(target: Target, payload: str = "m") -> Envelope:
    return Envelope("id", target, payload.encode())


def plain(name: str, **more: Any) -> Write:
    return Write(None, (message(name, **more),))


# -- one push ----------------------------------------------------------------------------------------------------------


async def test_writes_into_one_list_travel_in_one_push_in_their_order(valkey: ValkeyServer) -> None:
    names = [str(number) for number in range(PLAIN_WRITES_PER_CALL)]
    async with publishing(valkey.url) as publisher:
        await publisher.write([plain("first")])
        valkey.client.config_resetstat()
        results = await publisher.write([plain(name) for name in names])
    assert outcomes(results) == [Outcome.WRITTEN] * len(names)
    assert queued(valkey) == ["first", *names]
    assert (pushes(valkey), calls(valkey)) == (1, 0)


async def test_priorities_of_one_step_share_the_push(valkey: ValkeyServer) -> None:
    valkey.client.config_resetstat()
    async with publishing(valkey.url) as publisher:
        await publisher.write([plain(str(priority), priority=priority) for priority in (0, 1, 2)])
    assert queued(valkey) == ["0", "1", "2"]
    assert (pushes(valkey), calls(valkey)) == (1, 0)


@pytest.mark.parametrize("count", [3, WRITES_PER_CALL + 3])
async def test_a_write_into_another_list_ends_no_order(valkey: ValkeyServer, count: int) -> None:
    mine = [str(number) for number in range(count)]
    async with publishing(valkey.url) as publisher:
        results = await publisher.write([*map(plain, mine), plain("other", queue="r"), plain("last")])
    assert outcomes(results) == [Outcome.WRITTEN] * (count + 2)
    assert (queued(valkey), queued(valkey, "r")) == ([*mine, "last"], ["other"])


async def test_a_write_over_several_lists_is_whole_or_not_at_all(valkey: ValkeyServer) -> None:
    valkey.client.set("taken", "text")
    both = Write(None, (message("a", queue="free"), message("b", queue="taken")))
    async with publishing(valkey.url) as publisher:
        results = await publisher.write([both, plain("c", queue="free")])
    assert results[0][:2] == (Outcome.WRONG_TYPE, "taken")
    assert results[1].outcome is Outcome.WRITTEN
    assert queued(valkey, "free") == ["c"]


async def test_a_list_that_is_something_else_is_named_and_left_alone(valkey: ValkeyServer) -> None:
    valkey.client.set("q", "text")
    async with publishing(valkey.url) as publisher:
        results = await publisher.write([plain("a"), plain("b")])
        assert results == [WriteResult(Outcome.WRONG_TYPE, "q")] * 2
        assert outcomes(await publisher.write([plain("c", queue="r")])) == [Outcome.WRITTEN]
    assert valkey.client.get("q") == b"text"


async def test_a_write_under_a_claim_among_others_keeps_its_claim(valkey: ValkeyServer) -> None:
    writes = [plain("a"), Write(claim(), (message("b"),)), plain("c")]
    async with publishing(valkey.url) as publisher:
        assert outcomes(await publisher.write(writes)) == [Outcome.WRITTEN] * 3
        assert outcomes(await publisher.write(writes)) == [Outcome.WRITTEN, Outcome.ALREADY, Outcome.WRITTEN]
    assert queued(valkey) == ["a", "b", "c", "a", "c"]


async def test_a_refused_push_pushes_nothing(valkey: ValkeyServer) -> None:
    valkey.client.execute_command("ACL", "SETUSER", "reader", "reset", "on", ">secret", "~*", "+@all", "-lpush")
    async with publishing(f"redis://reader:secret@127.0.0.1:{valkey.port}/0") as publisher:
        with pytest.raises(BrokerRefused) as caught:
            await publisher.write([plain("a"), plain("b")])
    assert caught.value.server_code == "NOPERM"
    assert valkey.client.keys() == []


# -- what is known afterwards ------------------------------------------------------------------------------------------


async def test_a_lost_reply_makes_the_push_uncertain_and_what_waits_is_sent_after_it(valkey: ValkeyServer) -> None:
    names = [str(number) for number in range(PLAIN_WRITES_PER_CALL + 5)]
    async with bad_link(valkey) as proxy, publishing(through(proxy)) as publisher:
        await publisher.write([Write(None, ())])
        proxy.lose_replies()
        results = outcomes(await publisher.write([plain(name) for name in names]))
    assert results == [Outcome.UNCERTAIN] * PLAIN_WRITES_PER_CALL + [Outcome.WRITTEN] * 5
    assert queued(valkey) == names


async def test_without_a_connection_nothing_is_written(valkey: ValkeyServer) -> None:
    async with bad_link(valkey) as proxy:
        proxy.refuse()
        async with publishing(through(proxy), connect_timeout_s=PATIENCE_S) as publisher:
            assert outcomes(await publisher.write([plain("a"), plain("b")])) == [Outcome.NOT_WRITTEN] * 2


async def test_a_caller_that_gives_up_leaves_the_others_their_results(valkey: ValkeyServer) -> None:
    kept: list[WriteResult] = []
    async with bad_link(valkey) as proxy, publishing(through(proxy)) as publisher:
        await publisher.write([plain("before")])
        proxy.freeze()

        async def keep() -> None:
            kept.extend(await publisher.write([plain("kept")]))

        async with anyio.create_task_group() as tasks, anyio.create_task_group() as leaving:
            leaving.start_soon(publisher.write, [plain("left")])
            tasks.start_soon(keep)
            await proxy.held.wait()
            leaving.cancel_scope.cancel()
            proxy.thaw()
    assert outcomes(kept) == [Outcome.WRITTEN]
    assert queued(valkey) == ["before", "left", "kept"]


# -- queues that expire, and fanouts -----------------------------------------------------------------------------------


async def test_a_push_prolongs_every_list_of_a_queue_that_expires(valkey: ValkeyServer) -> None:
    target = Target("e", 3, queue_expires_ms=60_000)
    async with publishing(valkey.url) as publisher:
        for priority in (0, 9):
            await publisher.write([Write(None, (to(Target("e", priority)),))])
        valkey.client.pexpire("e", 5_000)
        assert outcomes(await publisher.write([Write(None, (to(target),))])) == [Outcome.WRITTEN]
        left = {key: valkey.client.pttl(key) for key in ("e", "e\x06\x163", "e\x06\x169")}
        await publisher.write([plain("never", queue="other")])
    assert all(50_000 < ms <= 60_000 for ms in left.values()), left
    assert valkey.client.pttl("other") == -1


async def test_a_fanout_is_heard_by_its_subscribers_and_stored_nowhere(valkey: ValkeyServer) -> None:
    heard = valkey.client.pubsub(ignore_subscribe_messages=True)
    heard.psubscribe("p:/0.bcast/*")
    heard.subscribe("p:/0.bare")
    for _ in range(2):
        heard.get_message(timeout=LIMIT_S)
    copies = Write(claim(), (to(Target("", 0, "bcast", "a.b"), "1"), to(Target("", 0, "bare"), "2"), message("3")))
    async with publishing(valkey.url, RedisTransport(key_prefix="p:")) as publisher:
        assert outcomes(await publisher.write([copies])) == [Outcome.WRITTEN]
        assert outcomes(await publisher.write([copies])) == [Outcome.ALREADY]
    found = [heard.get_message(timeout=LIMIT_S) for _ in range(2)]
    assert [(one["channel"], one["data"]) for one in found] == [(b"p:/0.bcast/a.b", b"1"), (b"p:/0.bare", b"2")]
    assert heard.get_message(timeout=0.05) is None
    assert queued(valkey, "p:q") == ["3"]
    assert sorted(valkey.client.keys()) == [b"ledger", b"p:q"]
    heard.close()


@pytest.mark.parametrize(
    ("rules", "named"), [(("~*", "+@all", "-publish", "allchannels"), "PUBLISH"), (("~*", "+@all"), "PUBLISH")]
)
async def test_a_user_who_may_not_publish_does_nothing_of_the_write(
    valkey: ValkeyServer, rules: tuple[str, ...], named: str
) -> None:
    valkey.client.execute_command("ACL", "SETUSER", "mute", "reset", "on", ">secret", *rules)
    write = Write(claim(), (message("a"), to(Target("", 0, "bcast"))))
    async with publishing(f"redis://mute:secret@127.0.0.1:{valkey.port}/0") as publisher:
        with pytest.raises(BrokerRefused, match=named):
            await publisher.write([write])
    assert valkey.client.keys() == []


async def test_a_user_who_may_not_set_expiries_does_nothing_of_the_write(valkey: ValkeyServer) -> None:
    valkey.client.execute_command("ACL", "SETUSER", "lasting", "reset", "on", ">secret", "~*", "+@all", "-pexpire")
    async with publishing(f"redis://lasting:secret@127.0.0.1:{valkey.port}/0") as publisher:
        with pytest.raises(BrokerRefused, match="PEXPIRE"):
            await publisher.write([Write(None, (to(Target("e", 0, queue_expires_ms=1000)), message("a")))])
    assert valkey.client.keys() == []


async def test_fifty_callers_at_once_share_pushes_and_each_is_told_its_own(valkey: ValkeyServer) -> None:
    told: list[Outcome] = []

    async def write(publisher: Publisher, caller: int) -> None:
        for number in range(20):
            told.extend(outcomes(await publisher.write([plain(f"{caller}/{number}")])))

    async with publishing(valkey.url) as publisher:
        await publisher.write([Write(None, ())])
        valkey.client.config_resetstat()
        async with anyio.create_task_group() as tasks:
            for caller in range(50):
                tasks.start_soon(write, publisher, caller)
    assert told == [Outcome.WRITTEN] * 1000
    found = queued(valkey)
    for caller in range(50):
        assert [name for name in found if name.startswith(f"{caller}/")] == [f"{caller}/{n}" for n in range(20)]
    assert pushes(valkey) < 500


async def test_while_a_foreign_script_runs_a_push_is_refused_and_nothing_is_lost_unnoticed() -> None:
    with ValkeyServer("--busy-reply-threshold", "1") as server:

        def run_endless_script() -> None:
            with pytest.raises(redis.ResponseError):
                server.client.eval("while true do end", 0)

        def is_busy() -> bool:
            try:
                server.client.ping()
            except redis.ResponseError:
                return True
            return False

        endless = threading.Thread(target=run_endless_script)
        async with publishing(server.url) as publisher, linked(server.url):
            await publisher.write([plain("before")])
            endless.start()
            try:
                await until(is_busy)
                with pytest.raises(BrokerRefused) as caught:
                    await publisher.write([plain("a")])
            finally:
                server.client.script_kill()
                endless.join(LIMIT_S)
            assert caught.value.server_code == "BUSY"
            assert outcomes(await publisher.write([plain("b")])) == [Outcome.WRITTEN]
        assert queued(server) == ["before", "b"]
