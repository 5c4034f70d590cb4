"""Places behind a guard: taken with the push, counted, stale in time, and free again when they are released."""

from __future__ import annotations

import anyio
import pytest

from shim.claim import Outcome
from shim.guard import Slots
from tests.support.guards import RUNNING, behind, history, now_us, places, running, slot
from tests.support.publishing import HOUR_US, LEDGER, linked, outcomes, publishing, queued
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


# -- taking ------------------------------------------------------------------------------------------------------------


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
