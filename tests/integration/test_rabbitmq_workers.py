"""Stock workers on RabbitMQ, of the newest and the oldest Celery: they run what the shim sends, and answer what it asks."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from shim.amqp.control import AmqpControlWire
from shim.amqp.delay import delayed, ladder
from shim.amqp.events import AmqpEventWire
from shim.amqp.outcome import AmqpOutcome
from shim.amqp.queues import AmqpQueues
from shim.amqp.topology import DeclareExchange, QueueDeclaration
from shim.control import EVERYONE, methods, only
from shim.errors import BrokerUnavailable
from shim.events import Event, read_message
from tests.support.publishing import until
from tests.support.rabbitmq import RabbitServer, needs_rabbitmq, shared_rabbit
from tests.support.rabbitmq_publishing import (
    LIMIT_S,
    amqp_message,
    make_connector,
    make_publisher,
    now,
    outcomes,
    queue_name,
)
from tests.support.worker import NEW, OLD, Worker

pytestmark = [pytest.mark.anyio, needs_rabbitmq]
WRITTEN = AmqpOutcome.WRITTEN
SLOW = QueueDeclaration("slow", DeclareExchange("slow", "topic"), "slow.#", arguments={"x-queue-type": "quorum"})


class Ran:
    """What workers wrote down."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self, *ids: str) -> list[dict[str, Any]]:
        text = self.path.read_text() if self.path.exists() else ""
        found = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in found if line["id"] in ids]

    async def wait(self, *ids: str) -> list[dict[str, Any]]:
        with anyio.fail_after(LIMIT_S):
            await until(lambda: len(self.lines(*ids)) >= len(ids))
        return self.lines(*ids)


@pytest.fixture(scope="module")
def rabbit() -> RabbitServer:
    return shared_rabbit()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return Ran(tmp_path_factory.mktemp("ran") / "lines")


@pytest.fixture(scope="module")
def workers(rabbit: RabbitServer, ran: Ran) -> Iterator[list[Worker]]:
    """One worker of each Celery, each with a queue of its own name."""
    environment = {"RAN_FILE": str(ran.path)}
    options: dict[str, Any] = {"app": "rabbitmq_app", "environment": environment}
    new = Worker(rabbit.url, queues="new", python=NEW, **options)
    old = Worker(rabbit.url, queues="old", python=OLD, **options)
    with new, old:
        yield [new, old]


@asynccontextmanager
async def controlling(rabbit: RabbitServer) -> AsyncIterator[AmqpControlWire]:
    wire = AmqpControlWire(make_connector(rabbit.url), new_id=lambda: str(uuid.uuid4()))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wire.run)
        with anyio.fail_after(LIMIT_S):
            yield wire
        tasks.cancel_scope.cancel()


# -- tasks -------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("queue", ["new", "old"])
async def test_a_worker_runs_what_was_sent(rabbit: RabbitServer, ran: Ran, queue: str) -> None:
    ids = [f"{queue}-{name}" for name in ("plain", "limits", "custom", "eta", "expires")]
    custom = {"big": 2**40, "deep": {"list": [1, None, 0.1, "é"]}}
    messages = [
        amqp_message(ids[0], queue=queue, args=[1, {"ü": None}], kwargs={"k": 1.5}, priority=3),
        amqp_message(ids[1], queue=queue, time_limit_s=30.5, soft_time_limit_s=20),
        amqp_message(ids[2], queue=queue, headers=custom),
        amqp_message(ids[3], queue=queue, eta_at=now() + timedelta(seconds=0.5)),
        amqp_message(ids[4], queue=queue, expires_at=now() + timedelta(days=60)),
    ]
    async with make_publisher(rabbit.url) as publisher:
        assert outcomes(await publisher.publish(messages)) == [WRITTEN] * len(messages)
    lines = {line["id"]: line for line in await ran.wait(*ids)}
    assert (lines[ids[0]]["args"], lines[ids[0]]["kwargs"]) == ([1, {"ü": None}], {"k": 1.5})
    assert (lines[ids[0]]["queue"], lines[ids[0]]["priority"]) == (queue, 3)
    assert lines[ids[1]]["timelimit"] == [30.5, 20]
    assert {name: lines[ids[2]]["custom"][name] for name in custom} == custom
    assert {line["celery"] for line in lines.values()} == {"5.7.0" if queue == "new" else "5.3.6"}


@pytest.mark.usefixtures("workers")
async def test_an_expired_task_is_not_run(rabbit: RabbitServer, ran: Ran) -> None:
    late = amqp_message("late", queue="new", expires_at=now() - timedelta(seconds=5))
    async with make_publisher(rabbit.url) as publisher:
        await publisher.publish([late, amqp_message("after", queue="new")])
    await ran.wait("after")
    assert ran.lines("late") == []


@pytest.mark.usefixtures("workers")
async def test_depth_tells_of_the_worker_that_consumes(rabbit: RabbitServer) -> None:
    async with AmqpQueues(make_connector(rabbit.url)) as queues:
        depth = await queues.depth("old")
    assert depth is not None
    assert depth.consumers == 1


# -- control -----------------------------------------------------------------------------------------------------------


async def test_both_workers_answer_and_the_number_expected_ends_the_call(
    rabbit: RabbitServer, workers: list[Worker]
) -> None:
    async with controlling(rabbit) as wire:
        answers = await wire.call(methods.ping(), timeout_s=LIMIT_S, expect=2)
    assert answers.by_node == {worker.name: {"ok": "pong"} for worker in workers}
    assert answers.is_complete


