"""Tasks sent, followed, cancelled and sent again over HTTP, with an unmodified worker."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from daemon.api.tasks import channels
from tests.support.publishing import until
from tests.support.task_serving import Tasks, serving_tasks, until_heard
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker

pytestmark = pytest.mark.anyio

APPLICATION = "nobody results"
"""A token for an application alone."""


@pytest.fixture(scope="module")
def house() -> Iterator[ValkeyServer]:
    with (
        ValkeyServer() as server,
        Worker(server.url, app="result_tasks", concurrency=2, arguments=("-E",)),
    ):
        yield server


@pytest.fixture
async def tasks(house: ValkeyServer) -> AsyncIterator[Tasks]:
    async with serving_tasks(house.url) as found:
        yield found


async def frames(tasks: Tasks, path: str, caller: str = APPLICATION) -> list[dict[str, Any]]:
    """Read a WebSocket to its end."""
    async with tasks.api.line(path, caller=caller) as line:
        found = [json.loads(message.data) async for message in line]
        assert line.close_code == 1000
    return found


async def test_a_task_is_sent_and_its_result_comes_to_who_sent_it(tasks: Tasks) -> None:
    sent = await tasks.api.post("/api/tasks/results.value", {"args": [{"a": 1}]}, caller=APPLICATION)
    assert sent.status == 202
    task_id = sent.body["task_id"]
    assert sent.body["status_url"] == f"/api/tasks/{task_id}/status"
    assert sent.body["websocket_url"] == f"/api/ws/tasks/{task_id}"
    assert sent.body["queues"] == ["celery"]
    found = await frames(tasks, sent.body["websocket_url"])
    assert found[-1]["type"] == "complete"
    assert (found[-1]["data"]["state"], found[-1]["data"]["result"]) == ("SUCCESS", {"a": 1})
    assert [one["type"] for one in found].count("complete") == 1
    reply = await tasks.api.ask(sent.body["result_url"], caller=APPLICATION)
    assert reply.body["result"] == {"a": 1}
    [deed] = tasks.written.deeds
    assert (deed.kind.value, deed.about, deed.after) == ("task-sent", "results.value", "queue celery")


async def test_an_application_sees_no_task_but_its_own(tasks: Tasks) -> None:
    sent = await tasks.api.post("/api/tasks/results.value", {"args": [1]}, caller="operator")
    task_id = sent.body["task_id"]
    for path in ("", "/status", "/result"):
        assert (await tasks.api.ask(f"/api/tasks/{task_id}{path}", caller=APPLICATION)).status == 404
    assert (await tasks.api.post(f"/api/tasks/{task_id}/cancel", caller=APPLICATION)).status == 404
    assert (await tasks.api.ask("/api/task-list", caller=APPLICATION)).status == 403
    reply = await tasks.api.ask(f"/api/tasks/{task_id}/status?compat=docwiz", caller=APPLICATION)
    assert reply.body["state"] == "PENDING"


async def test_a_result_is_waited_for(tasks: Tasks, house: ValkeyServer) -> None:
    sent = await tasks.api.post("/api/tasks/results.value?wait=20", {"args": ["x"]}, caller=APPLICATION)
    assert (sent.status, sent.body["status"], sent.body["result"]) == (200, "completed", "x")
    sent = await tasks.api.post("/api/tasks/results.fail?wait=20", {"args": ["boom"]}, caller=APPLICATION)
    assert (sent.status, sent.body["status"], sent.body["error"]) == (200, "failed", "boom")
    sent = await tasks.api.post("/api/tasks/results.fail?wait=20", {"args": ["boom"]}, caller="operator")
    assert (sent.body["error"], sent.body["is_masked"]) == (None, True)
    sent = await tasks.api.post("/api/tasks/results.wait?wait=0.2", caller=APPLICATION)
    assert (sent.status, sent.body["status"]) == (202, "processing")
    house.client.rpush("gate", "go")


async def test_progress_of_a_state_of_its_own_is_pushed(tasks: Tasks, house: ValkeyServer) -> None:
    sent = await tasks.api.post("/api/tasks/results.steps", {"args": [3]}, caller=APPLICATION)
    seen = []
    async with tasks.api.line(sent.body["websocket_url"], caller=APPLICATION) as line:
        async for message in line:
            frame = json.loads(message.data)
            seen.append((frame["data"]["state"], frame["data"]["progress"]))
            if frame["data"]["state"] == "PROGRESS":
                assert frame["data"]["status"] == "at it"
                house.client.rpush("gate", "go")
    assert [one for one in seen if one[0] == "PROGRESS"] == [("PROGRESS", 0), ("PROGRESS", 33), ("PROGRESS", 67)]
    assert seen[-1] == ("SUCCESS", 100)


async def test_docwiz_follows_a_task_nobody_told_of_yet(tasks: Tasks) -> None:
    async with tasks.api.line("/api/ws/tasks/later?compat=docwiz", caller="viewer phi") as line:
        first = await line.receive_str()
        assert json.loads(first)["data"]["state"] == "PENDING"
        await tasks.line.client.send("results.value", [{"result": 5}], task_id="later")
        rest = [message.data async for message in line]
    status = (
        '{"task_id":"later","state":"SUCCESS","ready":true,"successful":true,'
        '"status":"Task completed successfully","progress":100,"result":5}'
    )
    assert rest[-2:] == [f'{{"type":"status","data":{status}}}', f'{{"type":"complete","data":{status}}}']
    assert line.close_code == 1000


async def test_a_poisoned_task_is_followed_to_its_end(tasks: Tasks) -> None:
    sent = await tasks.api.post("/api/tasks/results.poison", caller=APPLICATION)
    found = await frames(tasks, sent.body["websocket_url"])
    assert (found[-1]["type"], found[-1]["data"]["error"]) == ("complete", "no template")


async def test_a_task_that_runs_is_ended(tasks: Tasks) -> None:
    sent = await tasks.api.post("/api/tasks/results.tracked", caller="operator")
    task_id = sent.body["task_id"]
    await until_heard(tasks, task_id, "STARTED")
    detail = await tasks.api.ask(f"/api/tasks/{task_id}")
    assert {"revoke", "terminate"} <= set(detail.body["allowed_actions"])
    assert (detail.body["sent_by"], detail.body["origin"]["kind"]) == ("operator", "api")
    body = {"terminate": True, "reason": "wrong patient list"}
    reply = await tasks.api.post(f"/api/tasks/{task_id}/revoke", body, caller="operator")
    assert (reply.status, reply.body["is_terminated"]) == (200, True)
    found = await frames(tasks, f"/api/ws/tasks/{task_id}", "viewer")
    assert found[-1]["data"]["state"] == "REVOKED"
    deed = tasks.written.deeds[-1]
    assert (deed.kind.value, deed.note, deed.after) == ("task-revoked", "wrong patient list", "REVOKED SIGTERM")
    assert (await tasks.api.post(f"/api/tasks/{task_id}/revoke", caller="operator")).status == 409


async def test_nothing_is_told_to_workers_that_could_not_be_kept(tasks: Tasks, house: ValkeyServer) -> None:
    sent = await tasks.api.post("/api/tasks/results.wait", caller="operator")
    tasks.written.is_full = True
    assert (await tasks.api.post(f"/api/tasks/{sent.body['task_id']}/cancel", caller="operator")).status == 503
    refused = await tasks.api.post("/api/tasks/results.value", {"args": [1]}, caller="operator")
    assert (refused.status, refused.body["code"]) == (503, "audit-failed")
    tasks.written.is_full = False
    house.client.rpush("gate", "go")
    found = await frames(tasks, sent.body["websocket_url"], "viewer")
    assert found[-1]["data"]["state"] == "SUCCESS"


async def test_a_task_is_sent_again_where_workers_kept_what_it_was_called_with(tasks: Tasks) -> None:
    sent = await tasks.api.post("/api/tasks/extended.value?wait=20", {"args": [[4, 2]]}, caller=APPLICATION)
    task_id = sent.body["task_id"]
    detail = await tasks.api.ask(f"/api/tasks/{task_id}", caller="operator")
    assert "retry" in detail.body["allowed_actions"]
    again = await tasks.api.post(f"/api/tasks/{task_id}/retry", {"reason": "once more"}, caller="operator")
    assert again.status == 202
    assert again.body["task_id"] != task_id
    await frames(tasks, again.body["websocket_url"], "viewer")
    meta = (await tasks.line.client.fetch([again.body["task_id"]]))[again.body["task_id"]]
    assert (meta.result, meta.args) == ([4, 2], [[4, 2]])
    assert tasks.written.deeds[-1].note == f"again {task_id}: once more"


async def test_a_task_nobody_knows_the_arguments_of_is_not_sent_again(tasks: Tasks) -> None:
    sent = await tasks.api.post("/api/tasks/results.value?wait=20", {"args": [1]}, caller="operator")
    reply = await tasks.api.post(f"/api/tasks/{sent.body['task_id']}/retry", {}, caller="operator")
    assert (reply.status, reply.body["code"]) == (409, "not-now")


async def test_the_same_request_is_the_same_task_even_after_a_restart(tasks: Tasks, house: ValkeyServer) -> None:
    key = {"Idempotency-Key": "visit-7"}
    first = await tasks.api.post("/api/tasks/results.value", {"args": [1]}, caller=APPLICATION, headers=key)
    async with serving_tasks(house.url) as later:
        second = await later.api.post("/api/tasks/results.value", {"args": [1]}, caller=APPLICATION, headers=key)
        assert second.body["task_id"] == first.body["task_id"]
        assert later.written.deeds == []
        other = await later.api.post("/api/tasks/results.value", {"args": [2]}, caller="operator results", headers=key)
        assert other.body["task_id"] != first.body["task_id"]
    async with serving_tasks(house.url) as later:
        refused = await later.api.post("/api/tasks/results.value", {"args": [2]}, caller=APPLICATION, headers=key)
        assert (refused.status, refused.body["code"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("path", "body", "code", "hint"),
    [
        ("results.valu", {}, "task-not-known", "results.value"),
        ("results.value", {"queue": "celeri"}, "queue-not-known", "celery"),
        ("results.value", {"countdown": 1, "eta": "2030-01-01T00:00:00Z"}, "task-invalid", ""),
        ("results.value", {"eta": "2030-01-01T00:00:00"}, "refused", "2026"),
        ("results.value", {"headers": {"lang": "x"}}, "task-invalid", ""),
        ("results.value", {"args": 5}, "fields-invalid", ""),
        ("results.value", {"colour": 5}, "fields-invalid", ""),
    ],
)
async def test_what_no_worker_could_take_is_refused(
    tasks: Tasks, path: str, body: dict[str, Any], code: str, hint: str
) -> None:
    reply = await tasks.api.post(f"/api/tasks/{path}", body, caller="operator")
    assert (reply.status, reply.body["code"]) == (422, code)
    assert hint in reply.body.get("hint", "")
    assert "task-sent" not in tasks.written.kinds or code == "task-invalid"


async def test_the_tasks_of_the_workers_are_listed_by_name(tasks: Tasks) -> None:
    reply = await tasks.api.ask("/api/task-names", caller="viewer")
    names = [one["name"] for one in reply.body["items"]]
    assert "results.value" in names
    assert reply.body["is_closed"] is True


async def test_nothing_is_sent_that_no_worker_takes_where_that_is_asked_for(house: ValkeyServer) -> None:
    conf = {"task_routes": {"results.value": {"queue": "elsewhere"}}}
    async with serving_tasks(house.url, conf=conf, is_served=True) as tasks:
        reply = await tasks.api.post("/api/tasks/results.value", {"args": [1]}, caller="operator")
        assert (reply.status, reply.body["code"]) == (503, "no-worker")
        assert house.client.llen("elsewhere") == 0
    async with serving_tasks(house.url, conf=conf) as tasks:
        path = "/api/tasks/results.value?require_worker=true"
        assert (await tasks.api.post(path, {"args": [1]}, caller="operator")).status == 503
        assert (await tasks.api.post("/api/tasks/results.value", {"args": [1]}, caller="operator")).status == 202
        assert house.client.llen("elsewhere") == 1


async def test_what_runs_is_listed_without_what_it_holds(tasks: Tasks) -> None:
    task_id = (await tasks.line.client.send("results.value", ["Doe^Jane"])).task_id
    await until_heard(tasks, task_id, "SUCCESS")
    reply = await tasks.api.ask(f"/api/task-list?id={task_id}", caller="viewer phi")
    [row] = reply.body["items"]
    assert (row["name"], row["state"], row["queue"]) == ("results.value", "SUCCESS", "celery")
    assert "Doe^Jane" not in reply.text
    assert reply.body["kept_since"] is not None
    async with tasks.api.line(f"/api/ws/tasks/{task_id}", caller="viewer") as line:
        found = [json.loads(message.data) async for message in line]
    assert "Doe^Jane" not in json.dumps(found)


async def test_a_task_whose_result_nobody_keeps_is_followed_by_what_is_heard(
    house: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "HEAR_EVERY_S", 0.05)
    async with serving_tasks(house.url, conf={"result_backend": None}) as tasks:
        refused = await tasks.api.post("/api/tasks/results.silent?wait=1", {"args": [1]}, caller="operator")
        assert refused.status == 501
        assert tasks.written.deeds == []
        sent = await tasks.api.post("/api/tasks/results.silent", {"args": [1]}, caller=APPLICATION)
        found = await frames(tasks, sent.body["websocket_url"])
        assert (found[-1]["type"], found[-1]["data"]["state"]) == ("complete", "SUCCESS")


async def test_a_look_that_cannot_be_kept_closes_the_socket(tasks: Tasks, house: ValkeyServer) -> None:
    sent = await tasks.api.post("/api/tasks/results.wait", caller="operator")
    async with tasks.api.line(sent.body["websocket_url"], caller="viewer phi") as line:
        tasks.written.is_full = True
        house.client.rpush("gate", "go")
        found = [json.loads(message.data) async for message in line]
    assert "SUCCESS" not in [one["data"]["state"] for one in found]
    assert line.close_code == 1013
    tasks.written.is_full = False


async def test_a_reader_that_goes_leaves_nothing_behind(tasks: Tasks) -> None:
    sent = await tasks.api.post("/api/tasks/results.value", {"args": [1], "countdown": 300}, caller="operator")
    async with tasks.api.line(sent.body["websocket_url"], caller="viewer") as line:
        await line.receive_str()
        assert tasks.line.client.waiter.awaited == 1
    await until(lambda: not tasks.line.client.waiter.awaited)
    await tasks.api.post(f"/api/tasks/{sent.body['task_id']}/cancel", caller="operator")
