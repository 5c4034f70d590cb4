"""The client as a whole, on a real server with stock workers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from celery import Celery

from shim.canvas import Chain, Chord, Group
from shim.client import Call, Client, open_client
from shim.control import methods
from shim.errors import BrokerRefused, BrokerUnavailable, BrokerUrlInvalid, PublishUncertain, RequestInvalid
from shim.events import EventState
from shim.signature import Signature
from tests.support.proxy import BadLink
from tests.support.publishing import LIMIT_S, bad_link, through, until
from tests.support.valkey import ValkeyServer, free_port
from tests.support.worker import Worker, wait_until_ran

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def opened(url: str, *, results: bool = True, **conf: Any) -> AsyncIterator[Client]:
    settings = {"broker_url": url, **({"result_backend": url} if results else {}), **conf}
    with anyio.fail_after(LIMIT_S):
        async with open_client(settings) as client:
            yield client


def queued(server: ValkeyServer, key: str = "celery") -> list[Mapping[str, Any]]:
    return [json.loads(one) for one in reversed(server.client.lrange(key, 0, -1))]


async def test_a_task_is_sent_run_waited_for_and_forgotten(valkey: ValkeyServer) -> None:
    with Worker(valkey.url):
        async with opened(valkey.url) as client:
            sent = await client.send("recording.tick", [1], {"a": 2}, headers={"mine": "x"}, expires=60)
            meta = await client.wait(sent.task_id, timeout_s=LIMIT_S)
            assert meta is not None
            assert (meta.state, meta.result, sent.queues) == ("SUCCESS", {"args": [1], "kwargs": {"a": 2}}, ("celery",))
            assert (await client.fetch([sent.task_id]))[sent.task_id] == meta
            await client.forget([sent.task_id])
            assert await client.fetch([sent.task_id]) == {}
            [pong] = (await client.control.call(methods.ping())).by_node.values()
            assert pong == {"ok": "pong"}
    [ran] = wait_until_ran(valkey.client, 1)
    assert ran["custom"]["mine"] == "x"


async def test_many_tasks_travel_in_order_and_all_their_results_come(valkey: ValkeyServer) -> None:
    calls = [Call("recording.tick", [number]) for number in range(300)]
    with Worker(valkey.url):
        async with opened(valkey.url) as client:
            sent = await client.send_many(calls)
            metas = await client.waiter.ready_all([one.task_id for one in sent], LIMIT_S)
    assert [metas[one.task_id].result["args"] for one in sent] == [[number] for number in range(300)]
    assert [one["args"] for one in wait_until_ran(valkey.client, 300)] == [[number] for number in range(300)]


async def test_the_same_id_is_sent_once(valkey: ValkeyServer) -> None:
    async with opened(valkey.url) as client:
        first = await client.send("app.task", task_id="one")
        again = await client.send("app.task", task_id="one")
    assert (first.was_sent_before, again.was_sent_before) == (False, True)
    assert len(queued(valkey)) == 1


async def test_calls_whose_first_was_sent_before_are_all_sent(valkey: ValkeyServer) -> None:
    calls = [Call("app.task", task_id=name) for name in ("one", "two")]
    async with opened(valkey.url) as client:
        await client.send("app.task", task_id="one")
        await client.send_many(calls)
        again = await client.send_many(calls)
    assert [one.was_sent_before for one in again] == [True, True]
    assert [one["headers"]["id"] for one in queued(valkey)] == ["one", "one", "two"]


async def test_what_may_have_been_sent_is_not_called_refused_or_unsent_later(valkey: ValkeyServer) -> None:
    """The reply is lost after the push; when the client asks again, its user has lost the right to."""
    valkey.client.acl_setuser("passing", enabled=True, nopass=True, keys=["*"], channels=["*"], categories=["+@all"])
    async with bad_link(valkey) as proxy:
        url = through(proxy).replace("//", "//passing:x@")
        async with opened(url) as client, anyio.create_task_group() as tasks:
            await client.send("app.task", task_id="before")
            proxy.lose_replies()
            proxy.refuse()
            tasks.start_soon(_disown, valkey, proxy)
            with pytest.raises(PublishUncertain):
                await client.send("app.task", task_id="x", timeout_s=LIMIT_S)
    assert [one["headers"]["id"] for one in queued(valkey)] == ["before", "x"]
    valkey.client.acl_deluser("passing")


async def _disown(server: ValkeyServer, proxy: BadLink) -> None:
    """Take the rights away when the second message is there, and only then let the client in again."""
    await until(lambda: server.client.llen("celery") == 2)
    server.client.acl_setuser("passing", enabled=True, nopass=True, keys=["*"], commands=["-eval", "-evalsha"])
    proxy.accept()


async def test_a_reply_that_is_lost_makes_no_second_message(valkey: ValkeyServer) -> None:
    """The server has done it and cannot say so; the client asks again and hears that it was done."""
    async with bad_link(valkey) as proxy, opened(through(proxy)) as client:
        await client.send("app.task", task_id="before")
        proxy.lose_replies()
        sent = await client.send("app.task")
        assert sent.was_sent_before
    assert len(queued(valkey)) == 2


async def test_a_broker_that_is_away_is_named_and_nothing_was_sent() -> None:
    async with opened(f"redis://127.0.0.1:{free_port()}/0") as client:
        with pytest.raises(BrokerUnavailable, match="nothing was sent"):
            await client.send("app.task", timeout_s=0.3)


async def test_a_broker_that_comes_back_in_time_gets_the_task() -> None:
    with ValkeyServer() as server:
        server.kill()
        async with opened(server.url) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(client.send, "app.task")
            await anyio.to_thread.run_sync(server.start)  # the first attempt is made before the server listens
        assert len(queued(server)) == 1


async def test_a_broker_that_is_silent_leaves_it_uncertain() -> None:
    with ValkeyServer() as server:
        async with opened(server.url) as client:
            await client.send("app.task")
            server.pause()
            try:
                with pytest.raises(PublishUncertain, match="may be there or not"):
                    await client.send("app.task", task_id="x", timeout_s=0.5)
            finally:
                server.resume()
            await client.send("app.task", task_id="x")
        assert [one["headers"]["id"] for one in queued(server)].count("x") == 1


async def test_a_queue_that_is_no_queue_is_named(valkey: ValkeyServer) -> None:
    valkey.client.set("celery", "text")
    async with opened(valkey.url) as client:
        with pytest.raises(BrokerRefused, match="celery holds something that is no queue"):
            await client.send("app.task")


async def test_routes_and_options_meet_as_in_celery(valkey: ValkeyServer) -> None:
    conf: dict[str, Any] = {"task_routes": {"app.*": {"queue": "far", "priority": 6, "expires": 100}}}
    celery = Celery(broker=valkey.url, set_as_current=False)
    celery.conf.task_routes = {"app.*": {"queue": "far", "priority": 6}}
    celery.send_task("app.task", priority=3, time_limit=5)
    [theirs] = queued(valkey, "far\x06\x163")
    valkey.client.flushall()
    async with opened(valkey.url, **conf) as client:
        await client.send("app.task", priority=3, time_limit=5)
    [ours] = queued(valkey, "far\x06\x163")
    assert ours["headers"]["timelimit"] == theirs["headers"]["timelimit"] == [5, None]
    assert ours["properties"]["priority"] == theirs["properties"]["priority"] == 3
    assert ours["headers"]["expires"] is not None


async def test_links_and_stamps_go_along(valkey: ValkeyServer) -> None:
    async with opened(valkey.url) as client:
        await client.send(
            "app.task", link=Signature("app.next", [1]), stamps={"tenant": "a"}, link_error=[Signature("app.sad")]
        )
    [message] = queued(valkey)
    embed = json.loads(message["body"])[2]
    assert ([one["task"] for one in embed["callbacks"]], embed["errbacks"][0]["task"]) == (["app.next"], "app.sad")
    assert message["headers"]["stamps"] == {"tenant": "a"}


async def test_a_sent_event_is_published_before_the_message_can_be_taken(valkey: ValkeyServer) -> None:
    state = EventState()
    async with opened(valkey.url, task_send_sent_event=True) as client, anyio.create_task_group() as tasks:
        receiver = client.events(state)
        tasks.start_soon(receiver.run)
        await until(lambda: bool(valkey.client.pubsub_numpat()))
        sent = await client.send("app.task", queue="q")
        await until(lambda: state.task(sent.task_id) is not None)
        task = state.task(sent.task_id)
        assert task is not None
        assert (task.name, task.state, task.routing_key) == ("app.task", "PENDING", "q")
        tasks.cancel_scope.cancel()


async def test_what_no_worker_could_take_is_refused_before_anything_is_sent(valkey: ValkeyServer) -> None:
    async with opened(valkey.url) as client:
        refused: tuple[dict[str, Any], ...] = (
            {"countdwn": 5},
            {"countdown": 1, "eta": datetime(2030, 1, 1, tzinfo=UTC)},
            {"eta": datetime(2027, 1, 1)},  # noqa: DTZ001 - the naive instant is what is refused
            {"headers": {"id": "x"}},
            {"priority": 10},
            {"serializer": "pickle"},
            {"eta": "tomorrow"},
            {"eta": 5},
            {"expires": "soon"},
            {"expires": True},
            {"stamped_headers": 5},
            {"stamped_headers": "ab"},
            {"stamped_headers": [["x"]]},
            {"argsrepr": 5},
            {"kwargsrepr": b"x"},
            {"queue": 5},
            {"queue": {"name": "q"}},
            {"exchange": ["x"]},
            {"routing_key": {}},
        )
        for options in refused:
            with pytest.raises(RequestInvalid):
                await client.send("app.task", **options)
    assert valkey.client.dbsize() == 0


async def test_a_serializer_that_workers_drop_is_refused_where_it_is_known_what_they_accept(
    valkey: ValkeyServer,
) -> None:
    async with opened(valkey.url, accept_content=["application/json", "msgpack"]) as client:
        await client.send("app.task", serializer="msgpack")
        await client.send("app.task")
        with pytest.raises(RequestInvalid, match="accept_content"):
            await client.send("app.task", serializer="yaml")
    assert len(queued(valkey)) == 2


async def test_a_stamp_without_a_value_is_none_as_in_celery(valkey: ValkeyServer) -> None:
    async with opened(valkey.url) as client:
        await client.send("app.task", stamped_headers=["tenant", "ward"], tenant="a")
    [message] = queued(valkey)
    assert message["headers"]["stamps"] == {"tenant": "a", "ward": None}


async def test_a_refused_password_is_named_when_time_is_over(valkey: ValkeyServer) -> None:
    async with opened(valkey.url.replace("redis://", "redis://nobody:wrong@"), results=False) as client:
        with pytest.raises(BrokerUnavailable, match=r"invalid username-password.*nothing was sent"):
            await client.send("app.task", timeout_s=0.5)


async def test_one_bad_call_among_many_sends_none(valkey: ValkeyServer) -> None:
    async with opened(valkey.url) as client:
        with pytest.raises(RequestInvalid):
            await client.send_many([Call("app.good"), Call("app.bad", [float("nan")])])
        assert await client.send_many([]) == []
    assert valkey.client.dbsize() == 0


async def test_an_eta_is_what_the_worker_waits_for(valkey: ValkeyServer) -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    async with opened(valkey.url) as client:
        await client.send("app.task", eta=at)
    [message] = queued(valkey)
    assert datetime.fromisoformat(message["headers"]["eta"]) == at


async def test_results_nobody_keeps_cannot_be_waited_for(valkey: ValkeyServer) -> None:
    async with opened(valkey.url, results=False) as client:
        assert client.results is None
        with pytest.raises(RequestInvalid, match="nobody keeps results"):
            await client.wait("x", timeout_s=1)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis+cluster://h/0", "Cluster"),
        ("rediscluster://h:6379/0", "Cluster"),
        ("no address", "no scheme"),
        ("", "not set"),
    ],
)
async def test_an_address_nobody_can_speak_to_is_refused_at_once(url: str, message: str) -> None:
    with pytest.raises(BrokerUrlInvalid, match=message):
        async with open_client({"broker_url": url}):
            pass


async def test_a_client_that_is_closed_leaves_no_connection(valkey: ValkeyServer) -> None:
    before = {one["id"] for one in valkey.client.client_list()}
    with Worker(valkey.url):
        async with opened(valkey.url) as client:
            sent = await client.send("recording.tick")
            await client.wait(sent.task_id, timeout_s=LIMIT_S)
            await client.control.call(methods.ping())
            await client.queues.backlogs(["celery"])
    with anyio.fail_after(LIMIT_S):
        await until(lambda: not {one["id"] for one in valkey.client.client_list() if one["name"] == "shim"} - before)


async def test_a_chord_is_sent_in_one_push_and_its_result_waited_for(valkey: ValkeyServer) -> None:
    header = [Signature("recording.tick", [number]) for number in range(3)]
    with Worker(valkey.url):
        async with opened(valkey.url) as client:
            sent = await client.send_canvas(Chord(header, Signature("recording.tick")))
            assert sent.result_id is not None
            meta = await client.wait(sent.result_id, timeout_s=LIMIT_S)
    assert meta is not None
    assert [one["args"] for one in meta.result["args"][0]] == [[0], [1], [2]]
    assert len(sent.task_ids) == 4


async def test_a_chain_whose_reply_is_lost_runs_once(valkey: ValkeyServer) -> None:
    async with bad_link(valkey) as proxy, opened(through(proxy), results=False) as client:
        await client.send("app.before")
        proxy.lose_replies()
        sent = await client.send_canvas(Chain([Signature("app.one"), Signature("app.two")]))
    assert [one["headers"]["id"] for one in queued(valkey)[1:]] == [sent.task_ids[0]]


async def test_a_nested_canvas_goes_through_celery_and_comes_back(valkey: ValkeyServer) -> None:
    inner = Group([Signature("recording.tick", [number], immutable=True) for number in range(2)])
    canvas = Chain([Signature("recording.tick", [9], immutable=True), inner, Signature("recording.tick")])
    with Worker(valkey.url):
        async with opened(valkey.url, task_routes=[{"kind": "map", "pairs": [["other.*", {"queue": "x"}]]}]) as client:
            sent = await client.send_canvas(Chain([canvas, Group([Signature("recording.tick"), inner])]))
            metas = await client.waiter.ready_all(sent.task_ids, LIMIT_S)
    assert metas.keys() == set(sent.task_ids)
    assert {meta.state for meta in metas.values()} == {"SUCCESS"}


async def test_a_canvas_that_no_worker_could_take_sends_nothing(valkey: ValkeyServer) -> None:
    async with opened(valkey.url) as client:
        with pytest.raises(RequestInvalid):
            await client.send_canvas(Group([Signature("app.good"), Signature("app.bad", options={"priority": 99})]))
        assert (await client.send_canvas(Group([]))).task_ids == ()
    assert valkey.client.dbsize() == 0
