"""Writes against a real server, over good links and bad ones: what is pushed, how often, and what the caller is told."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
import redis
from anyio.lowlevel import checkpoint
from celery import Celery

from shim import publisher as module
from shim.broker_url import parse_broker_url
from shim.claim import BYTES_PER_CALL, WRITES_PER_CALL, Claim, Outcome, Write, WriteResult
from shim.envelope import Envelope, build_envelope
from shim.errors import BrokerRefused, BrokerUnavailable, PublishUncertain, RequestInvalid
from shim.link import Link
from shim.publisher import Publisher
from shim.request import TaskRequest
from shim.results import Results, TaskMeta, result_key_prefix
from shim.routing import Target
from shim.transport import RedisTransport
from tests.support.proxy import BadLink
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

LIMIT_S = 30.0
"""A deadline against hanging; nothing is judged by it."""
PATIENCE_S = 0.3
"""How long a link waits for an answer that does not come."""
HOUR_US = 3_600_000_000
NOW = datetime(2026, 11, 22, tzinfo=UTC)
LEDGER = "ledger"

_numbers = itertools.count()


def message(name: str | None = None, *, queue: str = "q", priority: int = 0, size: int = 0) -> Envelope:
    number = next(_numbers)
    request = TaskRequest("app.task", name or f"id-{number}", args=["x" * size])
    return build_envelope(request, Target(queue, priority), delivery_tag=f"tag-{number}", at=NOW, origin="test")


def claim(field: str = "entry", *, expect: str | None = None, advance_to: str = "1", **more: Any) -> Claim:
    return Claim(more.pop("key", LEDGER), field, expect, advance_to, **more)


def outcomes(results: Sequence[WriteResult]) -> list[Outcome]:
    return [result.outcome for result in results]


def queued(server: ValkeyServer, key: str = "q") -> list[str]:
    """Give the ids of the messages in a list, in the order workers take them."""
    found: Any = server.client.lrange(key, 0, -1)
    return [json.loads(one)["headers"]["id"] for one in reversed(found)]


def calls(server: ValkeyServer) -> int:
    """Count the script calls the server has taken, since its statistics were reset."""
    stats: Any = server.client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha"))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something outside this process, by looking; the caller sets the deadline."""
    while not condition():
        await anyio.sleep(0.005)


def make_link(url: str, **options: Any) -> Link:
    return Link(parse_broker_url(url), client_name="test", **options)


@asynccontextmanager
async def linked(url: str, **options: Any) -> AsyncIterator[Link]:
    link = make_link(url, **options)
    with anyio.fail_after(LIMIT_S):
        try:
            yield link
        finally:
            with anyio.CancelScope(shield=True):
                await link.close()


@asynccontextmanager
async def publishing(
    url: str, transport: RedisTransport | None = None, *, tolerance_us: int = 0, **options: Any
) -> AsyncIterator[Publisher]:
    async with linked(url, **options) as link, anyio.create_task_group() as tasks:
        publisher = Publisher(link, transport or RedisTransport(), tolerance_us=tolerance_us)
        tasks.start_soon(publisher.run)
        yield publisher
        tasks.cancel_scope.cancel()


class CountingLink(BadLink):
    """Counts the connections made."""

    made = 0

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.made += 1
        super()._connected(reader, writer)


@asynccontextmanager
async def bad_link(server: ValkeyServer) -> AsyncIterator[CountingLink]:
    """Open a way to the server that can be broken; at the end it lets go of what it holds back."""
    async with CountingLink(server.port) as proxy:
        try:
            yield proxy
        finally:
            proxy.thaw()


def through(proxy: BadLink) -> str:
    return f"redis://127.0.0.1:{proxy.port}/0"


# -- claims ------------------------------------------------------------------------------------------------------------


