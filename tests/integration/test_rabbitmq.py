"""Publishing to RabbitMQ: what arrives, what is refused and why, and what goes on beside it."""

from __future__ import annotations

import logging
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import kombu
import kombu.pools
import pytest
from celery import Celery

from shim.amqp.outcome import AmqpOutcome, Refusal
from shim.amqp.queues import AmqpQueues
from shim.amqp.topology import DeclareExchange, QueueDeclaration, missing_queue
from shim.errors import BrokerUnavailable
from tests.support.rabbitmq import MESSAGE_LIMIT_BYTES, RabbitServer, drain, drained_ids, needs_rabbitmq, shared_rabbit
from tests.support.rabbitmq_publishing import (
    LIMIT_S,
    amqp_message,
    amqp_messages,
    make_connector,
    make_publisher,
    now,
    outcomes,
    queue_name,
)
from tests.support.valkey import free_port

pytestmark = [pytest.mark.anyio, needs_rabbitmq]
Queue: Any = kombu.Queue  # type: ignore[attr-defined]
WRITTEN, NOT_WRITTEN = AmqpOutcome.WRITTEN, AmqpOutcome.NOT_WRITTEN
REFUSED, UNCERTAIN = AmqpOutcome.REFUSED, AmqpOutcome.UNCERTAIN
SECRET = "ZZPATIENT"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def rabbit() -> RabbitServer:
    return shared_rabbit()


@pytest.fixture
def queue() -> str:
    return queue_name()


@pytest.fixture(scope="module")
def app() -> Iterator[Any]:
    yield Celery("golden", broker=shared_rabbit().url, set_as_current=False)
    reset: Any = kombu.pools.reset
    reset()


# -- what arrives ------------------------------------------------------------------------------------------------------

LATER = datetime(2031, 1, 1, tzinfo=UTC)
SOON = now() + timedelta(days=7)
CALLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "limits": ({"time_limit": 30, "soft_time_limit": 0.3}, {"time_limit_s": 30, "soft_time_limit_s": 0.3}),
    "eta": ({"eta": LATER}, {"eta_at": LATER}),
    "expires": ({"expires": SOON}, {"expires_at": SOON}),
    "custom": (
        {"headers": {"big": 2**40, "deep": {"list": [1, None, 0.1, "é"]}, "no": False}},
        {"headers": {"big": 2**40, "deep": {"list": [1, None, 0.1, "é"]}, "no": False}},
    ),
    "family": (
        {"root_id": "r", "parent_id": "p", "shadow": "s", "ignore_result": True},
        {"root_id": "r", "parent_id": "p", "shadow": "s", "ignore_result": True},
    ),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_message_equals_celerys_field_by_field(rabbit: RabbitServer, app: Any, queue: str, name: str) -> None:
    theirs_options, ours_options = CALLS[name]
    task_id = str(uuid.uuid4())
    call = {"args": (2, 3), "kwargs": {"z": 'é"x'}, "task_id": task_id, "queue": queue, "priority": 7}
    await anyio.to_thread.run_sync(lambda: app.send_task("rabbitmq_app.note", **call, **theirs_options))
    async with make_publisher(rabbit.url) as publisher:
        ours = amqp_message(task_id, queue=queue, priority=7, args=[2, 3], kwargs={"z": 'é"x'}, **ours_options)
        assert outcomes(await publisher.publish([ours])) == [WRITTEN]
    theirs, ours_read = drain(rabbit, queue)
    assert ours_read.body == theirs.body or ours_read.payload == theirs.payload
    assert (ours_read.content_type, ours_read.content_encoding) == (theirs.content_type, theirs.content_encoding)
    their_properties, our_properties = dict(theirs.properties), dict(ours_read.properties)
    for properties in (their_properties, our_properties):
        properties.pop("application_headers")
        properties.pop("reply_to", None)  # of celery's process
        if "expiration" in properties:
            properties["expiration"] = int(properties["expiration"]) // 60_000  # counted from a moment ago
    assert our_properties.pop("message_id") == f"m-{task_id}"  # celery has none
    assert our_properties == their_properties
    their_headers, our_headers = dict(theirs.headers), dict(ours_read.headers)
    for header in ("origin", "argsrepr", "kwargsrepr"):
        assert isinstance(their_headers.pop(header), str)
        assert isinstance(our_headers.pop(header), str)
    empty = {name: value for name, value in their_headers.items() if name not in our_headers}
    assert all(value in (None, {}, 0, [None, None]) for value in empty.values())
    assert our_headers == {name: value for name, value in their_headers.items() if name in our_headers}


