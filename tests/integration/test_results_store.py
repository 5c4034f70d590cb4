"""What Celery's own client stores is read, and what is removed is gone for Celery too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from celery import Celery
from celery.app.task import Context
from celery.result import AsyncResult, GroupResult

from shim.errors import BrokerUnavailable, RequestInvalid
from shim.results import (
    Callback,
    ChordPart,
    GroupMeta,
    ResultFormat,
    ResultRef,
    Results,
    ResultWaiter,
    TaskError,
    result_place,
)
from shim.results.store import KEYS_PER_COMMAND
from tests.support.publishing import linked, until
from tests.support.result_waiting import waiting
from tests.support.valkey import ValkeyServer

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning"),  # Celery's own calls of redis-py
]

CONFS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "prefix": {"result_backend_transport_options": {"global_keyprefix": "site"}},
    "yaml": {"result_serializer": "yaml"},
    "msgpack, compressed": {"result_serializer": "msgpack", "result_compression": "bzip2"},
    "another database": {"database": 3},
}


@pytest.fixture(params=list(CONFS.values()), ids=list(CONFS))
def judge(request: pytest.FixtureRequest, valkey: ValkeyServer) -> Iterator[Any]:
    """Celery itself, with options of its result back-end."""
    conf = dict(request.param)
    url = valkey.url.replace("/0", f"/{conf.pop('database', 0)}")
    app = Celery("judge", backend=url, set_as_current=False)
    app.conf.update(conf, accept_content=["json", "yaml", "msgpack"])
    yield app
    app.close()


@asynccontextmanager
async def results_of(app: Any) -> AsyncIterator[Results]:
    """Make our reader from the application's configuration."""
    place = result_place(dict(app.conf))
    assert place is not None
    async with linked(place.address) as link:
        yield Results(link, key_prefix=place.key_prefix, form=ResultFormat(place.serializer))


def save_group(app: Any) -> None:
    """Save a group of three tasks, one of them in a group inside, as ``GroupResult.save`` does."""
    maker = Celery("maker", backend="cache+memory://", set_as_current=False)  # its results never ask a server
    inner = GroupResult("inner", [AsyncResult("c", app=maker)], app=maker)
    members = [AsyncResult("a", app=maker), inner, AsyncResult("b", app=maker)]
    app.backend.save_group("g", GroupResult("g", members, app=maker))


def has_group(app: Any) -> bool:
    return app.backend.get(app.backend.get_key_for_group("g")) is not None


async def test_what_celery_stores_is_read(judge: Any) -> None:
    judge.backend.store_result("done", {"a": [1]}, "SUCCESS")
    judge.backend.store_result("failed", ValueError("boom", 42), "FAILURE", traceback="Traceback")
    judge.backend.store_result("odd", float("inf"), "SUCCESS")
    judge.backend.store_result("running", {"pid": 1}, "STARTED")
    judge.backend.mark_as_revoked("revoked", "expired")
    async with results_of(judge) as results:
        found = await results.fetch(["done", "failed", "odd", "running", "revoked", "unknown", "done"])
    assert {name: (meta.state, meta.is_ready, meta.error) for name, meta in found.items()} == {
        "done": ("SUCCESS", True, None),
        "failed": ("FAILURE", True, TaskError("ValueError", "builtins", ("boom", 42))),
        "odd": ("SUCCESS", True, None),
        "running": ("STARTED", False, None),
        "revoked": ("REVOKED", True, TaskError("TaskRevokedError", "celery.exceptions", ("expired",))),
    }
    assert (found["done"].result, found["odd"].result) == ({"a": [1]}, float("inf"))
    assert found["failed"].traceback == "Traceback"
    assert {name for name, meta in found.items() if meta.date_done is None} == {"running"}


async def test_what_is_forgotten_is_gone_for_celery_too(judge: Any) -> None:
    for name in ("a", "b", "c"):
        judge.backend.store_result(name, name, "SUCCESS")
    async with results_of(judge) as results:
        assert await results.forget(["a", "b", "unknown", "a"]) == 2
        assert await results.forget([]) == 0
        assert [judge.backend.get_task_meta(name, cache=False)["status"] for name in ("a", "b", "c")] == [
            *("PENDING", "PENDING", "SUCCESS")
        ]
        judge.backend.forget("c")
        assert await results.fetch(["a", "c"]) == {}


