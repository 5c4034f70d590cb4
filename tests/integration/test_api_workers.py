"""Workers over HTTP: stock Celery workers on a real broker, seen and steered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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

MARKER = "KOWALSKA"
FEEDERS = (
    Feeder(is_feed=False, name="nightly", task="event_tasks.add", queue=None),
    Feeder(is_feed=True, name="adt", task="event_tasks.add", queue="llm"),
)


@dataclass
class Ward:
    server: ValkeyServer
    worker: Worker
    app: Celery


@pytest.fixture(scope="module")
def ward() -> Iterator[Ward]:
    with ValkeyServer(append_only=False) as server:
        app = Celery("sender", broker=server.url, backend=server.url, set_as_current=False)
        arguments = ["-E", "--heartbeat-interval", "1"]
        with Worker(server.url, app="event_tasks", concurrency=2, arguments=arguments) as worker:
            yield Ward(server, worker, app)
        app.close()


async def node(api: CeleryApi, name: str, **options: Any) -> Any:
    return await api.ask(f"/api/nodes/{name}", **options)


async def test_a_worker_is_described_in_a_line(ward: Ward) -> None:
    name = ward.worker.name
    async with serving_celery(ward.server.url, feeders=FEEDERS) as api:
        found = await api.until("/api/nodes", lambda page: page["items"][0]["clock_offset_s"] is not None)
    [row] = found["items"]
    assert (row["name"], row["state"], row["queues"], row["slots"]) == (name, "online", ["celery"], 2)
    assert (row["pool"], row["required_for"], row["is_doubled"]) == ("prefork", ["celery"], False)
    assert row["peak_memory_bytes"] > 1_000_000
    assert abs(row["clock_offset_s"]) < 5
    assert found["unserved"] == [{"queue": "llm", "start": "celery -A ward worker -Q llm"}]
    assert (found["total"], found["next"], found["is_complete"]) == (1, None, True)


async def test_what_a_worker_holds_is_listed_without_arguments(ward: Ward) -> None:
    async with serving_celery(ward.server.url) as api:
        running = ward.app.send_task("event_tasks.endless").id
        later = ward.app.send_task("event_tasks.add", (MARKER, 1), countdown=3600).id
        path = f"/api/nodes/{ward.worker.name}"
        found = await api.until(path, lambda one: one["active"] and one["scheduled"])
        text = (await api.asking.ask(path, caller=f"{ADMIN} phi")).text
        ward.app.control.revoke([running, later], terminate=True, signal="SIGKILL")
    [active], [scheduled] = found["active"], found["scheduled"]
    assert (active["task_id"], active["name"], active["queue"]) == (running, "event_tasks.endless", "celery")
    assert active["running_s"] >= 0
    assert (scheduled["task_id"], scheduled["eta_at"] is not None) == (later, True)
    assert "event_tasks.add" in {one["name"] for one in found["registered"]}
    assert [one["name"] for one in found["consumes"]] == ["celery"]
    assert found["node"]["scheduled"] == 1
    assert MARKER not in text


async def test_every_command_does_what_its_plan_says(ward: Ward) -> None:
    name = ward.worker.name
    async with serving_celery(ward.server.url) as api:

        async def tell(action: str, **body: Any) -> Any:
            reply = await api.asking.post(f"/api/nodes/{name}/{action}", body, caller=OPERATOR)
            assert reply.status == 200, reply.text
            return reply.body

        planned = await tell("pool-grow", n=1, dry_run=True)
        assert (planned["is_done"], planned["what"]) == (False, f"add 1 to the processes of {name}")
        assert api.deeds.kept == []
        done = await tell("pool-grow", n=1, reason="busy")
        assert (done["is_done"], done["answer"]) == (True, "pool will grow")
        await api.until(f"/api/nodes/{name}", lambda one: one["node"]["slots"] == 3)
        await tell("pool-shrink", n=1)
        await tell("add-consumer", queue="extra")
        await api.until(f"/api/nodes/{name}", lambda one: "extra" in one["node"]["queues"])
        assert (await tell("cancel-consumer", queue="extra", dry_run=True))["warnings"] == [
            "nobody else takes from extra"
        ]
        await tell("cancel-consumer", queue="extra")
        await tell("rate-limit", task="event_tasks.add", rate="10/m")
        found = await api.until(
            f"/api/nodes/{name}", lambda one: any(task["rate_limit"] == "10/m" for task in one["registered"])
        )
        assert [task["name"] for task in found["registered"] if task["rate_limit"]] == ["event_tasks.add"]
        lifted = await tell("rate-limit", task="event_tasks.add", rate=None)
        assert lifted["what"] == f"have {name} start event_tasks.add as often as it comes"
        limited = await tell("time-limit", task="event_tasks.add", soft_s=10.0, hard_s=20.0)
        assert limited["answer"] == "time limits set successfully"
        assert set(api.deeds.kinds) == {"worker-commanded"}
        assert api.deeds.kept[0].note == "busy"
        assert api.deeds.kept[0].after == f"add 1 to the processes of {name}"


@pytest.mark.parametrize(
    ("action", "body", "status", "code"),
    [
        ("autoscale", {"max": 3, "min": 1}, 409, "worker-refused"),
        ("autoscale", {"max": 1, "min": 3}, 422, "fields-invalid"),
        ("pool-restart", {}, 409, "worker-refused"),
        ("pool-grow", {"n": 0}, 422, "fields-invalid"),
        ("pool-grow", {"many": 1}, 422, "fields-invalid"),
        ("rate-limit", {"task": "no.such", "rate": "1/s"}, 409, "worker-refused"),
        ("rate-limit", {"task": "event_tasks.add", "rate": "often"}, 422, "fields-invalid"),
        ("time-limit", {"task": "event_tasks.add", "soft_s": 9.0, "hard_s": 1.0}, 422, "fields-invalid"),
        ("shutdown", {}, 422, "confirmation-needed"),
        ("shutdown", {"confirm": "another"}, 422, "confirmation-needed"),
    ],
)
async def test_what_cannot_be_done_is_refused_in_words(
    ward: Ward, action: str, body: Any, status: int, code: str
) -> None:
    async with serving_celery(ward.server.url) as api:
        reply = await api.asking.post(f"/api/nodes/{ward.worker.name}/{action}", body)
    assert (reply.status, reply.body["code"]) == (status, code), reply.text


async def test_a_worker_there_is_not_is_not_found(ward: Ward) -> None:
    async with serving_celery(ward.server.url) as api:
        for path in ("/api/nodes/nobody@nowhere", "/api/nodes/nobody@nowhere/pool-grow"):
            method = "POST" if path.endswith("grow") else "GET"
            reply = await api.asking.ask(path, method)
            assert (reply.status, reply.body["code"]) == (404, "not-there")
        assert api.deeds.kept == []


async def test_each_role_may_do_what_it_may(ward: Ward) -> None:
    path = f"/api/nodes/{ward.worker.name}"
    async with serving_celery(ward.server.url) as api:
        shown = {role: (await node(api, ward.worker.name, caller=role))["node"] for role in (VIEWER, OPERATOR, ADMIN)}
        assert shown[VIEWER]["allowed_actions"] == []
        assert set(shown[ADMIN]["allowed_actions"]) - set(shown[OPERATOR]["allowed_actions"]) == {
            "pool-restart",
            "shutdown",
        }
        for action in shown[ADMIN]["allowed_actions"]:
            assert (await api.asking.post(f"{path}/{action}", {}, caller=VIEWER)).status == 403, action
        for action in ("pool-restart", "shutdown"):
            assert (await api.asking.post(f"{path}/{action}", {}, caller=OPERATOR)).status == 403, action
        assert (await api.asking.ask("/api/nodes", caller="")).status == 401


async def test_nothing_is_done_that_cannot_be_recorded(ward: Ward) -> None:
    async with serving_celery(ward.server.url) as api:
        before = (await node(api, ward.worker.name))["node"]["slots"]
        api.deeds.is_full = True
        reply = await api.asking.post(f"/api/nodes/{ward.worker.name}/pool-grow", {"n": 1})
        assert (reply.status, reply.body["code"]) == (503, "audit-failed")
        assert (await node(api, ward.worker.name))["node"]["slots"] == before


async def test_however_many_look_workers_are_asked_once_in_a_while(ward: Ward) -> None:
    async with serving_celery(ward.server.url) as api:
        await api.ask("/api/nodes")
        with ward.server.client.pubsub() as listener:
            listener.psubscribe("*celery.pidbox")
            while listener.get_message(timeout=5)["type"] != "psubscribe":
                pass
            async with anyio.create_task_group() as tasks:
                for _ in range(50):
                    tasks.start_soon(api.ask, "/api/nodes")
            heard = []
            while (message := listener.get_message(timeout=0.2)) is not None:
                heard.append(message)
    assert len(heard) <= 7  # one look at most: five questions, a fence, and the enabling of events by somebody


async def test_a_worker_that_does_not_answer_is_said_to(ward: Ward) -> None:
    ward.worker.pause()
    try:
        async with serving_celery(ward.server.url) as api:
            page = await api.ask("/api/nodes")
            assert page["is_complete"] is False
            assert [row["state"] for row in page["items"]] in ([], ["silent"], ["online"])
    finally:
        ward.worker.resume()


async def test_a_worker_that_is_told_to_ends(ward: Ward) -> None:
    with Worker(ward.server.url, app="event_tasks", queues="other", arguments=["-E"]) as second:
        async with serving_celery(ward.server.url) as api:
            await api.until("/api/nodes?queue=other", lambda page: page["total"] == 1)
            first = await api.ask("/api/nodes?limit=1")
            rest = await api.ask(f"/api/nodes?limit=1&after={first['next']}")
            assert {first["items"][0]["name"], rest["items"][0]["name"]} == {ward.worker.name, second.name}
            body = {"confirm": second.name, "reason": "new version"}
            done = await api.asking.post(f"/api/nodes/{second.name}/shutdown", body)
            assert (done.status, done.body["warnings"]) == (200, ["nobody else takes from other"])
            assert second.wait_for_exit() == 0
            await api.until(
                "/api/nodes?state=offline", lambda page: [one["name"] for one in page["items"]] == [second.name]
            )


async def test_a_broker_that_is_away_is_said_to_be() -> None:
    with ValkeyServer(append_only=False) as server:
        async with serving_celery(server.url) as api:
            await api.ask("/api/nodes")
            server.kill()
            with anyio.fail_after(15):
                for path in ("/api/nodes", "/api/queues", "/api/workers", "/api/queues/length"):
                    await api_is_503(api, path)
            server.start()
            await api.until("/api/nodes", lambda page: page["items"] == [])


async def api_is_503(api: CeleryApi, path: str) -> None:
    while True:
        reply = await api.asking.ask(path)
        if reply.status == 503:
            assert reply.body["code"] == "broker-down"
            return
        await anyio.sleep(0.1)
