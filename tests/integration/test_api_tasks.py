"""Tasks over HTTP: what is stored in every shape there is, who sees it, and DocWiz's own bytes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from tests.support.result_waiting import store
from tests.support.task_serving import Tasks, serving_tasks
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

SECRET = "Doe^Jane"
PHI, VIEWER = "viewer phi", "viewer"
NOT_THERE = '{"detail":"Task result not available. Task may still be running or failed."}'


@pytest.fixture
async def tasks(valkey: ValkeyServer) -> AsyncIterator[Tasks]:
    async with serving_tasks(valkey.url, show_tasks=("reports.*",)) as found:
        yield found


def recorded(state: str, *, ready: bool, successful: Any, status: str, progress: Any, **more: Any) -> str:
    """Write what DocWiz's backend answered, as its framework writes it."""
    body = {"task_id": "t", "state": state, "ready": ready, "successful": successful, "status": status}
    return json.dumps({**body, "progress": progress, **more}, ensure_ascii=False, separators=(",", ":"))


RECORDED = {
    "started": (
        ("STARTED", {"pid": 1, "hostname": "w"}),
        recorded("STARTED", ready=False, successful=None, status="Unknown state: STARTED", progress=0),
    ),
    "processing": (
        ("PROCESSING", {"status": "Rendering ü", "progress": 20}),
        recorded(
            "PROCESSING",
            ready=False,
            successful=None,
            status="Rendering ü",
            progress=20,
            meta={"status": "Rendering ü", "progress": 20},
        ),
    ),
    "processing without a word": (
        ("PROCESSING", {"step": 1}),
        recorded("PROCESSING", ready=False, successful=None, status="Processing", progress=0, meta={"step": 1}),
    ),
    "success": (
        ("SUCCESS", {"status": "completed", "result": {"url": "/x.png"}, "progress": 100}),
        recorded(
            "SUCCESS",
            ready=True,
            successful=True,
            status="Task completed successfully",
            progress=100,
            result={"url": "/x.png"},
        ),
    ),
    "success with nothing": (
        ("SUCCESS", None),
        recorded(
            "SUCCESS", ready=True, successful=True, status="Task completed successfully", progress=100, result=None
        ),
    ),
    "failure": (
        ("FAILURE", {"exc_type": "KeyError", "exc_message": ["image"], "exc_module": "builtins"}),
        recorded("FAILURE", ready=True, successful=False, status="Task failed", progress=0, error="'image'"),
    ),
    "retry": (
        ("RETRY", {"exc_type": "ValueError", "exc_message": ["x"], "exc_module": "builtins"}),
        recorded("RETRY", ready=False, successful=None, status="Task is being retried", progress=0),
    ),
    "revoked": (
        ("REVOKED", {"exc_type": "TaskRevokedError", "exc_message": ["terminated"], "exc_module": "celery.exceptions"}),
        recorded("REVOKED", ready=True, successful=False, status="Task was cancelled", progress=0),
    ),
}


@pytest.mark.parametrize("name", RECORDED)
async def test_docwiz_gets_its_own_bytes(tasks: Tasks, valkey: ValkeyServer, name: str) -> None:
    (state, result), body = RECORDED[name]
    store(valkey, "t", state, result)
    reply = await tasks.api.ask("/api/tasks/t/status?compat=docwiz", caller=PHI)
    assert (reply.status, reply.text) == (200, body)


async def test_docwiz_waits_for_what_nobody_knows(tasks: Tasks) -> None:
    reply = await tasks.api.ask("/api/tasks/t/status?compat=docwiz", caller=PHI)
    status = "Task is waiting to be processed"
    assert reply.text == recorded("PENDING", ready=False, successful=None, status=status, progress=0)
    reply = await tasks.api.ask("/api/tasks/t/result?compat=docwiz", caller=PHI)
    assert (reply.status, reply.text) == (404, NOT_THERE)


@pytest.mark.parametrize(
    ("result", "body"),
    [
        ({"status": "completed", "result": [1, "ü"]}, '{"task_id":"t","result":[1,"ü"]}'),
        (5, '{"task_id":"t","result":5}'),
        ("plain", '{"task_id":"t","result":"plain"}'),
    ],
)
async def test_docwiz_gets_results_as_it_gave_them(tasks: Tasks, valkey: ValkeyServer, result: Any, body: str) -> None:
    store(valkey, "t", "SUCCESS", result)
    reply = await tasks.api.ask("/api/tasks/t/result?compat=docwiz", caller=PHI)
    assert (reply.status, reply.text) == (200, body)


@pytest.mark.parametrize("result", [None, {"status": "completed"}])
async def test_docwiz_gets_404_for_a_result_that_is_null(tasks: Tasks, valkey: ValkeyServer, result: Any) -> None:
    store(valkey, "t", "SUCCESS", result)
    reply = await tasks.api.ask("/api/tasks/t/result?compat=docwiz", caller=PHI)
    assert (reply.status, reply.text) == (404, NOT_THERE)


