"""How writes are gathered into script calls, and how the script gets to the server."""

from __future__ import annotations

import threading
from collections import Counter

import anyio
import pytest
import redis

from shim import publisher as module
from shim.claim import BYTES_PER_CALL, WRITES_PER_CALL, Outcome, Write, WriteResult
from shim.errors import BrokerRefused, RequestInvalid
from shim.publisher import Publisher
from shim.transport import RedisTransport
from tests.support.publishing import (
    LEDGER,
    LIMIT_S,
    calls,
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


# -- batches -----------------------------------------------------------------------------------------------------------


async def test_no_writes_need_no_server() -> None:
    async with publishing("redis://127.0.0.1:1/0") as publisher:
        assert await publisher.write([]) == []


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (WRITES_PER_CALL, 0, 1),
        (WRITES_PER_CALL + 1, 0, 2),
        (5 * WRITES_PER_CALL, 0, 5),
        (4, BYTES_PER_CALL // 3, 2),
        (3, BYTES_PER_CALL + 1, 3),
    ],
)
async def test_many_or_large_writes_are_cut_into_calls_and_keep_their_order(
    valkey: ValkeyServer, count: int, size: int, expected: int
) -> None:
    names = [str(number) for number in range(count)]
    async with publishing(valkey.url) as publisher:
        await publisher.write([Write(None, ())])  # loads the script
        valkey.client.config_resetstat()
        results = await publisher.write([Write(claim(name), (message(name, size=size),)) for name in names])
    assert outcomes(results) == [Outcome.WRITTEN] * count
    assert queued(valkey) == names
    assert calls(valkey) == expected


async def test_a_write_of_thousands_of_messages_is_whole_and_in_order(valkey: ValkeyServer) -> None:
    names = [str(number) for number in range(9000)]
    write = Write(claim(), tuple(message(name) for name in names))
    async with publishing(valkey.url) as publisher:
        assert outcomes(await publisher.write([write])) == [Outcome.WRITTEN]
        assert outcomes(await publisher.write([write])) == [Outcome.ALREADY]
    assert queued(valkey) == names


async def test_writes_that_wait_together_travel_together(valkey: ValkeyServer) -> None:
    async with linked(valkey.url) as link, anyio.create_task_group() as tasks:
        publisher = Publisher(link, RedisTransport())
        for number in range(3 * WRITES_PER_CALL):
            tasks.start_soon(publisher.write, [Write(claim(str(number)), (message(str(number)),))])
        await anyio.wait_all_tasks_blocked()
        valkey.client.config_resetstat()
        valkey.client.script_flush()
        async with anyio.create_task_group() as runner:
            runner.start_soon(publisher.run)
            await until(lambda: len(queued(valkey)) == 3 * WRITES_PER_CALL)
            runner.cancel_scope.cancel()
    assert queued(valkey) == [str(number) for number in range(3 * WRITES_PER_CALL)]
    assert calls(valkey) == 4  # the first met no script, and was sent again with it


async def test_each_caller_gets_its_own_results_and_its_messages_keep_their_order(valkey: ValkeyServer) -> None:
    async def call(publisher: Publisher, caller: int) -> None:
        place = 0
        for size in (1, 7, 3, 40, 2):
            writes = [
                Write(
                    claim(f"{caller}/{place + number}", advance_to=f"{caller}"),
                    (message(f"{caller}/{place + number}"),),
                )
                for number in range(size)
            ]
            lost = Write(claim(f"{caller}/0", expect="other", advance_to="new"), (message("never"),))
            results = await publisher.write([*writes, lost])
            assert outcomes(results) == [Outcome.WRITTEN] * size + [Outcome.LOST]
            assert results[-1].found == str(caller)
            place += size

    async with publishing(valkey.url) as publisher, anyio.create_task_group() as tasks:
        for caller in range(40):
            tasks.start_soon(call, publisher, caller)
    found = queued(valkey)
    assert len(found) == 40 * 53
    for caller in range(40):
        mine = [name for name in found if name.startswith(f"{caller}/")]
        assert mine == [f"{caller}/{number}" for number in range(53)]