async def test_messages_arrive_in_the_order_of_the_call(rabbit: RabbitServer, queue: str) -> None:
    sent = amqp_messages(700, queue=queue)
    async with make_publisher(rabbit.url, window_messages=64) as publisher:
        assert set(outcomes(await publisher.publish(sent))) == {WRITTEN}
    assert drained_ids(rabbit, queue) == [message.task_id for message in sent]


async def test_many_callers_share_one_connection(rabbit: RabbitServer, queue: str) -> None:
    sent = amqp_messages(200, queue=queue)
    found: list[AmqpOutcome] = []
    async with make_publisher(rabbit.url) as publisher:

        async def one(number: int) -> None:
            found.extend(outcomes(await publisher.publish([sent[number]])))

        async with anyio.create_task_group() as tasks:
            for number in range(len(sent)):
                tasks.start_soon(one, number)
        assert publisher._window.taken == publisher._window.taken_bytes == 0
    assert found == [WRITTEN] * len(sent)
    assert sorted(drained_ids(rabbit, queue)) == sorted(message.task_id for message in sent)


async def test_higher_priorities_come_first(rabbit: RabbitServer, queue: str) -> None:
    declared = {queue: missing_queue(queue, max_priority=9)}
    async with make_publisher(rabbit.url, queues=declared) as publisher:
        await publisher.publish([amqp_message(f"p{number}", queue=queue, priority=number) for number in (0, 3, 9, 6)])
    assert drained_ids(rabbit, queue) == ["p9", "p6", "p3", "p0"]


async def test_a_topic_reaches_the_queues_that_are_bound(rabbit: RabbitServer, queue: str) -> None:
    declared = QueueDeclaration(queue, DeclareExchange(f"x{queue}", "topic"), "lab.#")
    async with make_publisher(rabbit.url) as publisher:
        await publisher.declare(declared.steps())
        hit, miss = await publisher.publish(
            [amqp_message(queue=queue, exchange=f"x{queue}", routing_key=key) for key in ("lab.blood", "ward.3")]
        )
    assert hit.outcome is WRITTEN
    assert (miss.outcome, miss.refusal) == (REFUSED, Refusal.NO_QUEUE)
    assert "'ward.3'" in miss.reason
    assert len(drain(rabbit, queue)) == 1


# -- queues ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue_type", [None, "quorum"])
async def test_a_queue_is_made_as_celery_makes_it(rabbit: RabbitServer, queue: str, queue_type: str | None) -> None:
    """Declared by both, in either order; a difference would be an error."""
    app = Celery("queues", broker=rabbit.url, set_as_current=False)
    app.conf.task_create_missing_queue_type = queue_type
    async with make_publisher(rabbit.url, missing=lambda name: missing_queue(name, queue_type=queue_type)) as publisher:
        assert outcomes(await publisher.publish(amqp_messages(1, queue=queue))) == [WRITTEN]
        with rabbit.connection() as connection:
            app.amqp.queues[queue].bind(connection.channel()).declare()
            app.amqp.queues[f"{queue}2"].bind(connection.channel()).declare()
        await publisher.declare(missing_queue(f"{queue}2", queue_type=queue_type).steps())


async def test_a_queue_that_may_not_be_made_is_named(rabbit: RabbitServer, queue: str) -> None:
    async with make_publisher(rabbit.url, missing=None) as publisher:
        [result] = await publisher.publish(amqp_messages(1, queue=queue))
    assert (result.outcome, result.refusal) == (REFUSED, Refusal.NO_QUEUE)
    assert f"no such queue: {queue!r}" in result.reason


async def test_a_queue_deleted_meanwhile_is_named_and_made_anew_with_the_next_message(
    rabbit: RabbitServer, queue: str
) -> None:
    async with make_publisher(rabbit.url) as publisher:
        await publisher.publish(amqp_messages(1, queue=queue))
        with rabbit.connection() as connection:
            connection.channel().queue_delete(queue)
        [lost] = await publisher.publish(amqp_messages(1, queue=queue))
        assert (lost.outcome, lost.refusal, lost.reason) == (REFUSED, Refusal.NO_QUEUE, f"no such queue: {queue!r}")
        assert outcomes(await publisher.publish(amqp_messages(1, queue=queue))) == [WRITTEN]


