"""Everything unmodified workers of the oldest and the newest Celery store is read, and agrees with what Celery's own client reads."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from celery import Celery, chord, group
from celery.result import AsyncResult

from shim.claim import Write
from shim.envelope import build_envelope
from shim.request import TaskRequest
from shim.results import Callback, ResultFormat, ResultRef, Results, TaskError, TaskMeta
from shim.routing import Target
from tests.support.publishing import linked, publishing, until
from tests.support.result_waiting import Told, waiting
from tests.support.valkey import ValkeyServer
from tests.support.worker import NEW, OLD, Worker

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning"),  # Celery's own calls of redis-py
]

PAST = datetime(2020, 1, 1, tzinfo=UTC)
_numbers = itertools.count()


@dataclass(frozen=True)
class House:
    """A server, a worker with one process, and Celery's own client."""

    server: ValkeyServer
    celery: Any
    worker: str
    is_new: bool

    @property
    def url(self) -> str:
        return self.server.url

    def send(self, task: str, *args: Any, **options: Any) -> str:
        """Send a task as a stock client does; give its id."""
        task_id = f"{task}-{next(_numbers)}"
        signature = self.celery.signature(task, args=args)
        if "stamps" in options:
            signature.stamp(**options.pop("stamps"))
        signature.apply_async(task_id=task_id, **options)
        return task_id

    def open_gate(self) -> None:
        self.server.client.rpush("gate", "open")

    async def metas(self, *task_ids: str) -> list[TaskMeta]:
        """Wait for results with the shim."""
        async with waiting(self.url) as waiter:
            found = await waiter.ready_all(task_ids)
        return [found[task_id] for task_id in task_ids]


@pytest.fixture(scope="module", params=[pytest.param(NEW, id="celery-5.7"), pytest.param(OLD, id="celery-5.3")])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    python: Path = request.param
    with ValkeyServer(append_only=False) as server:
        celery = Celery("client", broker=server.url, backend=server.url, set_as_current=False)
        # It reads what it is asked for, and listens for nothing: its subscriptions would outlive the server.
        celery.backend.result_consumer.consume_from = lambda *_: None
        with Worker(server.url, python=python, app="result_tasks") as worker:
            yield House(server, celery, worker.name, python == NEW)
        celery.close()


def agrees(celery: Any, meta: TaskMeta) -> bool:
    """Compare with what Celery's own client reads under the same id."""
    theirs = AsyncResult(meta.task_id, app=celery)
    assert (meta.state, meta.is_ready, meta.is_successful) == (theirs.state, theirs.ready(), theirs.successful())
    assert (meta.traceback, meta.name, meta.worker) == (theirs.traceback, theirs.name, theirs.worker)
    assert (meta.retries, meta.queue) == (theirs.retries, theirs.queue)
    assert [child.id for child in meta.children] == [child.id for child in theirs.children or ()]
    done = theirs.date_done
    assert meta.date_done == (done if done is None or done.tzinfo is not None else done.replace(tzinfo=UTC))
    if meta.error is None:
        assert repr(meta.value) == repr(theirs.result)
    else:
        assert meta.error.exc_type == type(theirs.result).__qualname__
        assert meta.error.message == theirs.result.args
    return True


async def test_whatever_a_task_returns_is_read(house: House) -> None:
    values = [5, "Grüße", None, True, 1.5, [1, [2]], {"a": {"b": None}}]
    names = ["nan", "big", "surrogate", "when", "price", "uuid"]
    ids = [house.send("results.value", value) for value in values]
    ids += [house.send("results.special", name) for name in names]
    metas = await house.metas(*ids)
    assert {meta.state for meta in metas} == {"SUCCESS"}
    assert [meta.result for meta in metas[: len(values)]] == values
    assert all(agrees(house.celery, meta) for meta in metas)


async def test_failures_are_read(house: House) -> None:
    ids = [house.send("results.fail", *message) for message in (["boom", 42], [], [{"a": 1}])]
    metas = await house.metas(*ids)
    assert [meta.error for meta in metas[:2]] == [
        TaskError("ValueError", "builtins", ("boom", 42)),
        TaskError("ValueError", "builtins", ()),
    ]
    assert all("raise ValueError" in (meta.traceback or "") for meta in metas)
    assert all(agrees(house.celery, meta) for meta in metas)


