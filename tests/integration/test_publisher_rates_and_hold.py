"""How often a guard lets something be pushed, and that nothing that heeds the hold is pushed while it lasts."""

from __future__ import annotations

import anyio
import pytest

from shim.claim import Outcome
from shim.publisher import Publisher
from tests.support.guards import HOLD, behind, now_us, rate, slot
from tests.support.publishing import HOUR_US, outcomes, publishing, queued
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


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
