"""The same calls sent by a stock Celery and by the router and publisher here: the same lists, expiries and channels."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from celery import Celery

from shim.app.probe_values import conf_of
from shim.claim import Outcome, Write
from shim.envelope import build_envelope
from shim.request import TaskRequest
from shim.routing import routing_from_conf
from shim.transport import transport_from_options
from tests.support.celery_oracle import Broadcast, Exchange, Queue, binding
from tests.support.publishing import LIMIT_S, outcomes, publishing
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MEDIA = Exchange("media", type="topic")
OPTIONS: dict[str, Any] = {"global_keyprefix": "p:", "priority_steps": [0, 4, 8], "sep": ":"}


@pytest.fixture
def app(valkey: ValkeyServer) -> Iterator[Celery]:
    app = Celery("beside", broker=valkey.url, set_as_current=False)
    app.conf.update(
        broker_transport_options=OPTIONS,
        task_queues=[
            Queue("celery"),
            Queue("video", MEDIA, routing_key="video.#"),
            Queue("short", MEDIA, routing_key="*.short"),
            Queue("many", [binding(MEDIA, routing_key="audio.*"), binding(MEDIA, routing_key="video.a")]),
            Queue("brief", expires=60),
            Queue("topical", MEDIA, routing_key="brief.*", queue_arguments={"x-expires": 30_000}),
            Broadcast("wards"),
        ],
        task_routes={"m.*": {"queue": "video", "priority": 5}, "w.*": "wards"},
    )
    with app.connection_for_write() as connection:
        for queue in app.amqp.queues.values():
            queue(connection.default_channel).declare()  # as the workers do that consume it
    yield app
    app.close()


async def send(server: ValkeyServer, app: Celery, task: str, call: Mapping[str, Any]) -> None:
    conf: dict[str, Any] = conf_of(app)
    routed = routing_from_conf(conf).route(task, call)
    envelopes = []
    for number, target in enumerate(routed.targets):
        request = TaskRequest(task, "id", args=[1])
        envelopes.append(build_envelope(request, target, delivery_tag=f"{task}{number}", at=NOW, origin="test"))
    transport = transport_from_options(conf["broker_transport_options"])
    async with publishing(server.url, transport) as publisher:
        assert outcomes(await publisher.write([Write(None, tuple(envelopes))])) == [Outcome.WRITTEN]


def lists(server: ValkeyServer) -> dict[bytes, tuple[int, bool]]:
    """Give each list's length, and whether it expires."""
    client = server.client
    found = [key for key in client.scan_iter() if client.type(key) == b"list"]
    return {key: (client.llen(key), client.pttl(key) > 0) for key in found}


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("x", {}),
    ("x", {"priority": 4}),
    ("x", {"queue": "made"}),
    ("m.add", {}),
    ("m.add", {"priority": 9, "routing_key": "video.short"}),
    ("m.add", {"routing_key": "video.a"}),
    ("m.add", {"routing_key": "audio.b"}),
    ("x", {"queue": "many"}),
    ("x", {"queue": "brief", "priority": 8}),
    ("x", {"queue": "topical", "routing_key": "brief.short"}),
    ("x", {"exchange": "media", "routing_key": "video.x", "queue": "video"}),
]


@pytest.mark.parametrize(("task", "call"), CALLS)
async def test_the_same_lists_get_the_message_and_the_same_expire(
    valkey: ValkeyServer, app: Celery, task: str, call: dict[str, Any]
) -> None:
    app.send_task(task, [1], ignore_result=True, **call)
    stock = lists(valkey)
    valkey.client.delete(*stock)
    await send(valkey, app, task, call)
    found = lists(valkey)
    assert found.keys() == stock.keys()
    assert {key: count for key, (count, _) in found.items()} == {key: count for key, (count, _) in stock.items()}
    # kombu knows the expiry of the queue it just declared alone; here those of all are known.
    assert all(found[key][1] for key, (_, expires) in stock.items() if expires)
    assert not any(expires for key, (_, expires) in found.items() if b"brief" not in key and b"topical" not in key)


def drain(connection: Any, timeout_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        connection.drain_events(timeout=timeout_s)


@pytest.mark.parametrize(("task", "call"), [("w.ring", {}), ("x", {"queue": "wards"})])
async def test_a_stock_consumer_of_a_broadcast_hears_it(
    valkey: ValkeyServer, app: Celery, task: str, call: dict[str, Any]
) -> None:
    heard: list[Any] = []

    def keep(body: Any, message: Any) -> None:
        message.ack()
        heard.append((body, message))

    with app.connection_for_read() as connection:
        queue = app.amqp.queues["wards"]
        with connection.Consumer([queue], callbacks=[keep], accept=["json"]):
            while not valkey.client.pubsub_numpat():  # it subscribes when it first waits for something
                drain(connection, 0.01)
            with app.producer_or_acquire() as producer:
                # Unless told, kombu takes the exchange for a direct one and fills a list that nobody reads.
                queue.exchange(producer.channel).declare()
                app.send_task(task, [1], ignore_result=True, producer=producer, **call)
            await send(valkey, app, task, call)
            deadline = time.monotonic() + LIMIT_S
            while len(heard) < 2 and time.monotonic() < deadline:
                drain(connection, 1.0)
    stock, ours = heard
    assert ours[0] == stock[0]
    assert ours[1].headers["task"] == stock[1].headers["task"] == task
    assert lists(valkey) == {}


async def test_a_pushed_message_names_the_queue_it_is_in_so_that_a_worker_can_put_it_back(
    valkey: ValkeyServer, app: Celery
) -> None:
    await send(valkey, app, "m.add", {"routing_key": "video.a"})
    for queue in ("video", "many"):
        [raw] = valkey.client.lrange(f"p:{queue}:4", 0, -1)
        assert json.loads(raw)["properties"]["delivery_info"] == {"exchange": "", "routing_key": queue}