async def test_docwiz_cancels_whatever_it_names(tasks: Tasks) -> None:
    reply = await tasks.api.post("/api/tasks/t/cancel?compat=docwiz", caller="operator")
    assert reply.text == '{"task_id":"t","status":"cancelled","message":"Task cancellation requested"}'
    assert tasks.written.kinds == ["task-revoked"]


POISONED = {"status": "Failed to generate export", "error": "no template"}


async def test_a_poisoned_result_is_shown_as_a_failure(tasks: Tasks, valkey: ValkeyServer) -> None:
    store(valkey, "t", "FAILURE", POISONED)
    for path in ("/api/tasks/t/status", "/api/tasks/t/status?compat=docwiz"):
        reply = await tasks.api.ask(path, caller=PHI)
        assert (reply.status, reply.body["state"], reply.body["error"]) == (200, "FAILURE", "no template")
    reply = await tasks.api.ask("/api/tasks/t", caller=VIEWER)
    assert reply.body["is_poisoned"] is True
    assert "no template" not in reply.text


ODD_RESULTS: list[Any] = [
    *(5, "text", [1, 2], True, {}, "", 0, None),
    *({"result": float("nan")}, {"result": "\ud800"}, {"result": 10**40}, [[[[]]]]),
]


@pytest.mark.parametrize("result", ODD_RESULTS, ids=repr)
async def test_any_result_is_answered(tasks: Tasks, valkey: ValkeyServer, result: Any) -> None:
    store(valkey, "t", "SUCCESS", result)
    for compat in ("", "?compat=docwiz"):
        status = await tasks.api.ask(f"/api/tasks/t/status{compat}", caller=PHI)
        assert (status.status, status.body["state"]) == (200, "SUCCESS")
        found = await tasks.api.ask(f"/api/tasks/t/result{compat}", caller=PHI)
        assert found.status in (200, 404 if compat else 200)
        json.loads(found.text)


@pytest.mark.parametrize("stored", [b"\x80\x04.", b"{", b"[]", b'{"status": 5}', b"", b"\xff" * 100])
async def test_what_cannot_be_read_is_told_and_is_no_failure_of_ours(
    tasks: Tasks, valkey: ValkeyServer, stored: bytes
) -> None:
    valkey.client.set("celery-task-meta-t", stored)
    reply = await tasks.api.ask("/api/tasks/t", caller=VIEWER)
    assert (reply.status, reply.body["is_unreadable"]) == (200, True)
    reply = await tasks.api.ask("/api/tasks/t/status", caller=PHI)
    assert (reply.status, reply.body["state"]) == (200, "UNREADABLE")


async def test_an_id_nobody_knows_is_not_pending(tasks: Tasks) -> None:
    for path in ("", "/status", "/result"):
        reply = await tasks.api.ask(f"/api/tasks/nobody{path}")
        assert (reply.status, reply.body["code"]) == (404, "task-unknown")
        assert "24 h" in reply.body["hint"]
    async with tasks.api.http.get(f"{tasks.api.url}/api/ws/tasks/nobody", headers={"X-Caller": "admin"}) as answer:
        assert answer.status == 404


async def test_how_long_an_id_is_remembered_is_what_the_application_says(valkey: ValkeyServer) -> None:
    async with serving_tasks(valkey.url, conf={"result_expires": 3600}) as tasks:
        reply = await tasks.api.ask("/api/tasks/nobody/status")
        assert "remembered for 1 h" in reply.body["hint"]


# -- who sees what -----------------------------------------------------------------------------------------------------

SECRETS = {
    "SUCCESS": {"result": {"name": SECRET}},
    "FAILURE": {"exc_type": "ValueError", "exc_message": [SECRET], "exc_module": "builtins"},
    "PROCESSING": {"status": SECRET, "progress": 40},
    "RETRY": {"exc_type": "ValueError", "exc_message": [SECRET], "exc_module": "builtins"},
}


@pytest.mark.parametrize("state", SECRETS)
async def test_nothing_a_task_holds_is_shown_without_phi(tasks: Tasks, valkey: ValkeyServer, state: str) -> None:
    store(valkey, "t", state, SECRETS[state])
    for path in ("", "/status", "/result", "/status?compat=docwiz", "/result?compat=docwiz"):
        reply = await tasks.api.ask(f"/api/tasks/t{path}", caller="admin")
        assert SECRET not in reply.text
    assert (await tasks.api.post("/api/tasks/t/reveal", {"reason": "x"}, caller="admin")).status == 403
    async with tasks.api.line("/api/ws/tasks/t", caller="admin") as line:
        first = await line.receive_str()
    assert SECRET not in first
    assert tasks.written.deeds == []


async def test_the_shape_of_what_is_not_shown_is_told(tasks: Tasks, valkey: ValkeyServer) -> None:
    store(valkey, "t", "SUCCESS", SECRETS["SUCCESS"])
    reply = await tasks.api.ask("/api/tasks/t/result", caller=VIEWER)
    shape = {"type": "object", "count": 1, "size_bytes": 19, "names": []}
    assert reply.body == {"task_id": "t", "result": None, "is_masked": True, "shape": shape}
    reply = await tasks.api.ask("/api/tasks/t/status", caller=VIEWER)
    assert (reply.body["is_masked"], reply.body["result"]) == (True, None)