async def test_a_queue_in_another_form_is_an_operators_matter_and_stops_nothing_else(
    rabbit: RabbitServer, queue: str
) -> None:
    with rabbit.connection() as connection:
        Queue(queue, max_priority=5).bind(connection.channel()).declare()
    declared = {queue: missing_queue(queue, max_priority=9)}
    other = queue_name()
    async with make_publisher(rabbit.url, queues=declared) as publisher:
        mixed = [amqp_message(queue=name) for name in (other, queue, other, queue)]
        results = await publisher.publish(mixed)
    assert outcomes(results) == [WRITTEN, REFUSED, WRITTEN, REFUSED]
    assert results[1].refusal is Refusal.QUEUE_DIFFERS
    assert f"{queue!r} exists in another form" in results[1].reason
    assert "x-max-priority" in results[1].reason


async def test_a_queue_nobody_declared_is_taken_as_it_is(rabbit: RabbitServer, queue: str) -> None:
    with rabbit.connection() as connection:
        Queue(queue, max_priority=5).bind(connection.channel()).declare()
    async with make_publisher(rabbit.url) as publisher:
        assert outcomes(await publisher.publish(amqp_messages(1, queue=queue))) == [WRITTEN]


async def test_a_full_queue_refuses_and_others_go_on(rabbit: RabbitServer, queue: str) -> None:
    full = f"full.{queue}"  # a policy of the node: one message, then reject-publish
    async with make_publisher(rabbit.url) as publisher:
        results = await publisher.publish(
            [amqp_message(queue=full), amqp_message(queue=full), amqp_message(queue=queue)]
        )
    assert outcomes(results) == [WRITTEN, REFUSED, WRITTEN]
    assert results[1].refusal is Refusal.NOT_TAKEN


async def test_an_exchange_that_is_absent_is_named_and_harms_no_other(rabbit: RabbitServer, queue: str) -> None:
    async with make_publisher(rabbit.url) as publisher:
        messages = [amqp_message(queue=queue), amqp_message(queue=queue, exchange="nowhere"), amqp_message(queue=queue)]
        results = await publisher.publish(messages)
    assert outcomes(results) == [WRITTEN, REFUSED, WRITTEN]
    assert results[1].reason == "no such exchange: 'nowhere'"


async def test_a_message_larger_than_the_broker_takes_is_refused_by_its_size(rabbit: RabbitServer, queue: str) -> None:
    large = amqp_message(queue=queue, args=["x" * MESSAGE_LIMIT_BYTES])
    async with make_publisher(rabbit.url) as publisher:
        await publisher.publish(amqp_messages(1, queue=queue))
        [result] = await publisher.publish([large])
        assert (result.outcome, result.refusal) == (REFUSED, Refusal.TOO_LARGE)
        assert str(MESSAGE_LIMIT_BYTES) in result.reason
        assert outcomes(await publisher.publish(amqp_messages(1, queue=queue))) == [WRITTEN]


async def test_an_expiry_of_50_days_does_not_close_the_channel(rabbit: RabbitServer, queue: str) -> None:
    message = amqp_message(queue=queue, expires_at=now() + timedelta(days=50))
    async with make_publisher(rabbit.url) as publisher:
        assert outcomes(await publisher.publish([message])) == [WRITTEN]


async def test_while_memory_is_short_nothing_is_sent_and_the_reason_is_given(rabbit: RabbitServer, queue: str) -> None:
    async with make_publisher(rabbit.url, blocked_timeout_s=0.2, confirm_timeout_s=0.5) as publisher:
        await publisher.publish(amqp_messages(1, queue=queue))
        rabbit.control("set_vm_memory_high_watermark", "absolute", "1MB")
        try:
            with anyio.fail_after(LIMIT_S):
                # The server tells of the alarm when it is next sent something.
                while NOT_WRITTEN not in outcomes(results := await publisher.publish(amqp_messages(1, queue=queue))):
                    assert outcomes(results) == [UNCERTAIN] or outcomes(results) == [WRITTEN]
            assert "memory or disk alarm" in results[0].reason
        finally:
            rabbit.control("set_vm_memory_high_watermark", "0.9")
        with anyio.fail_after(LIMIT_S):
            while outcomes(await publisher.publish(amqp_messages(1, queue=queue))) != [WRITTEN]:
                pass


# -- connecting --------------------------------------------------------------------------------------------------------


async def test_the_address_that_answers_is_used(rabbit: RabbitServer, queue: str) -> None:
    addresses = f"amqp://127.0.0.1:{free_port()};{rabbit.url}"
    async with make_publisher(addresses) as publisher:
        assert outcomes(await publisher.publish(amqp_messages(1, queue=queue))) == [WRITTEN]


