"""What the script does with guards: places, rates, the hold and records, taken all together or not at all."""

from __future__ import annotations

import anyio
import pytest

from shim.claim import Outcome, Write
from shim.errors import BrokerRefused
from shim.guard import Guard, RateClaim, Record, SlotClaim, Slots
from shim.publisher import Publisher
from tests.support.publishing import HOUR_US, LEDGER, claim, linked, message, outcomes, publishing, queued
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

RUNNING, HOLD, HISTORY = "running", "hold", "history"


def slot(scope: str = "a", limit: int = 1, *evict: str, stale_us: int = HOUR_US) -> SlotClaim:
    return SlotClaim(f"slots:{scope}", scope, limit, stale_us, evict)


def rate(most: int, per_us: int = HOUR_US, scope: str = "a") -> RateClaim:
    return RateClaim(f"rate:{scope}", most, per_us)


def behind(holder: str, *parts: SlotClaim | RateClaim, heeds: bool = True, records: tuple[str, ...] = ()) -> Write:
    """Write a message of a claim of its own that must pass a guard."""
    guard = Guard(
        holder,
        RUNNING,
        tuple(one for one in parts if isinstance(one, SlotClaim)),
        tuple(one for one in parts if isinstance(one, RateClaim)),
        HOLD if heeds else None,
    )
    return Write(claim(holder), (message(holder),), guard, tuple(Record(HISTORY, 100, text) for text in records))


def now_us(server: ValkeyServer) -> int:
    seconds, micros = server.client.time()
    return int(seconds) * 1_000_000 + int(micros)


def places(server: ValkeyServer, scope: str = "a") -> list[str]:
    return [one.decode() for one in server.client.zrange(f"slots:{scope}", 0, -1)]


def running(server: ValkeyServer) -> dict[str, str]:
    return {name.decode(): text.decode() for name, text in server.client.hgetall(RUNNING).items()}


def history(server: ValkeyServer) -> list[str]:
    return [fields[b"record"].decode() for _, fields in server.client.xrange(HISTORY)]


# -- places ------------------------------------------------------------------------------------------------------------


