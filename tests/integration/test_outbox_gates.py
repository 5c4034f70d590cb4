"""On RabbitMQ nothing is counted and there is no stream: what becomes of gates and records there."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import anyio
import pytest

from daemon.clock import SystemClock
from daemon.dispatch import CelerySide
from daemon.dispatch.outbox_dispatcher import OutboxDispatcher
from daemon.errors import BrokerDown
from daemon.keys import entries_ledger
from daemon.ports import Gate, Order, RateCap, Settled, Slot, Ticket, WorkItem
from daemon.public import Public
from shim.client import open_client
from shim.control import methods
from tests.support.rabbitmq import needs_rabbitmq, shared_rabbit
from tests.support.rabbitmq_publishing import LIMIT_S, queue_name
from tests.support.worker import Worker

pytestmark = [pytest.mark.anyio, needs_rabbitmq]


def dispatcher_of(url: str, folder: Path, site: Public) -> OutboxDispatcher:
    side = CelerySide({"broker_url": url, "task_default_queue": str(site)})
    return OutboxDispatcher(side, site=site, state_dir=folder, clock=SystemClock(), emit=lambda _: None)


async def test_records_are_told_once_of_what_was_carried_out_and_counted_orders_are_refused(tmp_path: Path) -> None:
    site = Public(f"site-{queue_name()}")
    dispatcher = dispatcher_of(shared_rabbit().url, tmp_path, site)
    told: list[tuple[str, int]] = []
    dispatcher.recorded = lambda text, at_us: told.append((text, at_us))

    def order(name: str, gate: Gate | None, record: str | None) -> Order:
        return Order(Ticket(entries_ledger(site), name, None, "1"), WorkItem(Public("t"), name), gate, record)

    with anyio.fail_after(LIMIT_S):
        await dispatcher.open()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(dispatcher.serve)
            plain = order("plain", Gate("plain"), "1\n2")
            counted = [
                order("slot", Gate("slot", (Slot("overlap:a", 1, 1),)), "never"),
                order("rate", Gate("rate", (), (RateCap("entry:a", 1, 1),)), "never"),
            ]
            first, *refused = await dispatcher.dispatch([plain, *counted])
            [again] = await dispatcher.dispatch([plain])
            assert await dispatcher.running() == []
            assert await dispatcher.release(["plain"]) == frozenset()
            await dispatcher.drain()
    assert (first.outcome, again.outcome) == (Settled.ENQUEUED, Settled.ALREADY)
    assert [one.outcome for one in refused] == [Settled.INVALID] * 2
    assert all("Redis" in (one.found or "") for one in refused)
    assert told == [("1", first.broker_us), ("2", first.broker_us)]


async def test_a_worker_on_rabbitmq_does_not_run_what_was_revoked(tmp_path: Path) -> None:
    rabbit, site = shared_rabbit(), Public(f"site-{queue_name()}")
    dispatcher = dispatcher_of(rabbit.url, tmp_path, site)
    options: dict[str, Any] = {"app": "rabbitmq_app", "environment": {"RAN_FILE": str(tmp_path / "ran")}}
    with Worker(rabbit.url, queues=str(site), arguments=("-P", "solo"), **options) as worker, anyio.fail_after(LIMIT_S):
        await dispatcher.revoke(["one", "two"], terminate=False)
        async with open_client({"broker_url": rabbit.url}) as client:
            answers = await client.control.call(methods.revoked(), timeout_s=1.0)
            revoked: Any = answers.by_node[worker.name]
            assert sorted(revoked) == ["one", "two"]


async def test_without_rabbitmq_a_revocation_fails(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"amqp://127.0.0.1:{taken.getsockname()[1]}//"
    with pytest.raises(BrokerDown):
        await dispatcher_of(url, tmp_path, Public("s")).revoke(["one"], terminate=True)
