"""Links that lose replies or hold requests back, and callers that give up: nothing is pushed twice, nobody is left waiting."""

from __future__ import annotations

import anyio
import pytest
from anyio.lowlevel import checkpoint

from shim.claim import WRITES_PER_CALL, Outcome, Write, WriteResult
from shim.publisher import Publisher
from shim.transport import RedisTransport
from tests.support.publishing import (
    PATIENCE_S,
    answered,
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


# -- a bad link --------------------------------------------------------------------------------------------------------


async def test_a_lost_reply_is_uncertain_and_the_same_write_again_resolves_it(valkey: ValkeyServer) -> None:
    write = Write(claim(), (message("a"),))
    async with bad_link(valkey) as proxy, publishing(through(proxy)) as publisher:
        await publisher.write([Write(claim("before"), ())])
        proxy.lose_replies()
        assert outcomes(await publisher.write([write])) == [Outcome.UNCERTAIN]
        assert queued(valkey) == ["a"]
        assert outcomes(await publisher.write([write])) == [Outcome.ALREADY]
    assert queued(valkey) == ["a"]


async def test_a_lost_reply_makes_uncertain_only_what_was_sent_and_the_rest_is_sent_after_it(
    valkey: ValkeyServer,
) -> None:
    writes = [Write(claim(str(number)), (message(str(number)),)) for number in range(WRITES_PER_CALL + 5)]
    async with bad_link(valkey) as proxy, publishing(through(proxy)) as publisher:
        await publisher.write([Write(None, ())])
        proxy.lose_replies()
        results = outcomes(await publisher.write(writes))
    assert results == [Outcome.UNCERTAIN] * WRITES_PER_CALL + [Outcome.WRITTEN] * 5
    assert queued(valkey) == [str(number) for number in range(WRITES_PER_CALL + 5)]


@pytest.mark.parametrize("claimed", [True, False])
async def test_nothing_is_ever_sent_twice(valkey: ValkeyServer, claimed: bool) -> None:  # noqa: FBT001 - a case of the table
    async with bad_link(valkey) as proxy, publishing(through(proxy)) as publisher:
        await publisher.write([Write(None, ())])
        valkey.client.config_resetstat()
        proxy.lose_replies()
        for name, expected in (("a", Outcome.UNCERTAIN), ("b", Outcome.WRITTEN)):
            write = Write(claim(name) if claimed else None, (message(name),))
            assert outcomes(await publisher.write([write])) == [expected]
    assert queued(valkey) == ["a", "b"]
    assert calls(valkey) == (2 if claimed else 0)
    assert pushes(valkey) == 2


async def test_a_request_that_arrives_after_its_sender_gave_up_pushes_nothing_once_the_claim_has_moved(
    valkey: ValkeyServer,
) -> None:
    write = Write(claim(), (message("a"),))
    async with (
        bad_link(valkey) as proxy,
        publishing(through(proxy), reply_timeout_s=PATIENCE_S) as publisher,
        publishing(valkey.url) as other,
    ):
        for one in (publisher, other):
            await answered(one, Write(None, ()))
        proxy.freeze()
        assert outcomes(await publisher.write([write])) == [Outcome.UNCERTAIN]
        assert proxy.held.is_set()
        assert queued(valkey) == []
        assert outcomes(await other.write([write])) == [Outcome.WRITTEN]
        valkey.client.config_resetstat()
        proxy.thaw()
        await until(lambda: calls(valkey) == 1)
        assert queued(valkey) == ["a"]
        assert await answered(publisher, write) is Outcome.ALREADY
    assert queued(valkey) == ["a"]


async def test_a_request_that_arrives_late_and_first_is_found_done_by_its_sender(valkey: ValkeyServer) -> None:
    write = Write(claim(), (message("a"),))
    async with bad_link(valkey) as proxy, publishing(through(proxy), reply_timeout_s=PATIENCE_S) as publisher:
        await answered(publisher, Write(None, ()))
        proxy.freeze()
        assert outcomes(await publisher.write([write])) == [Outcome.UNCERTAIN]
        proxy.thaw()
        await until(lambda: queued(valkey) == ["a"])
        assert await answered(publisher, write) is Outcome.ALREADY
    assert queued(valkey) == ["a"]


async def test_while_there_is_no_connection_all_that_wait_are_told_after_one_attempt(valkey: ValkeyServer) -> None:
    told: list[Outcome] = []

    async def write(publisher: Publisher) -> None:
        told.extend(outcomes(await publisher.write([Write(claim(), (message("a"),)), Write(None, (message("b"),))])))

    async with bad_link(valkey) as proxy, linked(through(proxy)) as link, anyio.create_task_group() as tasks:
        publisher = Publisher(link, RedisTransport())
        for _ in range(WRITES_PER_CALL * 3):
            tasks.start_soon(write, publisher)
        await anyio.wait_all_tasks_blocked()
        proxy.refuse()
        tasks.start_soon(publisher.run)
        await until(lambda: len(told) == WRITES_PER_CALL * 6)
        assert set(told) == {Outcome.NOT_WRITTEN}
        assert proxy.made == 1
        proxy.accept()
        assert outcomes(await publisher.write([Write(claim(), (message("a"),))])) == [Outcome.WRITTEN]
        tasks.cancel_scope.cancel()
    assert queued(valkey) == ["a"]


async def test_a_server_that_is_down_is_used_again_when_it_is_back() -> None:
    write = Write(claim(), (message("a"),))
    with ValkeyServer() as server:
        async with publishing(server.url) as publisher:
            assert outcomes(await publisher.write([Write(claim("before"), ())])) == [Outcome.WRITTEN]
            server.kill()
            first = outcomes(await publisher.write([write]))
            assert first[0] in (
                Outcome.UNCERTAIN,
                Outcome.NOT_WRITTEN,
            )  # the open connection may take it before it breaks
            assert outcomes(await publisher.write([write, write])) == [Outcome.NOT_WRITTEN] * 2
            server.start()
            assert outcomes(await publisher.write([write])) == [Outcome.WRITTEN]
        assert queued(server) == ["a"]


async def test_a_server_that_stands_still_is_uncertain_and_then_unreachable_but_never_a_hang() -> None:
    write = Write(claim(), (message("a"),))
    with ValkeyServer() as server:
        async with publishing(server.url, reply_timeout_s=PATIENCE_S, connect_timeout_s=PATIENCE_S) as publisher:
            await answered(publisher, Write(claim("before"), ()))
            server.pause()
            assert outcomes(await publisher.write([write])) == [Outcome.UNCERTAIN]
            assert outcomes(await publisher.write([write])) == [Outcome.NOT_WRITTEN]
            server.resume()
            await until(lambda: queued(server) == ["a"])
            assert await answered(publisher, write) is Outcome.ALREADY
        assert queued(server) == ["a"]


# -- cancelling --------------------------------------------------------------------------------------------------------


async def test_a_caller_that_gives_up_leaves_the_others_their_results(valkey: ValkeyServer) -> None:
    async with bad_link(valkey) as proxy, publishing(through(proxy)) as publisher:
        await publisher.write([Write(None, ())])
        proxy.freeze()
        kept: list[WriteResult] = []

        async def keep() -> None:
            kept.extend(await publisher.write([Write(claim("kept"), (message("kept"),))]))

        async with anyio.create_task_group() as tasks, anyio.create_task_group() as leaving:
            leaving.start_soon(publisher.write, [Write(claim("left"), (message("left"),))])
            tasks.start_soon(keep)
            await proxy.held.wait()
            leaving.cancel_scope.cancel()
            proxy.thaw()
    assert outcomes(kept) == [Outcome.WRITTEN]
    assert queued(valkey) == ["left", "kept"]


async def test_when_the_publisher_ends_whoever_waits_is_told_what_is_known(valkey: ValkeyServer) -> None:
    told: dict[str, Outcome] = {}

    async def write(publisher: Publisher, name: str) -> None:
        [told[name]] = outcomes(await publisher.write([Write(claim(name), (message(name),))]))

    async with bad_link(valkey) as proxy, linked(through(proxy)) as link, anyio.create_task_group() as tasks:
        await link.call("PING")
        proxy.freeze()
        publisher = Publisher(link, RedisTransport())
        async with anyio.create_task_group() as runner:
            runner.start_soon(publisher.run)
            tasks.start_soon(write, publisher, "under way")
            await proxy.held.wait()
            tasks.start_soon(write, publisher, "waiting")
            await checkpoint()
            await anyio.wait_all_tasks_blocked()
            runner.cancel_scope.cancel()
        await until(lambda: len(told) == 2)
        proxy.thaw()
    assert told == {"under way": Outcome.UNCERTAIN, "waiting": Outcome.NOT_WRITTEN}


async def test_after_the_publisher_has_ended_nobody_waits_for_it(valkey: ValkeyServer) -> None:
    async with linked(valkey.url) as link:
        publisher = Publisher(link, RedisTransport())
        async with anyio.create_task_group() as runner:
            runner.start_soon(publisher.run)
            await publisher.write([Write(None, ())])
            runner.cancel_scope.cancel()
        with anyio.fail_after(30):
            assert outcomes(await publisher.write([Write(claim("late"), ())] * 2)) == [Outcome.NOT_WRITTEN] * 2


async def test_a_publisher_may_be_run_again(valkey: ValkeyServer) -> None:
    async with linked(valkey.url) as link:
        publisher = Publisher(link, RedisTransport())
        for name in ("first", "second"):
            async with anyio.create_task_group() as runner:
                runner.start_soon(publisher.run)
                await anyio.wait_all_tasks_blocked()
                assert outcomes(await publisher.write([Write(claim(name), ())])) == [Outcome.WRITTEN]
                runner.cancel_scope.cancel()