async def test_a_call_to_named_workers_ends_when_they_have_answered(
    rabbit: RabbitServer, workers: list[Worker]
) -> None:
    new, old = (worker.name for worker in workers)
    async with controlling(rabbit) as wire:
        answers = await wire.call(methods.registered(), only(old), timeout_s=LIMIT_S)
        assert list(answers.by_node) == [old]
        assert "rabbitmq_app.note" in answers.by_node[old]  # type: ignore[operator] # a list of names
        absent = await wire.call(methods.ping(), only(new, "nobody@test"), timeout_s=0.3)
    assert (list(absent.by_node), absent.silent, absent.is_complete) == ([new], ("nobody@test",), False)


@pytest.mark.usefixtures("workers")
async def test_a_revoked_task_is_not_run(rabbit: RabbitServer, ran: Ran) -> None:
    async with controlling(rabbit) as wire, make_publisher(rabbit.url) as publisher:
        answers = await wire.call(methods.revoke("revoked"), timeout_s=LIMIT_S, expect=2)
        assert len(answers.by_node) == 2
        for queue in ("new", "old"):
            await publisher.publish([amqp_message("revoked", queue=queue), amqp_message(f"not-{queue}", queue=queue)])
        await ran.wait("not-new", "not-old")
    assert ran.lines("revoked") == []


@pytest.mark.usefixtures("workers")
async def test_a_cast_asks_for_no_answer_and_is_heard(rabbit: RabbitServer) -> None:
    async with controlling(rabbit) as wire:
        assert await wire.cast(methods.ping())


async def test_where_no_worker_listens_the_answer_is_empty_at_once(rabbit: RabbitServer) -> None:
    wire = AmqpControlWire(make_connector(rabbit.url), new_id=lambda: str(uuid.uuid4()), namespace=queue_name())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wire.run)
        with anyio.fail_after(LIMIT_S):
            answers = await wire.call(methods.ping(), EVERYONE, timeout_s=10 * LIMIT_S)
        assert (answers.by_node, answers.is_complete) == ({}, True)
        assert not await wire.cast(methods.ping())
        tasks.cancel_scope.cancel()


async def test_without_a_broker_a_call_says_so() -> None:
    wire = AmqpControlWire(make_connector("amqp://127.0.0.1:1"), new_id=lambda: str(uuid.uuid4()))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wire.run)
        with pytest.raises(BrokerUnavailable):
            await wire.call(methods.ping(), timeout_s=0.1)
        tasks.cancel_scope.cancel()


# -- events ------------------------------------------------------------------------------------------------------------


async def test_events_of_both_workers_arrive(rabbit: RabbitServer, workers: list[Worker]) -> None:
    events: list[Event] = []
    listening = anyio.Event()

    async def opened() -> None:
        listening.set()

    def seen(kind: str, task_id: str) -> Callable[[], bool]:
        return lambda: any(event.kind == kind and event.task_id == task_id for event in events)

    wire = AmqpEventWire(
        make_connector(rabbit.url),
        lambda payload: events.extend(read_message(payload).events),
        node_id=str(uuid.uuid4()),
        opened=opened,
    )
    async with anyio.create_task_group() as tasks, make_publisher(rabbit.url) as publisher:
        tasks.start_soon(wire.run)
        with anyio.fail_after(LIMIT_S):
            await listening.wait()
            for queue in ("new", "old"):
                await publisher.publish([amqp_message(f"event-{queue}", queue=queue)])
                for kind in ("task-received", "task-started", "task-succeeded"):
                    await until(seen(kind, f"event-{queue}"))
            await until(lambda: {worker.name for worker in workers} <= {event.hostname for event in events})
        tasks.cancel_scope.cancel()


# -- delays ------------------------------------------------------------------------------------------------------------


async def test_the_ladder_of_delays_is_the_one_kombu_declares(rabbit: RabbitServer) -> None:
    """Declared by kombu first, then by the shim: every difference would be an error, and no binding is new."""
    from kombu.transport.native_delayed_delivery import declare_native_delayed_delivery_exchanges_and_queues  # noqa: PLC0415

    def by_kombu() -> None:
        with rabbit.connection() as connection:
            declare_native_delayed_delivery_exchanges_and_queues(connection, "quorum")

    def bindings() -> set[str]:
        return set(rabbit.control("list_bindings", "--silent").splitlines())

    await anyio.to_thread.run_sync(by_kombu)
    theirs = await anyio.to_thread.run_sync(bindings)
    async with make_publisher(rabbit.url) as publisher:
        await publisher.declare(ladder())
    assert sum("celery_delayed_" in line for line in theirs) >= 28 + 28
    assert {line for line in await anyio.to_thread.run_sync(bindings) if "celery_delayed_" in line} <= theirs


async def test_a_delayed_message_waits_in_the_broker_and_then_reaches_the_worker(
    rabbit: RabbitServer, ran: Ran
) -> None:
    async with (
        make_publisher(rabbit.url, queues={"slow": SLOW}) as publisher,
        AmqpQueues(make_connector(rabbit.url)) as queues,
    ):
        message = amqp_message("delayed", queue="slow", exchange="slow", routing_key="slow.one")
        assert outcomes(await publisher.publish([delayed(message, SLOW, 2.5)])) == [WRITTEN]
        waiting, arrived = await queues.depth("celery_delayed_1"), await queues.depth("slow")
        assert waiting is not None
        assert arrived is not None
        assert (waiting.ready, arrived.ready) == (1, 0)
    with Worker(rabbit.url, queues="slow", app="rabbitmq_app", environment={"RAN_FILE": str(ran.path), "QUORUM": "1"}):
        [line] = await ran.wait("delayed")
    assert line["queue"].endswith(".1.0.slow.one")
    assert line["queue"].startswith("0.0.")
