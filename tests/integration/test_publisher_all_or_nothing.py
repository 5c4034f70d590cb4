"""All parts of a guard are taken together or not at all, records stand in order, and what could stop the script is found first."""

from __future__ import annotations

import pytest

from shim.claim import Outcome, Write
from shim.errors import BrokerRefused
from shim.guard import Guard, Record, Slots
from tests.support.guards import HISTORY, HOLD, RUNNING, behind, history, now_us, places, rate, running, slot
from tests.support.publishing import HOUR_US, LEDGER, claim, linked, message, outcomes, publishing, queued
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


# -- all or nothing ----------------------------------------------------------------------------------------------------


async def test_what_one_part_refuses_takes_nothing_of_the_others(valkey: ValkeyServer) -> None:
    valkey.client.zadd("slots:full", {"somebody": now_us(valkey) + HOUR_US})
    valkey.client.set("rate:used", now_us(valkey) + HOUR_US)
    async with publishing(valkey.url) as publisher:
        results = await publisher.write(
            [
                behind("one", slot("free"), slot("full"), rate(2, scope="free"), records=("r",)),
                behind("two", slot("free"), rate(2, scope="free"), rate(1, scope="used"), records=("r",)),
            ]
        )
    assert outcomes(results) == [Outcome.FULL, Outcome.THROTTLED]
    assert {key.decode() for key in valkey.client.scan_iter()} == {"slots:full", "rate:used"}


async def test_the_same_write_again_takes_nothing_and_tells_nothing(valkey: ValkeyServer) -> None:
    write = behind("one", slot("a", 1), rate(2), records=("r",))
    async with publishing(valkey.url) as publisher:
        [first] = await publisher.write([write])
        async with linked(valkey.url) as link:
            await Slots(link, running_key=RUNNING, slots_prefix="slots:").release(["one"])
        valkey.client.set(HOLD, "held")
        assert outcomes(await publisher.write([write, write])) == [Outcome.ALREADY] * 2
    assert (places(valkey), running(valkey), history(valkey)) == ([], {}, ["r"])
    assert int(valkey.client.get("rate:a")) == first.server_us + HOUR_US // 2


async def test_a_guard_and_a_record_need_neither_claim_nor_message(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher:
        guard = Guard("one", RUNNING, (slot(),))
        results = await publisher.write([Write(None, (), guard, (Record(HISTORY, 9, "r"),)), Write(None, (), guard)])
    assert outcomes(results) == [Outcome.WRITTEN] * 2
    assert (places(valkey), history(valkey)) == (["one"], ["r"])


# -- records -----------------------------------------------------------------------------------------------------------


async def test_records_stand_in_the_stream_in_the_order_of_the_writes(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher:
        await publisher.write(
            [behind("one", records=("1", "2")), Write(claim("two"), (), None, (Record(HISTORY, 9, "Größe 😀"),))]
        )
        [lost] = await publisher.write([Write(claim("one", expect="7"), (), None, (Record(HISTORY, 9, "lost"),))])
    assert lost.outcome is Outcome.ALREADY
    assert history(valkey) == ["1", "2", "Größe 😀"]


async def test_a_stream_stays_as_long_as_it_is_said_to(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher:
        for start in range(0, 1000, 100):
            await publisher.write([behind(f"task-{start + number}", records=("r",)) for number in range(100)])
    assert 100 <= valkey.client.xlen(HISTORY) <= 300


async def test_a_stream_that_takes_nothing_more_keeps_nobody_from_being_pushed(valkey: ValkeyServer) -> None:
    valkey.client.xadd(HISTORY, {"record": "last"}, id="18446744073709551615-18446744073709551615")
    async with publishing(valkey.url) as publisher:
        assert outcomes(await publisher.write([behind("one", slot(), records=("r",))])) == [Outcome.WRITTEN]
    assert queued(valkey) == ["one"]
    assert valkey.client.hget(LEDGER, "one") == b"1"


# -- what could stop the script ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [RUNNING, HOLD, "slots:a", "rate:a", HISTORY])
async def test_a_key_of_a_wrong_type_refuses_only_the_writes_that_need_it(valkey: ValkeyServer, key: str) -> None:
    valkey.client.sadd(key, "member")
    async with publishing(valkey.url) as publisher:
        results = await publisher.write(
            [
                behind("one", slot("a"), rate(9), records=("r",)),
                Write(claim("two"), (message("two"),)),
                Write(claim("one", advance_to="9"), (message("three"),)),
            ]
        )
    assert outcomes(results) == [Outcome.WRONG_TYPE, Outcome.WRITTEN, Outcome.WRITTEN]
    assert results[0].found == key
    assert queued(valkey) == ["two", "three"]
    assert {one.decode() for one in valkey.client.scan_iter()} == {key, LEDGER, "q"}


COMMANDS = (
    "get",
    "set",
    "hmget",
    "hset",
    "hdel",
    "zrangebyscore",
    "zcount",
    "zmscore",
    "zrange",
    "zadd",
    "zrem",
    "pexpire",
    "xadd",
)


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_right_that_is_missing_is_noticed_before_anything_is_changed(
    valkey: ValkeyServer, command: str
) -> None:
    valkey.client.execute_command(
        "ACL", "SETUSER", "narrow", "reset", "on", ">secret", "~*", "&*", "+@all", f"-{command}"
    )
    past = now_us(valkey) - 1
    valkey.client.zadd("slots:a", {"dead": past})
    valkey.client.hset(RUNNING, "dead", "a")
    url = f"redis://narrow:secret@127.0.0.1:{valkey.port}/0"
    async with publishing(url) as publisher:
        with pytest.raises(BrokerRefused) as caught:
            await publisher.write([behind("one", slot(), rate(3), records=("r",))])
    assert "NOPERM" in str(caught.value)
    assert {one.decode() for one in valkey.client.scan_iter()} == {"slots:a", RUNNING}
    assert running(valkey) == {"dead": "a"}
