"""Queues over HTTP: looked into, emptied, put back, held, on a real broker with stock workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from celery import Celery

from daemon.dispatch.feeding import Feeder
from tests.support.api_celery import CeleryApi, serving_celery
from tests.support.api_serving import ADMIN, OPERATOR, VIEWER
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker

pytestmark = pytest.mark.anyio

PHI = f"{VIEWER} phi"
MARKER = "KOWALSKA"
FEEDERS = (
    Feeder(is_feed=False, name="nightly", task="event_tasks.add", queue="llm"),
    Feeder(is_feed=True, name="adt", task="", queue="llm"),
    Feeder(is_feed=False, name="weekly", task="event_tasks.add", queue=None),
)
WHY = {"reason": "wrong patients"}


@pytest.fixture
def sender(valkey: ValkeyServer) -> Iterator[Celery]:
    app = Celery("sender", broker=valkey.url, backend=valkey.url, set_as_current=False)
    yield app
    app.close()


def fill(app: Celery, count: int, queue: str = "llm", **options: Any) -> list[str]:
    return [app.send_task("event_tasks.add", (number, MARKER), queue=queue, **options).id for number in range(count)]


def lengths(server: ValkeyServer, *queues: str) -> list[int]:
    return [server.client.llen(queue) for queue in queues]


async def queue(api: CeleryApi, name: str, **options: Any) -> Any:
    return (await api.ask(f"/api/queues/{name}", **options))["queue"]


async def test_a_queue_is_described_in_a_line(valkey: ValkeyServer, sender: Celery) -> None:
    fill(sender, 2)
    fill(sender, 1, priority=9)
    async with serving_celery(valkey.url, feeders=FEEDERS) as api:
        page = await api.ask("/api/queues")
        assert [row["name"] for row in page["items"]] == ["celery", "llm"]
        row = page["items"][1]
        assert (row["state"], row["waiting"], row["consumers"], row["consumer_count"]) == ("no consumer", 3, [], 0)
        assert (row["entries"], row["entry_names"], row["feeds"]) == (1, ["nightly"], ["adt"])
        assert [(band["step"], band["waiting"]) for band in row["bands"]] == [(0, 2), (3, 0), (6, 0), (9, 1)]
        assert (row["unacked"], row["parked"], row["is_held"]) == (0, 0, False)
        filtered = await api.ask("/api/queues?state=no%20consumer&text=LL&limit=1")
        assert [one["name"] for one in filtered["items"]] == ["llm"]
        paged = await api.ask("/api/queues?limit=1")
        assert (await api.ask(f"/api/queues?limit=1&after={paged['next']}"))["items"][0]["name"] == "llm"
        for path in ("/api/queues/nobody", "/api/queues/nobody/peek"):
            assert (await api.asking.ask(path)).status == 404


async def test_counting_each_minute_gives_history_and_rates(valkey: ValkeyServer, sender: Celery) -> None:
    fill(sender, 4)
    async with serving_celery(valkey.url, feeders=FEEDERS) as api:
        await api.watch.count()
        found = await api.ask("/api/queues/llm")
    assert found["minutes"]["waiting"] == [4]
    assert found["queue"]["history"]["waiting"] == [4]
    assert found["queue"]["in_per_min"] is None


async def test_the_next_messages_are_shown_without_their_bodies(valkey: ValkeyServer, sender: Celery) -> None:
    ids = fill(sender, 3)
    async with serving_celery(valkey.url, feeders=FEEDERS) as api:
        reply = await api.asking.ask("/api/queues/llm/peek?limit=2", caller=VIEWER)
        assert [one["task_id"] for one in reply.body["items"]] == ids[:2]
        assert {one["task"] for one in reply.body["items"]} == {"event_tasks.add"}
        assert MARKER not in reply.text
        assert lengths(valkey, "llm") == [3]
        assert (await api.asking.ask("/api/queues/llm/peek?limit=201")).status == 422


async def test_a_message_is_opened_for_those_who_may_and_that_is_recorded_first(
    valkey: ValkeyServer, sender: Celery
) -> None:
    [_, second] = fill(sender, 2)
    body = {"task_id": second, **WHY}
    async with serving_celery(valkey.url, feeders=FEEDERS) as api:
        path = "/api/queues/llm/reveal"
        for caller in (VIEWER, OPERATOR, ADMIN):
            assert (await api.asking.post(path, body, caller=caller)).status == 403
        assert (await api.asking.post(path, {"task_id": second}, caller=PHI)).status == 422
        assert api.deeds.kept == []
        reply = await api.asking.post(path, body, caller=PHI)
        assert (reply.status, reply.headers["Cache-Control"]) == (200, "no-store")
        assert (reply.body["args"], reply.body["kwargs"], reply.body["why"]) == ([1, MARKER], {}, "")
        assert [(one.kind.value, one.about, one.note) for one in api.deeds.kept] == [
            ("queue-revealed", f"llm {second}", "wrong patients")
        ]
        gone = await api.asking.post(path, {"task_id": "nobody", **WHY}, caller=PHI)
        assert gone.status == 404
        api.deeds.is_full = True
        refused = await api.asking.post(path, body, caller=PHI)
        assert (refused.status, MARKER in refused.text) == (503, False)


async def test_a_purge_sets_aside_and_can_be_undone(valkey: ValkeyServer, sender: Celery) -> None:
    ids = fill(sender, 3)
    fill(sender, 1, priority=9)
    async with serving_celery(valkey.url, feeders=FEEDERS) as api:
        path = "/api/queues/llm/purge"
        planned = await api.asking.post(path, {**WHY, "dry_run": True})
        assert (planned.body["is_done"], planned.body["count"]) == (False, 4)
        for wrong in (WHY, {**WHY, "confirm": "celery"}):
            assert (await api.asking.post(path, wrong)).body["code"] == "confirmation-needed"
        assert (await api.asking.post(path, {**WHY, "confirm": "llm"}, caller=OPERATOR)).status == 403
        assert api.deeds.kept == []
        purged = (await api.asking.post(path, {**WHY, "confirm": "llm"})).body
        assert (purged["is_done"], purged["count"], lengths(valkey, "llm")) == (True, 4, [0])
        later = fill(sender, 1)
        row = await queue(api, "llm", caller=OPERATOR)
        assert (row["parked"], "restore" in row["allowed_actions"], "destroy" in row["allowed_actions"]) == (
            1,
            True,
            False,
        )
        [kept] = (await api.ask("/api/queues/llm/parked"))["items"]
        assert (kept["token"], kept["count"]) == (purged["token"], 4)
        restored = await api.asking.post("/api/queues/llm/restore", {"token": kept["token"]}, caller=OPERATOR)
        assert (restored.status, restored.body["count"]) == (200, 4)
        items = (await api.ask("/api/queues/llm/peek"))["items"]
        assert [one["task_id"] for one in items][:4] == [*ids, *later]
        assert (await api.ask("/api/queues/llm/parked"))["items"] == []
        again = await api.asking.post("/api/queues/llm/restore", {"token": kept["token"]})
        assert again.status == 404
        assert api.deeds.kinds == ["queue-purged", "queue-restored", "queue-restored"]


async def test_what_was_set_aside_can_be_thrown_away(valkey: ValkeyServer, sender: Celery) -> None:
    fill(sender, 3)
    async with serving_celery(valkey.url, feeders=FEEDERS) as api:
        purged = (await api.asking.post("/api/queues/llm/purge", {**WHY, "confirm": "llm"})).body
        path = f"/api/queues/llm/parked?token={purged['token']}&reason=old"
        assert (await api.asking.ask(path, "DELETE")).body["code"] == "confirmation-needed"
        done = await api.asking.ask(f"{path}&confirm=llm", "DELETE")
        assert (done.status, done.body["count"]) == (200, 3)
        assert not valkey.client.keys("*parked*")
        assert (await api.ask("/api/queues/llm/parked"))["items"] == []


async def test_a_queue_that_cannot_be_recorded_as_purged_is_not(valkey: ValkeyServer, sender: Celery) -> None:
    fill(sender, 3)
    async with serving_celery(valkey.url, feeders=FEEDERS) as api:
        api.deeds.is_full = True
        refused = await api.asking.post("/api/queues/llm/purge", {**WHY, "confirm": "llm"})
        assert (refused.status, lengths(valkey, "llm")) == (503, [3])


async def test_messages_are_moved_to_another_queue(valkey: ValkeyServer, sender: Celery) -> None:
    fill(sender, 3)
    async with serving_celery(valkey.url, feeders=FEEDERS) as api:
        body = {**WHY, "to": "other", "count": 2, "confirm": "llm"}
        planned = await api.asking.post("/api/queues/llm/move", {**body, "dry_run": True})
        assert (planned.body["count"], lengths(valkey, "llm", "other")) == (2, [3, 0])
        done = await api.asking.post("/api/queues/llm/move", body)
        assert (done.body["count"], done.body["left"], lengths(valkey, "llm", "other")) == (2, 0, [1, 2])
        itself = await api.asking.post("/api/queues/llm/move", {**body, "to": "llm"})
        assert itself.status == 422


async def test_consumers_are_held_and_resumed(valkey: ValkeyServer, sender: Celery) -> None:
    with Worker(valkey.url, app="event_tasks", queues="llm") as worker:
        async with serving_celery(valkey.url, feeders=FEEDERS) as api:
            row = await api.until("/api/queues/llm", lambda one: one["queue"]["consumers"] == [worker.name])
            assert "hold" in row["queue"]["allowed_actions"]
            planned = await api.asking.post("/api/queues/llm/hold", {**WHY, "dry_run": True}, caller=OPERATOR)
            assert (planned.body["workers"], planned.body["is_done"]) == ([worker.name], False)
            held = await api.asking.post("/api/queues/llm/hold", WHY, caller=OPERATOR)
            assert (held.body["workers"], held.body["is_done"]) == ([worker.name], True)
            shown = await api.until("/api/queues/llm", lambda one: one["queue"]["state"] == "held")
            assert (shown["held"]["by"], shown["held"]["reason"]) == ("operator", "wrong patients")
            task_id = sender.send_task("event_tasks.add", (1, 2), queue="llm").id
            with anyio.fail_after(20):  # a worker that was waiting for the next one gives it back
                while lengths(valkey, "llm") != [1]:  # noqa: ASYNC110 - over the broker
                    await anyio.sleep(0.02)
            assert (await api.asking.post("/api/queues/llm/hold", WHY)).status == 409
            resumed = await api.asking.post("/api/queues/llm/resume", {}, caller=OPERATOR)
            assert resumed.body["workers"] == [worker.name]
            assert sender.AsyncResult(task_id).get(timeout=20) == 3
            assert api.deeds.kinds == ["worker-commanded", "worker-commanded"]
            unknown = await api.asking.post("/api/queues/celery/resume", {})
            assert (unknown.status, "name them" in unknown.body["hint"]) == (409, True)


async def test_viewers_change_nothing(valkey: ValkeyServer, sender: Celery) -> None:
    fill(sender, 1)
    async with serving_celery(valkey.url, feeders=FEEDERS) as api:
        assert (await queue(api, "llm", caller=VIEWER))["allowed_actions"] == ["peek"]
        for action in ("purge", "restore", "move", "hold", "resume"):
            assert (await api.asking.post(f"/api/queues/llm/{action}", {}, caller=VIEWER)).status == 403
        assert (await api.asking.ask("/api/queues/llm/parked", "DELETE", caller=VIEWER)).status == 403
