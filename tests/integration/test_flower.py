"""A real Flower shows tasks that the shim sent as it shows Celery's own, and does not take the sender for a worker."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from celery import Celery

from shim.claim import Write
from shim.envelope import wrap
from shim.message import build_message
from shim.request import TaskRequest
from shim.routing import Target
from shim.sent_event import build_event_message, build_sent_event, event_channel, event_payload
from tests.support.flower import Flower
from tests.support.following import listeners, now, wait_until
from tests.support.publishing import linked, outcomes, publishing
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker

NODE = "carillon@ward"
RAN, WAITING, BATCHED, CELERYS = "ran", "waiting", ("batch-0", "batch-1", "batch-2"), "by-celery-itself"


def send(server: ValkeyServer, *task_ids: str, queue: str) -> None:
    """Send tasks as the shim does: first the events that they are sent, in one message, then the tasks."""
    at = now()
    messages = [
        build_message(
            TaskRequest("event_tasks.add", task_id, args=[2, 3], argsrepr="(2, 3)", kwargsrepr="{'bed': 'B-12'}"),
            Target(queue, 0),
            at=at,
            origin=NODE,
        )
        for task_id in task_ids
    ]
    events = [
        build_sent_event(message, at=at, hostname=NODE, pid=os.getpid(), clock=number + 1)
        for number, message in enumerate(messages)
    ]
    event = build_event_message(events, hostname=NODE)
    envelopes = tuple(wrap(message, delivery_tag=str(uuid.uuid4()), at=at) for message in messages)

    async def publish() -> None:
        async with linked(server.url) as link:
            await link.call("PUBLISH", event_channel(event, database=0), event_payload(event, delivery_tag="tag"))
        async with publishing(server.url) as publisher:
            assert [one.value for one in outcomes(await publisher.write([Write(None, envelopes)]))] == ["written"]

    anyio.run(publish)


@dataclass(frozen=True)
class House:
    """What Flower shows once everything that can run has run."""

    flower: Flower
    worker: str
    server: ValkeyServer

    def shown(self, task_id: str) -> dict[str, Any]:
        found = self.flower.task(task_id)
        assert found is not None, f"Flower does not know {task_id}"
        return found


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with ValkeyServer(append_only=False) as server, Flower(server.url) as flower:
        wait_until(lambda: listeners(server) > 0, "Flower that listens to events")
        app = Celery("sender", broker=server.url, set_as_current=False)
        app.conf.update(task_send_sent_event=True, task_ignore_result=True)
        with Worker(server.url, app="event_tasks", arguments=["-E"]) as worker:
            send(server, WAITING, queue="deserted")
            send(server, RAN, queue="celery")
            send(server, *BATCHED, queue="celery")
            options = {"task_id": CELERYS, "argsrepr": "(2, 3)", "kwargsrepr": "{'bed': 'B-12'}"}
            app.send_task("event_tasks.add", (2, 3), **options)
            house = House(flower, worker.name, server)

            def all_ran() -> bool:
                known = flower.ask("tasks")
                return all(known.get(one, {}).get("state") == "SUCCESS" for one in (RAN, *BATCHED, CELERYS))

            wait_until(all_ran, "tasks that Flower shows as run")
            yield house
        app.close()


def test_a_task_that_ran_is_shown_with_all_there_is_to_it(house: House) -> None:
    shown = house.shown(RAN)
    names = ("name", "args", "kwargs", "state", "exchange", "routing_key", "client", "worker", "root_id", "retries")
    assert {name: shown[name] for name in names} == {
        "name": "event_tasks.add",
        "args": "(2, 3)",
        "kwargs": "{'bed': 'B-12'}",
        "state": "SUCCESS",
        "exchange": "",
        "routing_key": "celery",
        "client": NODE,
        "worker": house.worker,
        "root_id": RAN,
        "retries": 0,
    }
    assert shown["runtime"] > 0
    assert 0 < shown["sent"] <= shown["received"] <= shown["started"] <= shown["succeeded"]


def test_a_task_of_the_shim_is_shown_as_one_of_celery(house: House) -> None:
    ours, theirs = house.shown(RAN), house.shown(CELERYS)
    assert ours.keys() == theirs.keys()
    own = {
        "uuid",
        "root",
        "root_id",
        "client",
        "clock",
        "runtime",
        "timestamp",
        "sent",
        "received",
        "started",
        "succeeded",
    }
    assert {name: ours[name] for name in ours.keys() - own} == {name: theirs[name] for name in theirs.keys() - own}
    assert {name for name in own if not ours[name]} == {name for name in own if not theirs[name]}


def test_a_task_nobody_takes_is_shown_as_waiting(house: House) -> None:
    shown = house.shown(WAITING)
    told = {name: shown[name] for name in ("state", "routing_key", "args", "client", "worker", "received", "runtime")}
    assert told == {
        "state": "PENDING",
        "routing_key": "deserted",
        "args": "(2, 3)",
        "client": NODE,
        "worker": None,
        "received": None,
        "runtime": None,
    }


def test_tasks_announced_together_are_shown_each(house: House) -> None:
    shown = [house.shown(task_id) for task_id in BATCHED]
    assert [(one["state"], one["client"], one["sent"] > 0) for one in shown] == [("SUCCESS", NODE, True)] * 3


def test_flowers_list_holds_them_all(house: House) -> None:
    known = house.flower.ask("tasks")
    assert known.keys() == {RAN, WAITING, *BATCHED, CELERYS}
    assert house.flower.ask("tasks?state=PENDING").keys() == {WAITING}


def test_the_sender_is_not_taken_for_a_worker(house: House) -> None:
    # Flower asks with a patience of one second, and a busy machine may take longer.
    wait_until(lambda: bool(house.flower.ask("workers?refresh=1")), "workers that Flower has asked")
    assert house.flower.ask("workers").keys() == {house.worker}
    listed = house.flower.page("workers?json=1")
    assert [one["hostname"] for one in listed["data"]] == [house.worker]
    assert NODE not in str(listed)
