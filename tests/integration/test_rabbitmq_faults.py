"""RabbitMQ that is killed, paused and cut off under load: no hang, no leak, nothing doubled that was not uncertain."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from shim.amqp.envelope import from_envelope
from shim.amqp.events import AmqpEventWire
from shim.amqp.outbox import Outbox
from shim.amqp.outbox_store import OutboxEntry
from shim.amqp.outcome import AmqpOutcome
from shim.errors import ShimError
from tests.support.proxy import BadLink
from tests.support.publishing import until
from tests.support.rabbitmq import RabbitServer, drained_ids, needs_rabbitmq, shared_rabbit
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

pytestmark = [pytest.mark.anyio, needs_rabbitmq]
WRITTEN, NOT_WRITTEN, UNCERTAIN = AmqpOutcome.WRITTEN, AmqpOutcome.NOT_WRITTEN, AmqpOutcome.UNCERTAIN


@pytest.fixture
def rabbit() -> RabbitServer:
    return shared_rabbit()


@pytest.fixture
def queue() -> str:
    return queue_name()


async def test_a_lost_confirmation_is_uncertain_and_sends_nothing_twice(rabbit: RabbitServer, queue: str) -> None:
    async with BadLink(rabbit.port) as link, make_publisher(f"amqp://127.0.0.1:{link.port}") as publisher:
        await publisher.publish([amqp_message("first", queue=queue)])
        link.lose_replies()
        with anyio.fail_after(LIMIT_S):
            [result] = await publisher.publish([amqp_message("second", queue=queue)])
            assert result.outcome is UNCERTAIN
            assert outcomes(await publisher.publish([amqp_message("third", queue=queue)])) == [WRITTEN]
    assert drained_ids(rabbit, queue) == ["first", "second", "third"]


async def test_a_broker_that_stands_still_costs_the_time_allowed_and_no_second_message(
    rabbit: RabbitServer, queue: str
) -> None:
    async with make_publisher(rabbit.url, confirm_timeout_s=0.5) as publisher:
        await publisher.publish([amqp_message("first", queue=queue)])
        rabbit.pause()
        try:
            with anyio.fail_after(LIMIT_S):
                [result] = await publisher.publish([amqp_message("second", queue=queue)])
        finally:
            rabbit.resume()
        assert result.outcome is UNCERTAIN
        assert "no confirmation within 0.5 s" in result.reason
        with anyio.fail_after(LIMIT_S):
            while outcomes(await publisher.publish([amqp_message("third", queue=queue)])) != [WRITTEN]:
                pass
    found = drained_ids(rabbit, queue)
    assert found.count("first") == 1
    assert found.count("second") <= 1
    assert "third" in found


async def test_a_server_that_does_not_answer_the_login_is_given_up(queue: str) -> None:
    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    over = anyio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"amqp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        from_publisher = make_publisher(url)
        from_publisher._connector._connect_timeout_s = 0.2
        with anyio.fail_after(LIMIT_S):
            [result] = await from_publisher.publish(amqp_messages(1, queue=queue))
        over.set()
        await anyio.sleep(0.01)  # transports close in the loop's next turns
    assert result.outcome is NOT_WRITTEN
    assert "no answer in time" in result.reason


async def test_a_cancelled_call_leaves_the_publisher_usable(rabbit: RabbitServer, queue: str) -> None:
    async with BadLink(rabbit.port) as link, make_publisher(f"amqp://127.0.0.1:{link.port}") as publisher:
        await publisher.publish([amqp_message("first", queue=queue)])
        link.freeze()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publisher.publish, [amqp_message("second", queue=queue)])
            with anyio.fail_after(LIMIT_S):
                await link.held.wait()
            tasks.cancel_scope.cancel()
        link.thaw()
        assert publisher._window.taken == 0
        with anyio.fail_after(LIMIT_S):
            assert outcomes(await publisher.publish([amqp_message("third", queue=queue)])) == [WRITTEN]
    assert drained_ids(rabbit, queue) == ["first", "second", "third"]


async def test_killed_under_load_the_broker_keeps_what_was_written_and_the_outbox_the_rest(
    rabbit: RabbitServer, queue: str, tmp_path: Path
) -> None:
    """One process sends through an outbox, another part of it straight, while the broker is killed and started again."""
    direct: dict[str, AmqpOutcome] = {}
    over = anyio.Event()
    straight = queue_name()

    async def send_straight() -> None:
        while not over.is_set():
            messages = amqp_messages(20, queue=straight)
            for message, result in zip(messages, await publisher.publish(messages), strict=True):
                direct[message.task_id] = result.outcome
            await anyio.lowlevel.checkpoint()

    async with (
        make_publisher(rabbit.url, confirm_timeout_s=5) as publisher,
        make_publisher(rabbit.url, confirm_timeout_s=5) as through,
        Outbox.open(tmp_path / "outbox", through, now=now) as outbox,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(outbox.run)
        tasks.start_soon(send_straight)
        entered: list[str] = []
        with anyio.fail_after(2 * LIMIT_S):
            for number in range(40):
                entries = [
                    OutboxEntry(f"{number}.{one}", amqp_message(f"o{number}.{one}", queue=queue)) for one in range(20)
                ]
                await outbox.enter(entries)
                entered += [entry.message.task_id for entry in entries]
                if number == 20:
                    await anyio.to_thread.run_sync(rabbit.kill)
            await anyio.to_thread.run_sync(rabbit.start)
            while (await outbox.counts()).waiting:  # noqa: ASYNC110 - what is waited for is in the file
                await anyio.sleep(0.02)
            over.set()
            repeated = outbox.repeated
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert publisher._window.taken == through._window.taken == 0
    arrived = Counter(drained_ids(rabbit, queue))
    assert arrived.keys() == set(entered)
    assert sum(times - 1 for times in arrived.values()) <= repeated
    assert max(arrived.values()) <= 2
    arrived = Counter(drained_ids(rabbit, straight))
    assert all(arrived[name] == 1 for name, outcome in direct.items() if outcome is WRITTEN)
    assert all(arrived[name] == 0 for name, outcome in direct.items() if outcome is NOT_WRITTEN)
    assert all(arrived[name] <= 1 for name in direct)
    assert {WRITTEN, NOT_WRITTEN} <= set(direct.values())


async def test_a_wire_that_is_cut_is_opened_again(rabbit: RabbitServer) -> None:
    """The server closes every connection; events flow again, and a command finds its way."""
    payloads: list[bytes] = []
    opened: list[anyio.Event] = [anyio.Event(), anyio.Event()]
    closed: list[ShimError | None] = []

    async def listening() -> None:
        next(one for one in opened if not one.is_set()).set()

    wire = AmqpEventWire(
        make_connector(rabbit.url), payloads.append, node_id=queue_name(), opened=listening, closed=closed.append
    )
    async with anyio.create_task_group() as tasks, make_publisher(rabbit.url) as publisher:
        tasks.start_soon(wire.run)
        with anyio.fail_after(LIMIT_S):
            await opened[0].wait()
            await anyio.to_thread.run_sync(rabbit.control, "close_all_connections", "test")
            await opened[1].wait()
            event = from_envelope(
                b'{"body": "[1]", "headers": {}, "content-type": "application/json", "content-encoding": "utf-8"}',
                exchange="celeryev", routing_key="task.sent", message_id="m",
            )  # fmt: skip
            while outcomes(await publisher.publish([event])) != [WRITTEN]:
                pass
            await until(lambda: bool(payloads))
        tasks.cancel_scope.cancel()
    assert len(closed) == 1
    assert b'"body_encoding":"base64"' in payloads[0]


async def test_nothing_is_left_running_when_a_publisher_is_closed(rabbit: RabbitServer, queue: str) -> None:
    before = len(asyncio.all_tasks())
    async with make_publisher(rabbit.url) as publisher:
        await publisher.publish(amqp_messages(3, queue=queue))
        assert len(asyncio.all_tasks()) > before
    with anyio.fail_after(LIMIT_S):
        while len(asyncio.all_tasks()) > before:  # the library's own tasks end in the loop's next turns
            await anyio.lowlevel.checkpoint()
