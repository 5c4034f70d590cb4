"""What the client sends to RabbitMQ: into queues as Celery declares them, in order, late, in copies, or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import Celery

from shim.client import Call
from shim.errors import BrokerRefused, BrokerUnavailable, RequestInvalid
from tests.support.clients import opened
from tests.support.publishing import until
from tests.support.rabbitmq import RabbitServer, drain, drained_ids, needs_rabbitmq, shared_rabbit
from tests.support.rabbitmq_publishing import queue_name

pytestmark = [pytest.mark.anyio]


@pytest.fixture
def rabbit() -> RabbitServer:
    return shared_rabbit()


SECRET = "ZZPATIENT"


@needs_rabbitmq
async def test_many_calls_keep_their_order(rabbit: RabbitServer) -> None:
    queue = queue_name()
    async with opened(rabbit.url) as client:
        sent = await client.send_many([Call("app.task", [number], {}, {"queue": queue}) for number in range(300)])
    assert drained_ids(rabbit, queue) == [one.task_id for one in sent]


@needs_rabbitmq
async def test_a_broker_that_is_away_is_named_without_its_password() -> None:
    async with opened("amqp://user:s3cret@127.0.0.1:1//") as client:
        with pytest.raises(BrokerUnavailable) as caught:
            await client.send("app.task")
    assert "s3cret" not in str(caught.value)


@needs_rabbitmq
async def test_a_queue_that_may_not_be_made_is_refused(rabbit: RabbitServer) -> None:
    name = queue_name()
    async with opened(rabbit.url, task_queues=[name], task_create_missing_queues=False) as client:
        with pytest.raises(RequestInvalid, match="not in task_queues"):
            await client.send("app.task", queue="other")
        await client.send("app.task", queue=name)
    assert len(drained_ids(rabbit, name)) == 1


@needs_rabbitmq
async def test_a_queue_of_another_form_is_named(rabbit: RabbitServer) -> None:
    name = queue_name()
    async with opened(rabbit.url, task_queues=[{"name": name}]) as client:
        await client.send("app.task", queue=name)
    async with opened(rabbit.url, task_queues=[{"name": name, "max_priority": 9}]) as client:
        with pytest.raises(BrokerRefused, match=f"{name}.*another form"):
            await client.send("app.task", queue=name)


CONFS = [
    pytest.param({}, id="plain"),
    pytest.param({"task_create_missing_queue_type": "quorum"}, id="quorum"),
    pytest.param({"task_create_missing_queue_exchange_type": "topic"}, id="topic"),
    pytest.param(
        {"task_create_missing_queue_type": "quorum", "task_create_missing_queue_exchange_type": "topic"},
        id="quorum and topic",
    ),
    pytest.param({"task_default_queue_type": "quorum"}, id="a default queue of quorum"),
    pytest.param({"task_default_exchange_type": "topic", "task_default_routing_key": "a.b"}, id="a topic by default"),
]


@needs_rabbitmq
@pytest.mark.parametrize("conf", CONFS)
@pytest.mark.parametrize("order", [("shim", "celery"), ("celery", "shim")], ids=" then ".join)
async def test_queues_are_declared_as_celery_declares_them(
    rabbit: RabbitServer, conf: dict[str, Any], order: tuple[str, str]
) -> None:
    """Whoever comes second meets a queue made by the other; RabbitMQ refuses a declaration that differs."""
    default, other = queue_name(), queue_name()
    settings = {"task_default_queue": default, "broker_transport_options": {"confirm_publish": True}, **conf}
    app = Celery(broker=rabbit.url, set_as_current=False)
    app.conf.update(settings)
    queues = [default] if "task_default_queue_type" in conf else [default, other]
    for sender in order:
        for queue in queues:
            if sender == "celery":
                app.send_task("app.task", task_id=f"celery-{queue}", queue=queue)
            else:
                async with opened(rabbit.url, **settings) as client:
                    await client.send("app.task", task_id=f"shim-{queue}", queue=queue)
    app.close()
    for queue in queues:
        assert drained_ids(rabbit, queue) == [f"{sender}-{queue}" for sender in order]


@needs_rabbitmq
async def test_an_exchange_gives_copies_to_the_queues_that_are_bound(rabbit: RabbitServer) -> None:
    exchange, one, two = queue_name(), queue_name(), queue_name()
    common = {"exchange": exchange, "exchange_type": "topic"}
    queues = [{"name": one, "routing_key": "lab.#", **common}, {"name": two, "routing_key": "lab.*", **common}]
    async with opened(rabbit.url, task_queues=queues) as client:
        await client.send("app.task", task_id="first", queue=one)
        await client.send("app.task", task_id="second", queue=two)
        sent = await client.send("app.task", task_id="both", exchange=exchange, routing_key="lab.x")
    assert sorted(sent.queues) == sorted([one, two])
    assert drained_ids(rabbit, one) == ["first", "second", "both"]
    assert drained_ids(rabbit, two)[-2:] == ["second", "both"]


@needs_rabbitmq
async def test_transient_is_what_the_application_says(rabbit: RabbitServer) -> None:
    queue = queue_name()
    async with opened(rabbit.url, task_default_queue=queue, task_default_delivery_mode=1) as client:
        await client.send("app.task")
        await client.send("app.task", delivery_mode=2)
    assert [one.properties["delivery_mode"] for one in drain(rabbit, queue)] == [1, 2]


@needs_rabbitmq
async def test_a_delay_is_kept_by_the_broker_for_a_queue_that_can(rabbit: RabbitServer) -> None:
    """A queue nobody declared, of a type that comes from the settings, takes the ladder of delays as declared ones do."""
    queue = queue_name()
    conf = {"task_create_missing_queue_type": "quorum", "task_create_missing_queue_exchange_type": "topic"}
    async with opened(rabbit.url, **conf, broker_native_delayed_delivery_queue_type="quorum") as client:
        await client.send("app.task", task_id="late", queue=queue, countdown=2)
        await client.send("app.task", task_id="now", queue=queue)
        found: list[str] = []

        def look() -> bool:
            found.extend(drained_ids(rabbit, queue))
            return len(found) > 1

        await until(look)
    assert found == ["now", "late"]


@needs_rabbitmq
async def test_sent_events_tell_of_what_was_taken_and_of_nothing_else(rabbit: RabbitServer) -> None:
    exchange, heard, queue = queue_name(), queue_name(), queue_name()
    with rabbit.connection() as connection:
        channel = connection.channel()
        channel.exchange_declare(exchange, "topic", durable=True, auto_delete=False)
        channel.queue_declare(heard, durable=True, auto_delete=False)
        channel.queue_bind(heard, exchange, "#")
    conf = {"task_send_sent_event": True, "event_exchange": exchange}
    async with opened(rabbit.url, **conf, task_queues=[{"name": queue}]) as client:
        sent = await client.send("app.task", [SECRET], queue=queue)
    async with opened(rabbit.url, **conf, task_queues=[{"name": queue, "max_priority": 3}]) as client:
        with pytest.raises(BrokerRefused):
            await client.send("app.task", queue=queue, task_id="refused")
    [event] = drain(rabbit, heard)
    body = json.loads(event.body)
    assert (body["type"], body["uuid"], body["queue"]) == ("task-sent", sent.task_id, queue)
    assert event.delivery_info["routing_key"] == "task.sent"
    assert SECRET not in event.body
