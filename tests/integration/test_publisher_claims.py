"""What the script does with claims: each won once, and a message pushed with it or not at all."""

from __future__ import annotations

from collections import Counter

import anyio
import pytest

from shim.claim import Outcome, Write
from shim.transport import RedisTransport
from tests.support.publishing import (
    HOUR_US,
    LEDGER,
    claim,
    message,
    outcomes,
    publishing,
    queued,
)
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


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