async def test_a_place_is_taken_with_the_push_and_goes_stale_when_it_says(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher:
        [result] = await publisher.write([behind("one", slot("a"), slot("b", 2, stale_us=HOUR_US // 2))])
    assert result.outcome is Outcome.WRITTEN
    assert queued(valkey) == ["one"]
    assert valkey.client.zscore("slots:a", "one") == result.server_us + HOUR_US
    assert valkey.client.zscore("slots:b", "one") == result.server_us + HOUR_US // 2
    assert running(valkey) == {"one": "a\nb"}


async def test_where_no_place_is_left_nothing_is_done_and_the_scope_and_its_holders_are_told(
    valkey: ValkeyServer,
) -> None:
    async with publishing(valkey.url) as publisher:
        for holder in ("one", "two"):
            await publisher.write([behind(holder, slot("a", 2), slot("b", 9))])
        [result] = await publisher.write([behind("three", slot("b", 9), slot("a", 2), records=("r",))])
    assert (result.outcome, result.found) == (Outcome.FULL, "a\none\ntwo")
    assert queued(valkey) == ["one", "two"]
    assert (places(valkey, "b"), list(running(valkey))) == (["one", "two"], ["one", "two"])
    assert valkey.client.hget(LEDGER, "three") is None
    assert history(valkey) == []


async def test_the_second_of_one_call_finds_the_place_taken_by_the_first(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher:
        results = await publisher.write([behind(holder, slot("a", 2)) for holder in ("one", "two", "three")])
    assert outcomes(results) == [Outcome.WRITTEN, Outcome.WRITTEN, Outcome.FULL]
    assert results[2].found == "a\none\ntwo"


async def test_at_most_a_hundred_holders_are_told_the_oldest_first(valkey: ValkeyServer) -> None:
    ids = [f"task-{number:03}" for number in range(150)]
    later = {name: now_us(valkey) + HOUR_US + number for number, name in enumerate(ids)}
    valkey.client.zadd("slots:a", later)
    async with publishing(valkey.url) as publisher:
        results = await publisher.write([behind("new", slot("a", 151)), behind("other", slot("a", 151))])
    assert outcomes(results) == [Outcome.WRITTEN, Outcome.FULL]
    assert results[1].found == "\n".join(["a", *ids[:100]])


async def test_who_has_a_place_keeps_it_and_takes_no_second(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher:
        first = behind("one", slot("a", 1))
        [before] = await publisher.write([first])
        valkey.client.delete(LEDGER)  # as after a fail-over that lost the claim alone
        [again] = await publisher.write([first])
    assert (before.outcome, again.outcome) == (Outcome.WRITTEN, Outcome.WRITTEN)
    assert valkey.client.zscore("slots:a", "one") == again.server_us + HOUR_US
    assert places(valkey) == ["one"]


async def test_who_is_evicted_makes_room_only_if_the_write_is_done(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher:
        await publisher.write([behind("old", slot("a"), slot("b")), behind("other", slot("c"))])
        [refused] = await publisher.write([behind("new", slot("a", 1, "old"), slot("c"))])
        assert (refused.outcome, refused.found) == (Outcome.FULL, "c\nother")
        assert places(valkey) == ["old"]
        [done] = await publisher.write([behind("newer", slot("a", 1, "old", "nobody"))])
    assert done.outcome is Outcome.WRITTEN
    assert places(valkey) == ["newer"]
    assert running(valkey) == {"old": "b", "other": "c", "newer": "a"}


async def test_a_place_that_was_taken_away_is_free_for_the_next_of_the_same_call(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher:
        await publisher.write([behind("old", slot("a", 3)), behind("older", slot("a", 3))])
        results = await publisher.write(
            [
                behind("new", slot("a", 1, "old", "older")),
                behind("newer", slot("a", 2)),
                behind("newest", slot("a", 2)),
            ]
        )
    assert outcomes(results) == [Outcome.WRITTEN, Outcome.WRITTEN, Outcome.FULL]
    assert results[2].found == "a\nnew\nnewer"
    assert running(valkey) == {"new": "a", "newer": "a"}


async def test_a_place_that_is_stale_counts_no_more_and_is_forgotten(valkey: ValkeyServer) -> None:
    past = now_us(valkey) - 1
    valkey.client.zadd("slots:a", {"dead": past, "gone": past, "alive": past + HOUR_US})
    valkey.client.hset(RUNNING, mapping={"dead": "a", "gone": "b\na", "alive": "a"})
    async with publishing(valkey.url) as publisher:
        results = await publisher.write([behind("new", slot("a", 2)), behind("more", slot("a", 2))])
    assert outcomes(results) == [Outcome.WRITTEN, Outcome.FULL]
    assert results[1].found == "a\nalive\nnew"
    assert sorted(places(valkey)) == ["alive", "new"]
    assert running(valkey) == {"gone": "b", "alive": "a", "new": "a"}


async def test_a_scope_may_have_thousands_of_places(valkey: ValkeyServer) -> None:
    at_us = now_us(valkey)
    many = {f"task-{number}": at_us + (HOUR_US if number % 2 else -HOUR_US) for number in range(5000)}
    valkey.client.zadd("slots:a", many)
    valkey.client.hset(RUNNING, mapping=dict.fromkeys(many, "a"))
    async with publishing(valkey.url) as publisher:
        for number in range(4):  # a thousand stale ones are forgotten each time
            [result] = await publisher.write([behind(f"new-{number}", slot("a", 2501))])
            assert result.outcome is (Outcome.WRITTEN if number == 0 else Outcome.FULL)
    assert valkey.client.zcard("slots:a") == 2501
    assert valkey.client.hlen(RUNNING) == 2501


async def test_a_set_outlives_its_last_place_by_a_day_and_not_for_ever(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher:
        await publisher.write([behind("one", slot("a", 2, stale_us=2 * HOUR_US))])
        await publisher.write([behind("two", slot("a", 2, stale_us=HOUR_US))])
    assert 25 * 3600 < valkey.client.ttl("slots:a") <= 26 * 3600


# -- rates -------------------------------------------------------------------------------------------------------------


async def test_a_rate_lets_a_burst_through_and_tells_when_it_allows_one_more(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher:
        results = await publisher.write([behind(f"task-{number}", rate(3, 3 * HOUR_US)) for number in range(4)])
    assert outcomes(results) == [Outcome.WRITTEN] * 3 + [Outcome.THROTTLED]
    assert results[3].found == str(results[0].server_us + HOUR_US)
    assert queued(valkey) == ["task-0", "task-1", "task-2"]


async def test_a_rate_is_whole_again_after_its_time_and_forgotten(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher:
        await publisher.write([behind("one", rate(3))])
        assert 0 < valkey.client.pttl("rate:a") <= HOUR_US // 3000 + 1
        valkey.client.set("rate:a", now_us(valkey))
        results = await publisher.write([behind(f"task-{number}", rate(3)) for number in range(4)])
    assert outcomes(results) == [Outcome.WRITTEN] * 3 + [Outcome.THROTTLED]


@pytest.mark.parametrize("nonsense", ["", "nan", "-nan", "x", "-1e308", "0x10", "-inf"])
async def test_a_rate_that_nobody_can_read_is_not_used_up(valkey: ValkeyServer, nonsense: str) -> None:
    valkey.client.set("rate:a", nonsense)
    async with publishing(valkey.url) as publisher:
        [result] = await publisher.write([behind("one", rate(1))])
    assert result.outcome is Outcome.WRITTEN
    assert int(valkey.client.get("rate:a")) == result.server_us + HOUR_US


@pytest.mark.parametrize("far", ["inf", "9e15", str(2**53)])
async def test_a_rate_used_up_far_beyond_reason_is_free_again_in_time(valkey: ValkeyServer, far: str) -> None:
    valkey.client.set("rate:a", far)
    async with publishing(valkey.url) as publisher:
        [result] = await publisher.write([behind("one", rate(2))])
    assert (result.outcome, result.found) == (Outcome.THROTTLED, str(result.server_us + HOUR_US // 2))
    assert int(valkey.client.get("rate:a")) == result.server_us + HOUR_US


# -- the hold ----------------------------------------------------------------------------------------------------------


async def test_while_it_is_held_nothing_that_heeds_it_is_done(valkey: ValkeyServer) -> None:
    valkey.client.set(HOLD, '{"why":"Wartung"}')
    async with publishing(valkey.url) as publisher:
        results = await publisher.write([behind("one", slot()), behind("two", slot(), heeds=False)])
        assert outcomes(results) == [Outcome.HELD, Outcome.WRITTEN]
        assert results[0].found == '{"why":"Wartung"}'
        valkey.client.delete(HOLD)
        assert outcomes(await publisher.write([behind("three", rate(9))])) == [Outcome.WRITTEN]
    assert queued(valkey) == ["two", "three"]


async def test_of_a_long_reason_the_beginning_is_told(valkey: ValkeyServer) -> None:
    valkey.client.set(HOLD, "x" * 100_000)
    async with publishing(valkey.url) as publisher:
        [result] = await publisher.write([behind("one")])
    assert (result.outcome, result.found) == (Outcome.HELD, "x" * 4096)


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


# -- letting go --------------------------------------------------------------------------------------------------------


async def test_what_is_released_is_free_again_and_releasing_it_twice_does_nothing(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher, linked(valkey.url) as link:
        held = Slots(link, running_key=RUNNING, slots_prefix="slots:")
        await publisher.write([behind("one", slot("a"), slot("b")), behind("two", slot("c"))])
        assert await held.release(["one", "nobody"]) == {"a", "b"}
        assert await held.release(["one"]) == frozenset()
        assert running(valkey) == {"two": "c"}
        assert outcomes(await publisher.write([behind("three", slot("a"), slot("b"))])) == [Outcome.WRITTEN]


async def test_a_thousand_are_released_and_listed(valkey: ValkeyServer) -> None:
    later = now_us(valkey) + HOUR_US
    names = [f"task-{number}" for number in range(1200)]
    valkey.client.zadd("slots:a", dict.fromkeys(names, later))
    valkey.client.hset(RUNNING, mapping=dict.fromkeys(names, "a\nb"))
    async with linked(valkey.url) as link:
        held = Slots(link, running_key=RUNNING, slots_prefix="slots:")
        found = await held.holders()
        assert sorted(one.name for one in found) == sorted(names)
        assert {(one.scopes, one.stale_at_us) for one in found} == {(("a", "b"), later)}
        assert len(await held.holders(limit=700)) == 700
        assert await held.release(names) == {"a"}
        assert await held.holders() == []


async def test_a_holder_whose_places_are_gone_is_listed_so_that_somebody_lets_go_of_it(valkey: ValkeyServer) -> None:
    valkey.client.hset(RUNNING, mapping={"one": "a", "two": "b"})
    valkey.client.zadd("slots:a", {"one": now_us(valkey) - 1})
    valkey.client.set("slots:b", "text")
    async with linked(valkey.url) as link:
        held = Slots(link, running_key=RUNNING, slots_prefix="slots:")
        assert sorted(await held.holders()) == [("one", ("a",), 0), ("two", ("b",), 0)]
        valkey.client.hset(RUNNING, "three", "c")
        valkey.client.zadd("slots:c", {"another": now_us(valkey)})
        assert await held.release(["one", "two", "three"]) == {"a"}
    assert valkey.client.exists(RUNNING) == 0


# -- many at once ------------------------------------------------------------------------------------------------------


async def test_never_more_than_the_limit_hold_a_place_however_many_try(valkey: ValkeyServer) -> None:
    limit, rivals, each = 3, 6, 15
    holding: set[str] = set()
    most = 0

    async def work(rival: int) -> None:
        nonlocal most
        async with publishing(valkey.url) as publisher, linked(valkey.url) as link:
            held = Slots(link, running_key=RUNNING, slots_prefix="slots:")
            for number in range(each):
                name = f"{rival}-{number}"
                while True:
                    [result] = await publisher.write([behind(name, slot("a", limit))])
                    if result.outcome is Outcome.WRITTEN:
                        break
                    assert len((result.found or "").split("\n")) == limit + 1
                holding.add(name)
                most = max(most, len(holding))
                assert holding <= {one.decode() for one in valkey.client.zrange("slots:a", 0, -1)}
                holding.remove(name)
                assert await held.release([name]) == {"a"}

    async with anyio.create_task_group() as tasks:
        for rival in range(rivals):
            tasks.start_soon(work, rival)
    assert most <= limit
    assert len(queued(valkey)) == rivals * each
    assert (places(valkey), running(valkey)) == ([], {})


async def test_a_rate_is_kept_over_every_span_however_many_try(valkey: ValkeyServer) -> None:
    most, per_us, wanted = 5, 50_000, 40
    done_us: list[int] = []

    async def work(rival: int) -> None:
        async with publishing(valkey.url) as publisher:
            number = 0
            while len(done_us) < wanted:
                [result] = await publisher.write([behind(f"{rival}-{number}", rate(most, per_us))])
                if result.outcome is Outcome.WRITTEN:
                    done_us.append(result.server_us)
                    number += 1
                else:
                    assert result.server_us < int(result.found or 0) <= result.server_us + per_us // most

    async with anyio.create_task_group() as tasks:
        for rival in range(4):
            tasks.start_soon(work, rival)
    done_us.sort()
    for first, begun_us in enumerate(done_us):
        for last in range(first, len(done_us)):
            assert last - first + 1 <= most + (done_us[last] - begun_us) // (per_us // most)


async def test_a_hold_stops_all_at_once(valkey: ValkeyServer) -> None:
    written: list[int] = []
    refused: set[int] = set()
    rivals = 4

    async def work(publisher: Publisher, rival: int) -> None:
        for number in range(100_000):
            [result] = await publisher.write([behind(f"{rival}-{number}", rate(2**40, 2**40))])
            if result.outcome is Outcome.HELD:
                refused.add(rival)
                return
            written.append(result.server_us)
            if len(written) == 100:
                valkey.client.set(HOLD, "stop")
                held_us.append(now_us(valkey))

    held_us: list[int] = []
    async with anyio.create_task_group() as tasks, publishing(valkey.url) as one, publishing(valkey.url) as two:
        async with anyio.create_task_group() as workers:
            for rival in range(rivals):
                workers.start_soon(work, (one, two)[rival % 2], rival)
        tasks.cancel_scope.cancel()
    assert refused == set(range(rivals))
    assert len(written) >= 100
    assert max(written) <= held_us[0]
