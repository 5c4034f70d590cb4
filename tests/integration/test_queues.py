"""Queues looked into and rearranged on a real server, beside stock Celery: a worker, and celery's own publisher."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from celery import Celery

from shim.envelope import Envelope
from shim.errors import BrokerRefused, RequestInvalid
from shim.queues import Queues, desk, parking
from shim.transport import RedisTransport
from tests.support.publishing import linked, message, until
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker, wait_until_ran

pytestmark = pytest.mark.anyio


def put(server: ValkeyServer, *messages: Envelope, transport: RedisTransport | None = None) -> None:
    for one in messages:
        server.client.lpush((transport or RedisTransport()).list_key(one.target), one.payload)


def ids(messages: Sequence[Any]) -> list[str]:
    return [one.task_id for one in messages]


async def test_the_backlog_counts_every_priority_step(valkey: ValkeyServer) -> None:
    put(valkey, message(priority=0), message(priority=1), message(priority=5), message(priority=9))
    async with linked(valkey.url) as link:
        found = await Queues(link, RedisTransport()).backlogs(["q", "empty"])
    assert (found.by_queue["q"].waiting, found.by_queue["q"].by_step) == (4, (2, 1, 0, 1))
    assert (found.by_queue["empty"].waiting, found.by_queue["empty"].unacked) == (0, 0)


async def test_more_queues_than_one_look_takes_are_all_counted(valkey: ValkeyServer) -> None:
    names = [f"q{number}" for number in range(desk.QUEUES_PER_LOOK + 5)]
    put(valkey, *(message(queue=name) for name in names))
    async with linked(valkey.url) as link:
        found = await Queues(link, RedisTransport()).backlogs(names)
    assert [found.by_queue[name].waiting for name in names] == [1] * len(names)


async def test_prefix_and_separator_are_those_of_the_workers(valkey: ValkeyServer) -> None:
    transport = RedisTransport("site:", (0, 5), "~")
    put(valkey, message(priority=0), message(priority=7), transport=transport)
    async with linked(valkey.url) as link:
        assert (await Queues(link, transport).backlogs(["q"])).by_queue["q"].by_step == (1, 1)
    assert set(valkey.client.keys()) == {b"site:q", b"site:q~5"}


async def test_a_key_of_another_type_is_named_and_the_other_queues_are_counted(valkey: ValkeyServer) -> None:
    valkey.client.set("q", "not a list")
    put(valkey, message(queue="other"))
    async with linked(valkey.url) as link:
        found = await Queues(link, RedisTransport()).backlogs(["q", "other"])
    assert found.by_queue["q"].blocked_keys == ("q",)
    assert found.by_queue["other"].waiting == 1


async def test_what_a_worker_holds_is_counted_for_the_queue_it_goes_back_to(valkey: ValkeyServer) -> None:
    celery = Celery(broker=valkey.url, set_as_current=False)
    with Worker(valkey.url, queues="wards,labs"):
        for name, times in (("wards", 3), ("labs", 2)):
            for _ in range(times):
                celery.send_task("recording.tick", queue=name, countdown=3600)
        async with linked(valkey.url) as link:
            queues = Queues(link, RedisTransport())
            with anyio.fail_after(60):
                await until(lambda: bool(valkey.client.hlen("unacked") == 5))
            found = await queues.backlogs(["wards", "labs"])
    assert {name: one.unacked for name, one in found.by_queue.items()} == {"wards": 3, "labs": 2}
    assert [one.waiting for one in found.by_queue.values()] == [0, 0]


async def test_too_many_held_messages_to_tell_apart_still_give_their_total(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "UNACKED_LOOK_LIMIT", 2)
    valkey.client.hset("unacked", mapping={str(number): json.dumps(["{}", "", "q"]) for number in range(3)})
    async with linked(valkey.url) as link:
        found = await Queues(link, RedisTransport()).backlogs(["q"])
    assert (found.unacked_total, found.is_unacked_complete, found.by_queue["q"].unacked) == (3, False, None)


async def test_peeking_shows_messages_in_the_order_workers_take_them_and_takes_none(valkey: ValkeyServer) -> None:
    put(valkey, message("c", priority=3), message("a"), message("d", priority=9), message("b"))
    async with linked(valkey.url) as link:
        queues = Queues(link, RedisTransport())
        assert ids(await queues.peek("q")) == ["a", "b", "c", "d"]
        assert ids(await queues.peek("q", 3)) == ["a", "b", "c"]
        assert (await queues.backlogs(["q"])).by_queue["q"].waiting == 4


async def test_a_message_of_celery_is_shown_like_one_of_ours(valkey: ValkeyServer) -> None:
    celery = Celery(broker=valkey.url, set_as_current=False)
    sent = celery.send_task("app.task", args=["secret"], queue="q", priority=6, expires=60, countdown=10)
    async with linked(valkey.url) as link:
        [found] = await Queues(link, RedisTransport()).peek("q")
    assert (found.task, found.task_id, found.priority, found.retries) == ("app.task", sent.id, 6, 0)
    assert found.eta_at is not None
    assert found.expires_at is not None
    assert "secret" not in repr(found)


@pytest.mark.parametrize("count", [0, -1, desk.PEEK_LIMIT + 1])
async def test_a_senseless_number_of_messages_is_refused(valkey: ValkeyServer, count: int) -> None:
    async with linked(valkey.url) as link:
        with pytest.raises(RequestInvalid, match="messages can be shown"):
            await Queues(link, RedisTransport()).peek("q", count)


async def test_garbage_in_a_queue_is_shown_as_such(valkey: ValkeyServer) -> None:
    valkey.client.lpush("q", b"\xff\x00", b"[]", b"{}", b'{"headers": 3, "properties": []}')
    async with linked(valkey.url) as link:
        assert [one.is_readable for one in await Queues(link, RedisTransport()).peek("q")] == [False] * 4


async def test_a_purge_can_be_taken_back_and_the_order_is_as_it_was(valkey: ValkeyServer) -> None:
    put(valkey, message("a"), message("b"), message("d", priority=9))
    async with linked(valkey.url) as link:
        queues = Queues(link, RedisTransport())
        purged = await queues.purge("q", token="t1")
        assert (purged.count, purged.token) == (3, "t1")
        assert await queues.peek("q") == []
        put(valkey, message("c"))
        assert await queues.restore("q", "t1") == 3
        assert ids(await queues.peek("q")) == ["a", "b", "c", "d"]
        assert await queues.restore("q", "t1") == 0
    assert not valkey.client.keys("*parked*")


async def test_more_messages_than_one_call_moves_come_back_in_order(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "UNPARKED_PER_CALL", 7)
    names = [f"m{number}" for number in range(30)]
    put(valkey, *(message(name) for name in names))
    async with linked(valkey.url) as link:
        queues = Queues(link, RedisTransport())
        await queues.purge("q", token="t")
        assert await queues.restore("q", "t") == 30
        assert ids(await queues.peek("q", 100)) == names


async def test_what_is_set_aside_goes_away_after_a_day(valkey: ValkeyServer) -> None:
    put(valkey, message())
    async with linked(valkey.url) as link:
        await Queues(link, RedisTransport()).purge("q", token="t")
    [parked] = valkey.client.keys("*parked*")
    assert 0 < valkey.client.ttl(parked) <= parking.PARK_TTL_S


async def test_a_purge_without_a_token_keeps_nothing(valkey: ValkeyServer) -> None:
    put(valkey, message(), message(priority=3))
    async with linked(valkey.url) as link:
        purged = await Queues(link, RedisTransport()).purge("q", token=None)
    assert (purged.count, purged.token) == (2, "")
    assert valkey.client.dbsize() == 0


async def test_purging_an_empty_queue_gives_no_token(valkey: ValkeyServer) -> None:
    async with linked(valkey.url) as link:
        assert await Queues(link, RedisTransport()).purge("q", token="t") == desk.Purged("q", 0, "")


async def test_a_queue_too_large_to_keep_is_not_purged(valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "PARK_LIMIT_BYTES", 1000)
    put(valkey, message(size=5000))
    async with linked(valkey.url) as link:
        with pytest.raises(RequestInvalid, match="to set aside"):
            await Queues(link, RedisTransport()).purge("q", token="t")
    assert valkey.client.llen("q") == 1


async def test_a_key_of_another_type_stops_a_purge_before_anything_is_changed(valkey: ValkeyServer) -> None:
    put(valkey, message())
    valkey.client.set("q\x06\x169", "not a list")
    async with linked(valkey.url) as link:
        with pytest.raises(BrokerRefused, match="WRONGTYPE"):
            await Queues(link, RedisTransport()).purge("q", token="t")
    assert valkey.client.llen("q") == 1


async def test_moved_messages_are_run_from_the_new_queue_in_order(valkey: ValkeyServer) -> None:
    celery = Celery(broker=valkey.url, set_as_current=False)
    for number in range(5):
        celery.send_task("recording.tick", args=[number, {"": None, "list": [], "int": 2**70}], queue="old")
    async with linked(valkey.url) as link:
        moved = await Queues(link, RedisTransport()).move("old", "new")
    assert (moved.count, moved.left) == (5, 0)
    with Worker(valkey.url, queues="new"):
        found = wait_until_ran(valkey.client, 5)
    assert [one["args"] for one in found] == [[number, {"": None, "list": [], "int": 2**70}] for number in range(5)]
    assert {one["queue"] for one in found} == {"new"}


async def test_a_move_keeps_priorities_and_leaves_what_it_cannot_read(valkey: ValkeyServer) -> None:
    valkey.client.lpush("old", b"garbage")
    put(valkey, message("a", queue="old"), message("b", queue="old", priority=9), message("c", queue="old"))
    async with linked(valkey.url) as link:
        queues = Queues(link, RedisTransport())
        assert await queues.move("old", "new") == desk.Moved(3, 1)
        assert ids(await queues.peek("new")) == ["a", "c", "b"]
    assert valkey.client.lrange("old", 0, -1) == [b"garbage"]


async def test_a_move_of_some_takes_those_next_in_line(valkey: ValkeyServer) -> None:
    put(valkey, *(message(name, queue="old") for name in "abcd"), message("e", queue="old", priority=9))
    async with linked(valkey.url) as link:
        queues = Queues(link, RedisTransport())
        assert (await queues.move("old", "new", count=3)).count == 3
        assert (ids(await queues.peek("new")), ids(await queues.peek("old"))) == (["a", "b", "c"], ["d", "e"])


async def test_more_than_one_call_moves_goes_over_whole(valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "MOVED_PER_CALL", 4)
    names = [f"m{number}" for number in range(11)]
    put(valkey, *(message(name, queue="old") for name in names))
    valkey.client.rpush("old", b"garbage in front")
    async with linked(valkey.url) as link:
        queues = Queues(link, RedisTransport())
        assert await queues.move("old", "new") == desk.Moved(11, 1)
        assert ids(await queues.peek("new")) == names


async def test_what_a_worker_takes_during_a_move_is_in_one_place_only(valkey: ValkeyServer) -> None:
    """The script names each message by its bytes; one that is gone is not written anew."""
    one, two = message("one", queue="old"), message("two", queue="old")
    put(valkey, one, two)
    async with linked(valkey.url) as link:
        moved = await desk.MOVE.run(link, ["old", "new"], [b"taken meanwhile", b"x", bytes(two.payload), b"two anew"])
    assert moved == 1
    assert valkey.client.lrange("new", 0, -1) == [b"two anew"]
    assert valkey.client.lrange("old", 0, -1) == [one.payload]


async def test_a_queue_is_not_moved_to_itself(valkey: ValkeyServer) -> None:
    async with linked(valkey.url) as link:
        with pytest.raises(RequestInvalid, match="to itself"):
            await Queues(link, RedisTransport()).move("q", "q")


@pytest.mark.parametrize("to", ["", "a\x06\x163", "x" * 256, "line\nend"])
async def test_messages_are_not_moved_where_no_worker_could_take_them_from(valkey: ValkeyServer, to: str) -> None:
    put(valkey, message(queue="q"))
    async with linked(valkey.url) as link:
        with pytest.raises(RequestInvalid, match="printable"):
            await Queues(link, RedisTransport()).move("q", to)
    assert valkey.client.keys() == [b"q"]


async def test_a_move_of_large_messages_takes_small_steps(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many of them in one command would fill the server's buffer for a client, and the connection be cut."""
    monkeypatch.setattr(desk, "MOVED_BYTES_PER_CALL", 30_000)
    names = [f"m{number}" for number in range(12)]
    put(valkey, *(message(name, queue="old", size=9000) for name in names))
    valkey.client.config_resetstat()
    async with linked(valkey.url) as link:
        assert await Queues(link, RedisTransport()).move("old", "new") == desk.Moved(12, 0)
        assert ids(await Queues(link, RedisTransport()).peek("new")) == names
    stats = valkey.client.info("commandstats")
    assert stats["cmdstat_lrem"]["calls"] == 12
    assert sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha")) >= 4


async def test_the_age_of_a_large_message_is_read_without_reading_all_of_it(valkey: ValkeyServer) -> None:
    put(valkey, message(size=5_000_000))
    async with linked(valkey.url) as link:
        found = (await Queues(link, RedisTransport()).backlogs(["q"])).by_queue["q"]
        ends = await desk.LOOK.run(link, ["q", "unacked"], [desk.NEXT_END_BYTES])
        [peeked] = await Queues(link, RedisTransport()).peek("q")
    assert peeked.sent_at is not None
    assert found.oldest_sent_at == peeked.sent_at
    assert len(ends[1]) == desk.NEXT_END_BYTES