async def test_a_claim_that_holds_is_advanced_and_its_message_pushed(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher:
        [result] = await publisher.write([Write(claim(), (message("a"),))])
    assert (result.outcome, result.found) == (Outcome.WRITTEN, None)
    assert queued(valkey) == ["a"]
    assert valkey.client.hgetall(LEDGER) == {b"entry": b"1"}


async def test_a_message_lies_in_the_list_byte_for_byte(valkey: ValkeyServer) -> None:
    one = message("Größe 😀", queue="ward 7")
    async with publishing(valkey.url) as publisher:
        await publisher.write([Write(None, (one,))])
    assert valkey.client.lrange("ward 7", 0, -1) == [one.payload]


async def test_every_result_carries_the_servers_clock(valkey: ValkeyServer) -> None:
    def now_us() -> int:
        seconds, micros = valkey.client.time()
        return int(seconds) * 1_000_000 + int(micros)

    async with publishing(valkey.url) as publisher:
        before = now_us()
        results = await publisher.write([Write(None, ()), Write(claim(expect="no"), ())])
        after = now_us()
    assert all(before <= result.server_us <= after for result in results)


async def test_the_same_write_again_answers_already_and_pushes_nothing(valkey: ValkeyServer) -> None:
    write = Write(claim(), (message("a"),))
    async with publishing(valkey.url) as publisher:
        results = [await publisher.write([write]) for _ in range(3)]
    assert [outcomes(one) for one in results] == [[Outcome.WRITTEN], [Outcome.ALREADY], [Outcome.ALREADY]]
    assert queued(valkey) == ["a"]


async def test_the_same_write_twice_in_one_call_pushes_once(valkey: ValkeyServer) -> None:
    write = Write(claim(), (message("a"),))
    async with publishing(valkey.url) as publisher:
        assert outcomes(await publisher.write([write, write])) == [Outcome.WRITTEN, Outcome.ALREADY]
    assert queued(valkey) == ["a"]


async def test_a_claim_on_what_another_has_moved_is_lost_and_tells_where_to(valkey: ValkeyServer) -> None:
    valkey.client.hset(LEDGER, "entry", "7")
    async with publishing(valkey.url) as publisher:
        [expecting, first] = await publisher.write(
            [Write(claim(expect="5", advance_to="6"), (message(),)), Write(claim(), (message(),))]
        )
    assert (expecting.outcome, expecting.found) == (Outcome.LOST, "7")
    assert (first.outcome, first.found) == (Outcome.LOST, "7")
    assert queued(valkey) == []
    assert valkey.client.hget(LEDGER, "entry") == b"7"


async def test_a_claim_on_what_is_missing_is_lost_and_finds_nothing(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher:
        [result] = await publisher.write([Write(claim(expect="5", advance_to="6"), (message(),))])
    assert (result.outcome, result.found) == (Outcome.LOST, None)
    assert valkey.client.keys() == []


async def test_a_value_of_the_ledger_that_is_no_text_is_lost_like_any_other(valkey: ValkeyServer) -> None:
    valkey.client.hset(LEDGER, "entry", b"\xff\xfe7")
    async with publishing(valkey.url) as publisher:
        [result] = await publisher.write([Write(claim(), (message(),))])
        assert (result.outcome, result.found) == (Outcome.LOST, "\ufffd\ufffd7")
        assert outcomes(await publisher.write([Write(claim("other"), ())])) == [Outcome.WRITTEN]


async def test_claims_that_build_on_each_other_may_travel_together(valkey: ValkeyServer) -> None:
    steps = [(None, "1"), ("1", "2"), ("2", "3")]
    writes = [Write(claim(expect=expect, advance_to=to), (message(to),)) for expect, to in steps]
    async with publishing(valkey.url) as publisher:
        assert outcomes(await publisher.write(writes)) == [Outcome.WRITTEN] * 3
    assert queued(valkey) == ["1", "2", "3"]


async def test_a_claim_may_advance_without_a_message(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher:
        assert outcomes(await publisher.write([Write(claim(), ())])) == [Outcome.WRITTEN]
    assert valkey.client.keys() == [LEDGER.encode()]


async def test_a_write_without_a_claim_pushes_each_time(valkey: ValkeyServer) -> None:
    write = Write(None, (message("a"),))
    async with publishing(valkey.url) as publisher:
        assert outcomes(await publisher.write([write, write])) == [Outcome.WRITTEN] * 2
    assert queued(valkey) == ["a", "a"]


async def test_a_claim_before_its_time_is_early_and_nothing_happens(valkey: ValkeyServer) -> None:
    seconds, _ = valkey.client.time()
    in_an_hour = int(seconds) * 1_000_000 + HOUR_US
    async with publishing(valkey.url) as publisher:
        [early, due] = await publisher.write(
            [
                Write(claim(not_before_us=in_an_hour), (message("early"),)),
                Write(claim("due", not_before_us=in_an_hour - 2 * HOUR_US), (message("due"),)),
            ]
        )
    assert (early.outcome, due.outcome) == (Outcome.EARLY, Outcome.WRITTEN)
    assert queued(valkey) == ["due"]
    assert valkey.client.hgetall(LEDGER) == {b"due": b"1"}


async def test_a_claim_may_run_ahead_of_the_servers_clock_by_the_tolerance(valkey: ValkeyServer) -> None:
    seconds, _ = valkey.client.time()
    in_an_hour = int(seconds) * 1_000_000 + HOUR_US
    async with publishing(valkey.url, tolerance_us=2 * HOUR_US) as publisher:
        [near, far] = await publisher.write(
            [Write(claim("near", not_before_us=in_an_hour), ()), Write(claim("far", not_before_us=in_an_hour * 2), ())]
        )
    assert (near.outcome, far.outcome) == (Outcome.WRITTEN, Outcome.EARLY)


async def test_a_claim_already_won_is_already_whatever_its_time(valkey: ValkeyServer) -> None:
    valkey.client.hset(LEDGER, "entry", "1")
    async with publishing(valkey.url) as publisher:
        [result] = await publisher.write([Write(claim(not_before_us=2**52), ())])
    assert result.outcome is Outcome.ALREADY


async def test_the_messages_of_a_write_are_pushed_together_each_to_its_list(valkey: ValkeyServer) -> None:
    transport = RedisTransport(key_prefix="site:", priority_steps=(0, 5), separator="/")
    messages = (
        message("1", queue="a"),
        message("2", queue="b", priority=9),
        message("3", queue="a"),
        message("4", queue="b", priority=4),
    )
    async with publishing(valkey.url, transport) as publisher:
        await publisher.write([Write(claim(), messages)])
    assert queued(valkey, "site:a") == ["1", "3"]
    assert queued(valkey, "site:b/5") == ["2"]
    assert queued(valkey, "site:b") == ["4"]
    assert valkey.client.hgetall(LEDGER) == {b"entry": b"1"}


async def test_text_of_any_script_and_control_characters_stand_in_ledgers_as_they_are(valkey: ValkeyServer) -> None:
    field, first, second = 'Größe 😀 "quoted" \\ \x00\n', "ä\x00", "'ö'"
    key = "ledger: Größe"
    async with publishing(valkey.url) as publisher:
        await publisher.write([Write(claim(field, key=key, advance_to=first), ())])
        [result] = await publisher.write([Write(claim(field, key=key, expect=first, advance_to=second), ())])
    assert result.outcome is Outcome.WRITTEN
    assert valkey.client.hgetall(key) == {field.encode(): second.encode()}


@pytest.mark.parametrize("rivals", [2, 12])
async def test_a_claim_is_won_once_however_many_race_for_it(valkey: ValkeyServer, rivals: int) -> None:
    won: Counter[str] = Counter()
    lost: Counter[Outcome] = Counter()
    fields = [f"entry-{number}" for number in range(150)]

    async def race(rival: int) -> None:
        async with publishing(valkey.url) as publisher:
            for start in range(0, len(fields), 30):
                some = fields[start : start + 30]
                writes = [Write(claim(field, advance_to=f"rival {rival}"), (message(field),)) for field in some]
                for field, result in zip(some, await publisher.write(writes), strict=True):
                    if result.outcome is Outcome.WRITTEN:
                        won[field] += 1
                    else:
                        lost[result.outcome] += 1

    async with anyio.create_task_group() as tasks:
        for rival in range(rivals):
            tasks.start_soon(race, rival)
    assert won == Counter(fields)
    assert lost == Counter({Outcome.LOST: (rivals - 1) * len(fields)})
    assert sorted(queued(valkey)) == sorted(fields)


# -- time to live ------------------------------------------------------------------------------------------------------


async def test_a_ledger_lives_as_long_as_its_claims_say(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher:
        await publisher.write([Write(claim(key="short", ttl_s=1000), ()), Write(claim(key="kept"), ())])
    assert 0 < valkey.client.ttl("short") <= 1000
    assert valkey.client.ttl("kept") == -1


async def test_each_advance_lengthens_a_ledgers_life(valkey: ValkeyServer) -> None:
    valkey.client.hset(LEDGER, "entry", "1")
    valkey.client.expire(LEDGER, 10)
    async with publishing(valkey.url) as publisher:
        await publisher.write([Write(claim(expect="1", advance_to="2", ttl_s=1000), ())])
    assert valkey.client.ttl(LEDGER) > 10


async def test_a_lost_claim_does_not_touch_a_ledgers_life(valkey: ValkeyServer) -> None:
    valkey.client.hset(LEDGER, "entry", "7")
    async with publishing(valkey.url) as publisher:
        await publisher.write([Write(claim(ttl_s=1000), ())])
    assert valkey.client.ttl(LEDGER) == -1


# -- keys of a wrong type ----------------------------------------------------------------------------------------------


async def test_a_ledger_of_a_wrong_type_refuses_only_its_own_writes(valkey: ValkeyServer) -> None:
    valkey.client.set("broken", "text")
    async with publishing(valkey.url) as publisher:
        results = await publisher.write(
            [
                Write(claim(), (message("before"),)),
                Write(claim(key="broken"), (message("refused"),)),
                Write(claim("after"), (message("after"),)),
            ]
        )
    assert outcomes(results) == [Outcome.WRITTEN, Outcome.WRONG_TYPE, Outcome.WRITTEN]
    assert results[1].found == "broken"
    assert queued(valkey) == ["before", "after"]
    assert valkey.client.get("broken") == b"text"


async def test_a_queue_of_a_wrong_type_refuses_only_its_own_writes_and_their_claims_stand(valkey: ValkeyServer) -> None:
    valkey.client.sadd("broken", "member")
    async with publishing(valkey.url) as publisher:
        results = await publisher.write(
            [
                Write(claim("a"), (message("first of two"), message(queue="broken"))),
                Write(claim("b"), (message("b"),)),
                Write(None, (message(queue="broken"),)),
            ]
        )
    assert outcomes(results) == [Outcome.WRONG_TYPE, Outcome.WRITTEN, Outcome.WRONG_TYPE]
    assert [result.found for result in results] == ["broken", None, "broken"]
    assert queued(valkey) == ["b"]
    assert valkey.client.hgetall(LEDGER) == {b"b": b"1"}


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


async def test_writes_that_wait_together_travel_together(valkey: ValkeyServer) -> None:
    async with linked(valkey.url) as link, anyio.create_task_group() as tasks:
        publisher = Publisher(link, RedisTransport())
        for number in range(3 * WRITES_PER_CALL):
            tasks.start_soon(publisher.write, [Write(None, (message(str(number)),))])
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
                try:
                    results = await publisher.write(writes)
                except BrokerRefused as error:
                    assert error.server_code == "OOM"
                    done = 0
                else:
                    assert outcomes(results) == [Outcome.WRITTEN] * 6
                    done = 6
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
    with ValkeyServer() as master, ValkeyServer("--replicaof", f"127.0.0.1 {master.port}") as replica:
        with anyio.fail_after(LIMIT_S):
            await until(lambda: replica.client.info("replication")["master_link_status"] == "up")  # type: ignore[index]
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


@pytest.mark.parametrize("missing", ["-hset", "-lpush", "-expire", "-hget", "-type", "-time"])
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


async def test_nothing_is_ever_sent_twice(valkey: ValkeyServer) -> None:
    async with bad_link(valkey) as proxy, publishing(through(proxy)) as publisher:
        await publisher.write([Write(None, ())])
        valkey.client.config_resetstat()
        proxy.lose_replies()
        assert outcomes(await publisher.write([Write(None, (message("a"),))])) == [Outcome.UNCERTAIN]
        assert outcomes(await publisher.write([Write(None, (message("b"),))])) == [Outcome.WRITTEN]
    assert queued(valkey) == ["a", "b"]
    assert calls(valkey) == 2


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
            await one.write([Write(None, ())])
        proxy.freeze()
        assert outcomes(await publisher.write([write])) == [Outcome.UNCERTAIN]
        assert proxy.held.is_set()
        assert queued(valkey) == []
        assert outcomes(await other.write([write])) == [Outcome.WRITTEN]
        valkey.client.config_resetstat()
        proxy.thaw()
        await until(lambda: calls(valkey) == 1)
        assert queued(valkey) == ["a"]
        assert outcomes(await publisher.write([write])) == [Outcome.ALREADY]
    assert queued(valkey) == ["a"]


async def test_a_request_that_arrives_late_and_first_is_found_done_by_its_sender(valkey: ValkeyServer) -> None:
    write = Write(claim(), (message("a"),))
    async with bad_link(valkey) as proxy, publishing(through(proxy), reply_timeout_s=PATIENCE_S) as publisher:
        await publisher.write([Write(None, ())])
        proxy.freeze()
        assert outcomes(await publisher.write([write])) == [Outcome.UNCERTAIN]
        proxy.thaw()
        await until(lambda: queued(valkey) == ["a"])
        assert outcomes(await publisher.write([write])) == [Outcome.ALREADY]
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
            await publisher.write([Write(claim("before"), ())])
            server.pause()
            assert outcomes(await publisher.write([write])) == [Outcome.UNCERTAIN]
            assert outcomes(await publisher.write([write])) == [Outcome.NOT_WRITTEN]
            server.resume()
            await until(lambda: queued(server) == ["a"])
            assert outcomes(await publisher.write([write])) == [Outcome.ALREADY]
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


async def test_a_publisher_may_be_run_again(valkey: ValkeyServer) -> None:
    async with linked(valkey.url) as link:
        publisher = Publisher(link, RedisTransport())
        for name in ("first", "second"):
            async with anyio.create_task_group() as runner:
                runner.start_soon(publisher.run)
                assert outcomes(await publisher.write([Write(claim(name), ())])) == [Outcome.WRITTEN]
                runner.cancel_scope.cancel()


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
    with ValkeyServer() as master, ValkeyServer("--replicaof", f"127.0.0.1 {master.port}") as replica:
        async with linked(master.url) as up, linked(replica.url) as down:
            await until(lambda: replica.client.info("replication")["master_link_status"] == "up")  # type: ignore[index]
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


# -- beside Celery -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("priority", [0, 2, 3, 9])
@pytest.mark.parametrize(
    "transport",
    [RedisTransport(), RedisTransport("site:", (0, 1, 5), "/"), RedisTransport(priority_steps=(3, 6))],
    ids=["as it is", "all options", "no step 0"],
)
async def test_a_message_lies_in_the_list_celery_itself_would_use(
    valkey: ValkeyServer, transport: RedisTransport, priority: int
) -> None:
    options = {
        "global_keyprefix": transport.key_prefix,
        "priority_steps": transport.priority_steps,
        "sep": transport.separator,
    }
    app = Celery("judge", broker=valkey.url, set_as_current=False)
    app.conf.broker_transport_options = options
    app.send_task("app.task", queue="wards", priority=priority, ignore_result=True)
    app.close()
    lists: Any = [key for key in valkey.client.keys() if valkey.client.type(key) == b"list"]
    assert [valkey.client.llen(key) for key in lists] == [1]
    async with publishing(valkey.url, transport) as publisher:
        await publisher.write([Write(None, (message(queue="wards", priority=priority),))])
    assert [valkey.client.llen(key) for key in lists] == [2]


@pytest.mark.parametrize("prefix", ["", "site", "site:"])
async def test_results_are_read_where_celery_stores_them(valkey: ValkeyServer, prefix: str) -> None:
    app = Celery("judge", backend=valkey.url, set_as_current=False)
    app.conf.result_backend_transport_options = {"global_keyprefix": prefix}
    app.backend.store_result("done", {"a": [1]}, "SUCCESS")
    app.backend.store_result("failed", ValueError("boom"), "FAILURE")
    app.backend.store_result("odd", float("inf"), "SUCCESS")
    app.backend.store_result("running", {"pid": 1}, "STARTED")
    app.close()
    async with linked(valkey.url) as link:
        results = Results(link, key_prefix=result_key_prefix(prefix))
        found = await results.fetch(["done", "failed", "odd", "running", "unknown", "done"])
        assert await results.fetch([]) == {}
    assert {name: (meta.state, meta.is_ready) for name, meta in found.items()} == {
        "done": ("SUCCESS", True),
        "failed": ("FAILURE", True),
        "odd": ("SUCCESS", True),
        "running": ("STARTED", False),
    }
    assert found["done"] == TaskMeta("done", "SUCCESS", {"a": [1]})


async def test_without_a_server_results_are_unavailable() -> None:
    async with linked("redis://127.0.0.1:1/0") as link:
        with pytest.raises(BrokerUnavailable):
            await Results(link).fetch(["any"])