async def test_names_with_odd_letters_log_in(rabbit: RabbitServer, queue: str) -> None:
    url = f"amqp://nurse:p%40ss%2Fword@127.0.0.1:{rabbit.port}/hospital%2Fa%20b"
    async with make_publisher(url) as publisher:
        assert outcomes(await publisher.publish(amqp_messages(1, queue=queue))) == [WRITTEN]


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("amqp://nurse:geheim@127.0.0.1:{port}//", "password is wrong"),
        ("amqp://guest:guest@127.0.0.1:{port}/geheim", "virtual host does not exist"),
        ("amqp://nurse:p%40ss%2Fword@127.0.0.1:{port}//", "may not use"),
        ("amqp://u:geheim@127.0.0.1:1//", "is RabbitMQ running"),
    ],
)
async def test_why_no_connection_is_made_is_said_without_the_password(
    rabbit: RabbitServer, address: str, hint: str
) -> None:
    with pytest.raises(BrokerUnavailable) as caught:
        await make_connector(address.format(port=rabbit.port)).open()
    assert hint in caught.value.hint
    assert ":geheim" not in str(caught.value)
    assert "p@ss" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_no_connection_means_nothing_was_written(queue: str) -> None:
    async with make_publisher("amqp://127.0.0.1:1") as publisher:
        results = await publisher.publish(amqp_messages(3, queue=queue))
    assert outcomes(results) == [NOT_WRITTEN] * 3
    assert "no such" not in results[0].reason


async def test_what_a_task_is_given_is_in_no_record(
    rabbit: RabbitServer, queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with make_publisher(rabbit.url) as publisher:
        secret = amqp_message(queue=queue, args=[SECRET], argsrepr=SECRET)
        lost = amqp_message(queue=queue, exchange="amq.topic", args=[SECRET])
        results = await publisher.publish([secret, lost])
    assert outcomes(results) == [WRITTEN, REFUSED]
    assert SECRET not in caplog.text + repr(results)
    assert len(drain(rabbit, queue)) == 1


# -- looking at queues -------------------------------------------------------------------------------------------------


async def test_depth_counts_what_waits_and_who_consumes(rabbit: RabbitServer, queue: str) -> None:
    async with make_publisher(rabbit.url) as publisher, AmqpQueues(make_connector(rabbit.url)) as queues:
        assert await queues.depth(queue) is None
        await publisher.publish(amqp_messages(3, queue=queue))
        depth = await queues.depth(queue)
        assert depth is not None
        assert (depth.ready, depth.consumers) == (3, 0)


async def test_peeking_leaves_everything_in_its_place(rabbit: RabbitServer, queue: str) -> None:
    sent = amqp_messages(5, queue=queue)
    async with make_publisher(rabbit.url) as publisher, AmqpQueues(make_connector(rabbit.url)) as queues:
        await publisher.publish(sent)
        assert await queues.peek(f"{queue}-absent") == []
        seen = await queues.peek(queue, 3)
        assert [one.headers["id"] for one in seen] == [message.task_id for message in sent[:3]]
        assert seen[0].body == sent[0].body
        with anyio.fail_after(LIMIT_S):
            while (depth := await queues.depth(queue)) is None or depth.ready < 5:
                pass
    assert drained_ids(rabbit, queue) == [message.task_id for message in sent]


async def test_purging_counts_what_is_gone(rabbit: RabbitServer, queue: str) -> None:
    async with make_publisher(rabbit.url) as publisher, AmqpQueues(make_connector(rabbit.url)) as queues:
        assert await queues.purge(queue) is None
        await publisher.publish(amqp_messages(4, queue=queue))
        assert await queues.purge(queue) == 4
        assert await queues.purge(queue) == 0


# -- the document ------------------------------------------------------------------------------------------------------


async def test_the_example_in_the_document_runs(rabbit: RabbitServer, tmp_path: Path) -> None:
    document = (ROOT / "docs" / "shim" / "rabbitmq.md").read_text()
    example = document.split("```python\n")[1].split("```")[0]
    script = tmp_path / "example.py"
    script.write_text(example.replace("localhost:5672", f"127.0.0.1:{rabbit.port}"))
    done = await anyio.run_process(
        [sys.executable, "-W", "error", str(script)], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=False
    )
    assert done.stderr == b""
    assert done.stdout.decode().splitlines() == ["written ", "written ", "[<Entered.ACCEPTED: 'accepted'>]"]
    assert [one.payload[0] for one in drain(rabbit, "lab")] == [[2, 3], [4, 5], [6, 7]]