async def test_a_poisoned_failure_is_read_where_celerys_client_raises(house: House) -> None:
    [meta] = await house.metas(house.send("results.poison"))
    assert (meta.state, meta.is_ready, meta.is_poisoned) == ("FAILURE", True, True)
    assert meta.error is not None
    assert meta.error.text == "no template"
    with pytest.raises(ValueError, match="must include the exception type"):
        house.celery.backend.get_task_meta(meta.task_id)


async def test_a_retry_is_seen_and_is_not_the_end(house: House) -> None:
    task_id = house.send("results.once_more")
    async with linked(house.url) as link:

        async def state() -> TaskMeta | None:
            return (await Results(link).fetch([task_id])).get(task_id)

        while (meta := await state()) is None:  # noqa: ASYNC110 - what is waited for is in the server, which sets no event
            await anyio.sleep(0.005)
        assert (meta.state, meta.is_ready) == ("RETRY", False)
        assert meta.error == TaskError("KeyError", "builtins", ("first",))
    async with waiting(house.url) as waiter, anyio.create_task_group() as tasks:
        told = Told()
        tasks.start_soon(told.updates, waiter, task_id)
        await until(lambda: bool(told.metas))
        house.open_gate()
        await told.done.wait()
    assert [(meta.state, meta.parent_id) for meta in told.metas] == [("RETRY", None), ("SUCCESS", task_id)]
    assert agrees(house.celery, told.metas[-1])


async def test_progress_is_told_step_by_step(house: House) -> None:
    task_id = house.send("results.steps", 3)
    async with waiting(house.url) as waiter, anyio.create_task_group() as tasks:
        told = Told()
        tasks.start_soon(told.updates, waiter, task_id)
        for step in range(1, 4):
            await until(lambda wanted=step: len(told.metas) == wanted)  # type: ignore[misc]
            house.open_gate()
        await told.done.wait()
    assert [meta.state for meta in told.metas] == ["PROGRESS"] * 3 + ["SUCCESS"]
    progress = [meta.progress for meta in told.metas[:3]]
    assert [(one.text, one.fraction) for one in progress if one is not None] == [
        *(("at it", 0.0), ("at it", 1 / 3), ("at it", 2 / 3))
    ]


async def test_an_ignored_result_is_never_there(house: House) -> None:
    silent, last = house.send("results.silent", 1), house.send("results.value", 2)
    await house.metas(last)  # one process: the other has run
    async with linked(house.url) as link:
        assert await Results(link).fetch([silent]) == {}


async def test_an_extended_result_tells_everything(house: House) -> None:
    done = house.send("extended.value", {"a": [1]}, stamps={"tenant": "acme"}, priority=3)
    failed = house.send("extended.fail", "x")
    metas = await house.metas(done, failed)
    assert [(meta.name, meta.args, meta.kwargs) for meta in metas] == [
        ("extended.value", [{"a": [1]}], {}),
        ("extended.fail", ["x"], {}),
    ]
    assert {(meta.worker, meta.queue, meta.retries) for meta in metas} == {(house.worker, "celery", 0)}
    assert [dict(meta.stamps) for meta in metas] == [{"tenant": "acme"}, {}]
    assert all(agrees(house.celery, meta) for meta in metas)


async def test_compressed_results_are_read(house: House) -> None:
    if not house.is_new:
        pytest.skip("result_compression came with 5.7")
    values = ["a" * 10_000, {"b": [1]}, None]
    ids = [house.send(f"packed.{name}", value) for name in ("gzip", "bzip2", "lzma") for value in values]
    assert [meta.result for meta in await house.metas(*ids)] == values * 3


async def test_results_in_yaml_are_read_by_whoever_is_told_so(house: House) -> None:
    if not house.is_new:
        pytest.skip("the environment of the old version has no YAML")
    task_id = house.send("yaml.value", {"a": [1, None]})
    async with waiting(house.url, form=ResultFormat("yaml")) as waiter:
        meta = await waiter.ready(task_id)
    assert meta is not None
    assert (meta.state, meta.result) == ("SUCCESS", {"a": [1, None]})