@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "PROCESSING"])
async def test_each_look_is_kept_before_it_is_given_and_the_same_look_once(
    tasks: Tasks, valkey: ValkeyServer, state: str
) -> None:
    store(valkey, "t", state, SECRETS[state])
    tasks.written.is_full = True
    reply = await tasks.api.ask("/api/tasks/t/status", caller=PHI)
    assert (reply.status, SECRET in reply.text) == (503, False)
    tasks.written.is_full = False
    for _ in range(3):
        assert SECRET in (await tasks.api.ask("/api/tasks/t/status", caller=PHI)).text
    assert tasks.written.kinds == ["task-revealed"]
    assert tasks.written.deeds[0].about == "t"


async def test_all_a_task_holds_is_revealed_for_a_reason(tasks: Tasks, valkey: ValkeyServer) -> None:
    meta = {"status": "SUCCESS", "result": {"a": SECRET}, "args": [1], "kwargs": {"patient": SECRET}, "name": "app.x"}
    valkey.client.set("celery-task-meta-t", json.dumps(meta))
    detail = await tasks.api.ask("/api/tasks/t", caller=PHI)
    assert detail.body["kwargs"] == {"type": "object", "count": 1, "size_bytes": 22, "names": ["patient"]}
    assert "reveal" in detail.body["allowed_actions"]
    assert SECRET not in detail.text
    assert (await tasks.api.post("/api/tasks/t/reveal", {}, caller=PHI)).status == 422
    reply = await tasks.api.post("/api/tasks/t/reveal", {"reason": "ticket 7"}, caller=PHI)
    assert (reply.body["kwargs"], reply.body["result"]) == ({"patient": SECRET}, {"a": SECRET})
    assert reply.headers["Cache-Control"] == "no-store"
    [deed] = tasks.written.deeds
    assert (deed.kind.value, deed.about, deed.note, deed.role) == ("task-revealed", "t", "ticket 7", "viewer")


async def test_results_of_harmless_tasks_are_shown_to_anyone_signed_in(tasks: Tasks, valkey: ValkeyServer) -> None:
    meta = {"status": "SUCCESS", "result": 7, "name": "reports.daily"}
    valkey.client.set("celery-task-meta-t", json.dumps(meta))
    assert (await tasks.api.ask("/api/tasks/t/result", caller=VIEWER)).body["result"] == 7
    assert tasks.written.deeds == []


@pytest.mark.parametrize("path", ["/api/task-list", "/api/tasks/t", "/api/tasks/t/status", "/api/task-names"])
async def test_nobody_is_told_anything(tasks: Tasks, path: str) -> None:
    assert (await tasks.api.ask(path, caller="")).status == 401


async def test_a_viewer_steers_nothing(tasks: Tasks, valkey: ValkeyServer) -> None:
    store(valkey, "t", "STARTED", {})
    for path in ("cancel", "revoke", "retry"):
        assert (await tasks.api.post(f"/api/tasks/t/{path}", caller=VIEWER)).status == 403
    assert (await tasks.api.post("/api/tasks/app.x", {}, caller=VIEWER)).status == 403
    assert tasks.written.deeds == []


async def test_a_user_who_may_read_results_alone_is_enough(valkey: ValkeyServer) -> None:
    rules = ("reset", "on", ">secret", "~celery*", "~carillon:1:once:*", "&*", "+@all")
    valkey.client.execute_command("ACL", "SETUSER", "narrow", *rules)
    store(valkey, "t", "SUCCESS", 1)
    async with serving_tasks(valkey.url.replace("redis://", "redis://narrow:secret@")) as tasks:
        assert (await tasks.api.ask("/api/tasks/t/status")).status == 200
        sent = await tasks.api.post("/api/tasks/app.x", {}, caller="nobody results")
        assert sent.status == 202
        reply = await tasks.api.ask(sent.body["status_url"], caller="nobody results")
        assert (reply.status, reply.body["state"]) == (200, "PENDING")


# -- a broker that is away ---------------------------------------------------------------------------------------------


async def test_a_server_that_hangs_is_told_of_within_seconds_and_comes_back() -> None:
    with ValkeyServer() as server:
        store(server, "t", "SUCCESS", 1)
        async with serving_tasks(server.url) as tasks:
            assert (await tasks.api.ask("/api/tasks/t/status")).status == 200
            server.pause()
            began_s = anyio.current_time()
            async with anyio.create_task_group() as group:
                replies: list[int] = []

                async def one(number: int) -> None:
                    replies.append((await tasks.api.ask(f"/api/tasks/{number}/status")).status)

                for number in range(20):
                    group.start_soon(one, number)
            assert set(replies) == {503}
            assert anyio.current_time() - began_s < 20
            assert (await tasks.api.ask("/api/task-list")).status == 200
            server.resume()
            with anyio.fail_after(20):
                while (await tasks.api.ask("/api/tasks/t/status")).status != 200:  # noqa: ASYNC110 - nobody tells of it
                    await anyio.sleep(0.1)
