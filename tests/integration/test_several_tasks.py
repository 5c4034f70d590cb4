"""Several tasks of one message in one order: all of them are enqueued, or none, and never twice."""

from __future__ import annotations

import pytest

from daemon.keys import feed_ledger
from daemon.ports import Order, Settled, Ticket, WorkItem
from daemon.public import Public
from tests.integration.test_dispatcher_gates import SITE, dispatching
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

LEDGER = feed_ledger(SITE, Public("adt"), "epoch")


def order(seq: int, *items: WorkItem) -> Order:
    expect = None if seq == 1 else str(seq - 1)
    return Order(Ticket(LEDGER, "seq", expect, str(seq)), items[0], more=items[1:])


def task(task_id: str, queue: str = "ward", **values: object) -> WorkItem:
    return WorkItem(Public("app.task"), task_id, kwargs=values, queue=Public(queue))


async def test_all_tasks_of_an_order_go_to_their_queues_in_order(valkey: ValkeyServer) -> None:
    orders = [order(seq, *(task(f"{seq}-{queue}", queue) for queue in ("one", "two", "one"))) for seq in (1, 2, 3)]
    async with dispatching(valkey.url) as dispatcher:
        assert {one.outcome for one in await dispatcher.dispatch(orders)} == {Settled.ENQUEUED}
        again = await dispatcher.dispatch(orders)
    assert again[-1].outcome is Settled.ALREADY
    assert (valkey.client.llen("one"), valkey.client.llen("two")) == (6, 3)


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_task_no_worker_could_take_keeps_the_others_of_its_order_back(valkey: ValkeyServer, place: int) -> None:
    items = [task("a"), task("b"), task("c")]
    items[place] = task("bad", value=object())
    async with dispatching(valkey.url) as dispatcher:
        [bad] = await dispatcher.dispatch([order(1, *items)])
        assert bad.outcome is Settled.INVALID
        assert valkey.client.llen("ward") == 0
        [good] = await dispatcher.dispatch([order(1, task("a"), task("b"))])
        assert good.outcome is Settled.ENQUEUED
    assert valkey.client.llen("ward") == 2


async def test_a_key_of_a_wrong_type_under_one_queue_keeps_all_of_the_order_back(valkey: ValkeyServer) -> None:
    valkey.client.set("two", "no queue")
    async with dispatching(valkey.url) as dispatcher:
        [bad] = await dispatcher.dispatch([order(1, task("a", "one"), task("b", "two"))])
    assert (bad.outcome, bad.found) == (Settled.BLOCKED, "two")
    assert valkey.client.llen("one") == 0
    assert valkey.client.hget(LEDGER, "seq") is None