async def test_children_and_parents_are_read(house: House) -> None:
    [meta] = await house.metas(house.send("results.parent"))
    assert meta.children == (ResultRef(meta.result),)
    [child] = await house.metas(meta.result)
    assert (child.parent_id, child.result) == (meta.task_id, 1)
    assert agrees(house.celery, meta)


async def test_a_saved_group_is_waited_for(house: House) -> None:
    sent = group(house.celery.signature("results.value", args=(number,)) for number in range(3)).apply_async()
    sent.save()
    async with waiting(house.url) as waiter:
        outcome = await waiter.group_ready(sent.id)
    assert outcome is not None
    assert (outcome.is_successful, outcome.results) == (True, [0, 1, 2])
    assert {meta.group_id for meta in outcome.metas.values()} == {sent.id}
    assert outcome.group.task_ids == tuple(one.id for one in sent.results)


async def test_a_chord_is_followed_until_its_body_is_sent(house: House) -> None:
    header = [house.celery.signature("results.value", args=(1,)), house.celery.signature("results.wait")]
    sent = chord(header, house.celery.signature("results.total")).apply_async()
    group_id = sent.parent.id
    async with linked(house.url) as link, waiting(house.url) as waiter:
        results = Results(link)
        await waiter.ready(sent.parent.results[0].id)
        while (state := await results.fetch_chord(group_id)) is None or not state.returned:  # noqa: ASYNC110 - the same
            await anyio.sleep(0.005)
        assert (state.size, state.returned, state.missing, state.callback) == (2, 1, 1, Callback.WAITING)
        assert [(part.task_id, part.state, part.result) for part in state.parts] == [
            (sent.parent.results[0].id, "SUCCESS", 1)
        ]
        house.open_gate()
        body = await waiter.ready(sent.id)
        assert body is not None
        assert (body.state, body.result) == ("SUCCESS", 2)
        after = await results.fetch_chord(group_id)
        assert (
            after is None
            if not house.is_new
            else after is not None and after.callback in (Callback.CLAIMED, Callback.DONE)
        )


async def test_what_the_shim_sent_and_forgot_celerys_client_sees_so(house: House) -> None:
    task_id = f"ours-{next(_numbers)}"
    envelope = build_envelope(
        TaskRequest("results.parent", task_id),
        Target("celery", 0),
        delivery_tag=task_id,
        at=PAST + timedelta(1),
        origin="test",
    )
    async with publishing(house.url) as publisher:
        await publisher.write([Write(None, (envelope,))])
    [meta] = await house.metas(task_id)
    theirs = AsyncResult(task_id, app=house.celery)
    assert (theirs.state, theirs.result) == ("SUCCESS", meta.result)
    assert [child.id for child in theirs.children or ()] == [meta.result]
    async with linked(house.url) as link:
        assert await Results(link).forget([task_id, meta.result]) >= 1
    assert house.celery.backend.get_task_meta(task_id, cache=False) == {"status": "PENDING", "result": None}


async def test_tasks_that_never_ran_or_were_stopped_are_revoked(house: House) -> None:
    expired = house.send("results.value", 1, expires=PAST)
    [meta] = await house.metas(expired)
    assert (meta.state, meta.error) == ("REVOKED", TaskError("TaskRevokedError", "celery.exceptions", ("expired",)))
    stopped = house.send("results.tracked")
    async with waiting(house.url) as waiter, anyio.create_task_group() as tasks:
        told = Told()
        tasks.start_soon(told.updates, waiter, stopped)
        await until(lambda: bool(told.metas))
        assert told.metas[0].state == "STARTED"
        assert told.metas[0].result["hostname"] == house.worker
        house.celery.control.revoke(stopped, terminate=True)
        await told.done.wait()
    assert told.metas[-1].error == TaskError("TaskRevokedError", "celery.exceptions", ("terminated",))
    assert told.metas[-1].children == ()