async def test_groups_are_read_and_removed(judge: Any) -> None:
    save_group(judge)
    for name in ("a", "b", "c"):
        judge.backend.store_result(name, name, "SUCCESS")
    async with results_of(judge) as results:
        assert await results.fetch_group("unknown") is None
        assert await results.fetch_group("g") == GroupMeta(
            "g", (ResultRef("a"), ResultRef("inner", None, (ResultRef("c"),)), ResultRef("b"))
        )
        assert await results.delete_group("g")
        assert not await results.delete_group("g")
        assert await results.forget_group("g") == 0
        assert not has_group(judge)
        assert judge.backend.get_state("a") == "SUCCESS"
        save_group(judge)
        assert await results.forget_group("g") == 4
        assert not has_group(judge)
        assert await results.fetch(["a", "b", "c"]) == {}


@pytest.mark.parametrize("ordered", [True, False])
async def test_the_state_of_a_chord_is_read(valkey: ValkeyServer, ordered: bool) -> None:  # noqa: FBT001 - of the table
    app = Celery("judge", backend=valkey.url, broker=valkey.url, set_as_current=False)
    app.conf.result_backend_transport_options = {"result_chord_ordered": ordered}
    backend = app.backend
    async with linked(valkey.url) as link:
        results = Results(link)
        assert await results.fetch_chord("g") is None
        backend.set_chord_size("g", 3)
        backend.add_to_chord("g", None)
        body = app.signature("app.body", options={"task_id": "body"})
        for index, name in enumerate(("a", "b")):
            request = Context({"id": name, "group": "g", "group_index": index, "chord": body})
            backend.on_chord_part_return(request, "SUCCESS", name * 2)
        found = await results.fetch_chord("g")
        assert found is not None
        assert (found.size, found.returned, found.missing, found.callback) == (4, 2, 2, Callback.WAITING)
        assert found.parts == (ChordPart("a", "SUCCESS", "aa"), ChordPart("b", "SUCCESS", "bb"))
        few = await results.fetch_chord("g", parts=1)
        assert few is not None
        assert (few.returned, len(few.parts)) == (2, 1)
        none = await results.fetch_chord("g", parts=0)
        assert none is not None
        assert (none.returned, none.parts) == (2, ())
    app.close()


async def test_many_ids_are_read_in_pieces(valkey: ValkeyServer) -> None:
    ids = [f"id-{number}" for number in range(2 * KEYS_PER_COMMAND + 1)]
    with valkey.client as client:
        for task_id in ids:
            client.set(f"celery-task-meta-{task_id}", b'{"status": "SUCCESS", "result": 1}')
    async with linked(valkey.url) as link:
        results = Results(link)
        assert list(await results.fetch(ids)) == ids
        assert await results.forget(ids) == len(ids)


async def test_a_key_of_another_kind_is_no_result(valkey: ValkeyServer) -> None:
    valkey.client.rpush("celery-task-meta-a", "x")
    valkey.client.set("celery-taskset-meta-g.j", "x")
    async with linked(valkey.url) as link:
        assert await Results(link).fetch(["a"]) == {}
        assert await Results(link).fetch_chord("g") is None


async def test_an_empty_id_is_refused(valkey: ValkeyServer) -> None:
    async with linked(valkey.url) as link:
        for call in (Results(link).fetch, Results(link).forget):
            with pytest.raises(RequestInvalid):
                await call([""])


async def test_without_a_server_results_are_unavailable() -> None:
    async with linked("redis://127.0.0.1:1/0") as link:
        with pytest.raises(BrokerUnavailable):
            await Results(link).fetch(["any"])


async def test_a_group_is_waited_for(valkey: ValkeyServer) -> None:
    app = Celery("judge", backend=valkey.url, set_as_current=False)
    found: list[Any] = []

    async def wait(waiter: ResultWaiter) -> None:
        found.append(await waiter.group_ready("g"))

    async with waiting(valkey.url) as waiter:
        assert await waiter.group_ready("g") is None
        save_group(app)
        app.backend.store_result("a", 1, "SUCCESS")
        partly = await waiter.group_ready("g", timeout_s=0.2)
        assert partly is not None
        assert not partly.is_ready
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, waiter)
            await until(lambda: waiter.awaited == 2)
            app.backend.store_result("c", 3, "SUCCESS")
            app.backend.store_result("b", KeyError("x"), "FAILURE")
    app.close()
    [outcome] = found
    assert (outcome.is_ready, outcome.is_successful, outcome.results[:2]) == (True, False, [1, 3])