async def test_callers_beyond_the_limit_wait_for_room(valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PENDING_LIMIT", 10)
    async with linked(valkey.url) as link, anyio.create_task_group() as tasks:
        publisher = Publisher(link, RedisTransport())
        for number in range(50):
            tasks.start_soon(publisher.write, [Write(None, (message(str(number)),))])
        await anyio.wait_all_tasks_blocked()
        assert len(publisher._waiting) == 10
        async with anyio.create_task_group() as runner:
            runner.start_soon(publisher.run)
            await until(lambda: len(queued(valkey)) == 50)
            runner.cancel_scope.cancel()
    assert Counter(queued(valkey)) == Counter(str(number) for number in range(50))


async def test_a_caller_may_change_its_list_once_it_has_handed_it_in(valkey: ValkeyServer) -> None:
    async with linked(valkey.url) as link, anyio.create_task_group() as tasks:
        publisher = Publisher(link, RedisTransport())
        writes = [Write(None, (message("a"),)), Write(None, (message("b"),))]
        tasks.start_soon(publisher.write, writes)
        await anyio.wait_all_tasks_blocked()
        writes.clear()
        tasks.start_soon(publisher.run)
        await until(lambda: queued(valkey) == ["a", "b"])
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
async def test_a_claim_that_is_no_unicode_is_refused_to_its_caller_alone(valkey: ValkeyServer, text: str) -> None:
    good: list[list[WriteResult]] = []

    async def write(publisher: Publisher) -> None:
        good.append(await publisher.write([Write(claim("good"), ())]))

    async with publishing(valkey.url) as publisher, anyio.create_task_group() as tasks:
        tasks.start_soon(write, publisher)
        for bad in (claim(text), claim(key=text), claim(expect=text), claim(advance_to=text)):
            with pytest.raises(RequestInvalid):
                await publisher.write([Write(claim("unharmed"), ()), Write(bad, ())])
    assert outcomes(good[0]) == [Outcome.WRITTEN]
    assert valkey.client.hgetall(LEDGER) == {b"good": b"1"}


# -- scripts -----------------------------------------------------------------------------------------------------------


async def test_a_flushed_script_is_loaded_again_unnoticed(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher:
        for number in range(3):
            valkey.client.script_flush()
            [result] = await publisher.write([Write(claim(str(number)), (message(str(number)),))])
            assert result.outcome is Outcome.WRITTEN
    assert queued(valkey) == ["0", "1", "2"]


async def test_a_server_started_anew_is_used_again_with_what_it_remembers() -> None:
    with ValkeyServer("--appendfsync", "always") as server:
        async with publishing(server.url) as publisher:
            write = Write(claim(), (message("a"),))
            assert outcomes(await publisher.write([write])) == [Outcome.WRITTEN]
            server.restart()
            again = [await publisher.write([write]) for _ in range(2)]
        assert outcomes(again[0]) in (
            [Outcome.UNCERTAIN],
            [Outcome.ALREADY],
        )  # the old connection may only now be found dead
        assert outcomes(again[1]) == [Outcome.ALREADY]
        assert queued(server) == ["a"]


async def test_while_a_foreign_script_runs_without_end_the_server_refuses_and_then_works_again() -> None:
    with ValkeyServer("--busy-reply-threshold", "1") as server:
        endless = threading.Thread(target=_run_endless_script, args=(server,))
        async with publishing(server.url) as publisher:
            await publisher.write([Write(claim("before"), ())])
            endless.start()
            try:
                await until(lambda: _is_busy(server))
                with pytest.raises(BrokerRefused) as caught:
                    await publisher.write([Write(claim(), (message("a"),))])
            finally:
                server.client.script_kill()
                endless.join(LIMIT_S)
            assert caught.value.server_code == "BUSY"
            assert outcomes(await publisher.write([Write(claim(), (message("a"),))])) == [Outcome.WRITTEN]
        assert queued(server) == ["a"]


def _run_endless_script(server: ValkeyServer) -> None:
    with pytest.raises(redis.ResponseError):
        server.client.eval("while true do end", 0)


def _is_busy(server: ValkeyServer) -> bool:
    try:
        server.client.ping()
    except redis.ResponseError:
        return True
    return False
