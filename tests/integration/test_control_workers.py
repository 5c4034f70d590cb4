"""Every command given to stock workers of 5.7 and 5.3, and its effect."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest
from celery import Celery

from shim.control import (
    Answers,
    Control,
    ScheduledRow,
    found_tasks,
    matching,
    methods,
    only,
    queue_rows,
    registered_names,
    scheduled_rows,
    task_rows,
    worker_stats,
)
from shim.control.arguments import QUEUE_OPTIONS
from shim.transport import RedisTransport
from tests.support.controlling import LONG_S, controlling, everyone, listening, new_id
from tests.support.publishing import until
from tests.support.valkey import ValkeyServer
from tests.support.worker import OLD, Worker, ran

pytestmark = pytest.mark.anyio

RESTARTS = {"CONTROLLED_CONF": json.dumps({"worker_pool_restarts": True})}
APART = {
    "CONTROLLED_CONF": json.dumps(
        {"control_exchange": "ward", "broker_transport_options": {"global_keyprefix": "pre:"}}
    )
}
DATABASE = 5
PAUSE_S = 0.02
"""Between two looks at something that a worker does in its own time."""


class House(NamedTuple):
    """A broker, its workers, and a Celery client that sends them tasks."""

    server: ValkeyServer
    new: Worker
    old: Worker
    scaling: Worker
    apart: Worker
    app: Any

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def apart_url(self) -> str:
        return f"{self.server.url[:-1]}{DATABASE}"

    def send(self, name: str, queue: str, **options: Any) -> str:
        task_id = options.pop("task_id", None) or new_id()
        self.app.send_task(f"recording.{name}", queue=queue, task_id=task_id, **options)
        return str(task_id)

    def state(self, task_id: str) -> str:
        return str(self.app.AsyncResult(task_id).state)

    async def reached(self, task_id: str, state: str) -> None:
        await until(lambda: self.state(task_id) == state)

    async def running(self, task_id: str) -> None:
        await until(lambda: task_id in [one["id"] for one in ran(self.server.client)])


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with ValkeyServer() as server, ExitStack() as stack, ThreadPoolExecutor() as threads:
        common: dict[str, Any] = {"app": "controlled", "concurrency": 2}
        workers = (
            Worker(server.url, queues="new", environment=RESTARTS, **common),
            Worker(server.url, queues="old", environment=RESTARTS, python=OLD, **common),
            Worker(server.url, queues="scaling", arguments=("--autoscale", "2,1"), **common),
            Worker(f"{server.url[:-1]}{DATABASE}", queues="apart", environment=APART, **common),
        )
        list(threads.map(stack.enter_context, workers))
        app = stack.enter_context(Celery("sender", broker=server.url, backend=server.url))
        yield House(server, *workers, app)


@pytest.fixture(params=["new", "old"])
def worker(house: House, request: pytest.FixtureRequest) -> tuple[Worker, str]:
    """A worker of 5.7, one of 5.3, and the queue of each."""
    return getattr(house, request.param), request.param


async def comes(look: Callable[[], Awaitable[Any]], is_so: Callable[[Any], bool]) -> Any:
    """Look until it is so, and give what was seen; the deadline is the control's."""
    while not is_so(seen := await look()):  # noqa: ASYNC110 - a worker sets no event of ours
        await anyio.sleep(PAUSE_S)
    return seen


async def one(control: Control, node: Worker, command: Any) -> Any:
    """Tell one worker, and give its answer."""
    answers = await control.call(command, only(node.name), timeout_s=LONG_S)
    assert (answers.errors, answers.is_complete) == ({}, True)
    return answers.by_node[node.name]


# -- asking -----------------------------------------------------------------------------------------------------------


async def test_each_question_is_answered_by_every_worker(house: House) -> None:
    nodes = tuple(sorted((house.new.name, house.old.name, house.scaling.name)))
    async with controlling(house.url) as control:
        await everyone(control, 3)
        for question in (
            *(methods.ping(), methods.clock(), methods.active(), methods.active(safe=True), methods.reserved()),
            *(methods.scheduled(), methods.registered(), methods.stats(), methods.conf(), methods.revoked()),
            *(methods.active_queues(), methods.query_task("none"), methods.report(), methods.heartbeat()),
        ):
            answers = await control.call(question, timeout_s=LONG_S)
            assert (answers.nodes, answers.errors, answers.is_complete) == (nodes, {}, True), question
            assert answers.heard == answers.expected == 3
        for unknown in (methods.rate_limit("no.such", "1/s"), methods.time_limit("no.such", hard_s=1)):
            answers = await control.call(unknown, timeout_s=LONG_S)
            assert set(answers.errors) == set(nodes)
            assert set(answers.errors.values()) == {"unknown task"}


async def test_workers_are_chosen_by_name_and_by_pattern(house: House) -> None:
    new, old, scaling = house.new.name, house.old.name, house.scaling.name
    async with controlling(house.url) as control:
        await everyone(control, 3)
        for audience, nodes in (
            (only(new), {new}),
            (only(old, scaling), {old, scaling}),
            (matching("w*@test"), {new, old, scaling}),
            (matching(f"{old[:7]}*"), {old}),
            (matching(f"({new[:7]}|{old[:7]})@", "pcre"), {new, old}),
            (matching("nobody"), set()),
        ):
            answers = await control.call(methods.ping(), audience, timeout_s=LONG_S)
            assert set(answers.nodes) == nodes
            assert answers.is_complete
        gone = await control.call(methods.ping(), only(new, "gone@test"), timeout_s=LONG_S)
        assert (gone.nodes, gone.silent) == ((new,), ("gone@test",))


async def test_two_hundred_calls_at_once_get_their_own_answers(house: House) -> None:
    found: list[tuple[str, Answers]] = []
    async with controlling(house.url) as control:
        await everyone(control, 3)

        async def ask(method: Any) -> None:
            found.append((method.method, await control.call(method, timeout_s=LONG_S)))

        async with anyio.create_task_group() as callers:
            for _ in range(100):
                callers.start_soon(ask, methods.ping())
                callers.start_soon(ask, methods.clock())
    assert len(found) == 200
    for name, answers in found:
        assert (len(answers.by_node), answers.is_complete) == (3, True)
        key = {"ping": "ok", "clock": "clock"}[name]
        assert all(value.keys() == {key} for value in answers.by_node.values() if isinstance(value, dict))


async def test_a_prefix_a_database_and_a_namespace_lead_to_the_workers_that_have_them(house: House) -> None:
    options: dict[str, Any] = {"namespace": "ward", "transport": RedisTransport(key_prefix="pre:")}
    async with controlling(house.apart_url, **options) as control:
        assert (await everyone(control, 1)).nodes == (house.apart.name,)
        rows = queue_rows(await control.call(methods.active_queues(), timeout_s=LONG_S))
    assert [row.name for row in rows[house.apart.name]] == ["apart"]


# -- tasks ------------------------------------------------------------------------------------------------------------


async def test_a_running_task_is_seen_and_ended_by_revoke(house: House, worker: tuple[Worker, str]) -> None:
    node, queue = worker
    async with controlling(house.url) as control:
        await everyone(control, 3)
        task_id = house.send("endless", queue)
        await house.running(task_id)
        answers = await control.call(methods.active(), only(node.name), timeout_s=LONG_S)
        [row] = task_rows(answers)[node.name]
        assert (row.task_id, row.name, row.queue, row.is_acknowledged) == (task_id, "recording.endless", queue, True)
        assert row.pid in worker_stats(await control.call(methods.stats(), only(node.name)))[node.name].processes
        query = await control.call(methods.query_task(task_id), only(node.name), timeout_s=LONG_S)
        assert found_tasks(query)[node.name][task_id][0] == "active"
        assert await one(control, node, methods.revoke(task_id)) is not None
        assert house.state(task_id) in ("PENDING", "STARTED")  # only with terminate is a running one ended
        said = await one(control, node, methods.revoke(task_id, terminate=True, signal="SIGKILL"))
        assert said == {"ok": f"terminate: {task_id}"}
        await house.reached(task_id, "REVOKED")
        assert task_id in await one(control, node, methods.revoked())


async def test_terminate_ends_a_running_task(house: House, worker: tuple[Worker, str]) -> None:
    node, queue = worker
    async with controlling(house.url) as control:
        await everyone(control, 3)
        task_id = house.send("endless", queue)
        await house.running(task_id)
        assert await one(control, node, methods.terminate([task_id], signal="TERM")) == {"ok": f"terminate: {task_id}"}
        await house.reached(task_id, "REVOKED")
        unknown = await one(control, node, methods.terminate("no-such-task"))
        assert unknown == {"ok": "terminate: tasks unknown"}


async def test_a_task_revoked_before_it_comes_is_not_run(house: House, worker: tuple[Worker, str]) -> None:
    node, queue = worker
    async with controlling(house.url) as control:
        await everyone(control, 3)
        task_id = new_id()
        await one(control, node, methods.revoke([task_id, new_id()]))
        house.send("tick", queue, task_id=task_id)
        await house.reached(task_id, "REVOKED")
        after = house.send("tick", queue)
        await house.reached(after, "SUCCESS")
        assert task_id not in [row["id"] for row in ran(house.server.client)]


async def test_tasks_are_revoked_by_their_stamps(house: House, worker: tuple[Worker, str]) -> None:
    node, queue = worker
    tenant = new_id()

    def stamped(value: str) -> str:
        task = house.app.signature("recording.tick", queue=queue)
        task.stamp(tenant=value)
        return str(task.apply_async().id)

    async with controlling(house.url) as control:
        await everyone(control, 3)
        said = await one(control, node, methods.revoke_by_stamped_headers({"tenant": [tenant]}))
        assert tenant in said["ok"]
        meant, other = stamped(tenant), stamped("another")
        await house.reached(meant, "REVOKED")
        await house.reached(other, "SUCCESS")


async def test_a_task_that_waits_for_its_time_is_among_the_scheduled(house: House, worker: tuple[Worker, str]) -> None:
    node, queue = worker

    def held(answers: Answers) -> dict[str, ScheduledRow]:
        return {row.task.task_id: row for row in scheduled_rows(answers)[node.name]}

    async with controlling(house.url) as control:
        await everyone(control, 3)
        task_id = house.send("tick", queue, countdown=3600, args=["4711"])
        asked = partial(control.call, methods.scheduled(), only(node.name), timeout_s=LONG_S)
        answers = await comes(asked, lambda answers: task_id in held(answers))
        row = held(answers)[task_id]
        assert row.eta_at is not None
        assert row.task.args == ["4711"]
        assert "4711" not in repr((answers, row))
        await one(control, node, methods.revoke(task_id))


async def test_a_rate_limit_is_set_and_lifted(house: House, worker: tuple[Worker, str]) -> None:
    node, _ = worker
    async with controlling(house.url) as control:
        await everyone(control, 3)
        said = await one(control, node, methods.rate_limit("recording.fail", "10/m"))
        assert said == {"ok": "new rate limit set successfully"}
        assert "recording.fail [rate_limit=10/m]" in await one(control, node, methods.registered())
        await one(control, node, methods.rate_limit("recording.fail", None))
        assert "recording.fail" in await one(control, node, methods.registered())
        answers = await control.call(methods.registered("max_retries"), only(node.name), timeout_s=LONG_S)
        assert "recording.fail" in registered_names(answers)[node.name]


# -- queues -----------------------------------------------------------------------------------------------------------


async def test_a_queue_is_consumed_when_asked_and_left_when_asked(house: House, worker: tuple[Worker, str]) -> None:
    node, queue = worker
    extra = f"extra-{queue}"

    async def consumed() -> set[str]:
        answers = await control.call(methods.active_queues(), only(node.name), timeout_s=LONG_S)
        return {row.name for row in queue_rows(answers)[node.name]}

    async with controlling(house.url) as control:
        await everyone(control, 3)
        assert await one(control, node, methods.add_consumer(extra)) == {"ok": f"add consumer {extra}"}
        await comes(consumed, lambda names: extra in names)
        task_id = house.send("tick", extra)
        await house.reached(task_id, "SUCCESS")
        assert await one(control, node, methods.cancel_consumer(extra)) == {"ok": f"no longer consuming from {extra}"}
        await comes(consumed, lambda names: extra not in names)
        house.send("tick", extra)
        await house.reached(house.send("tick", queue), "SUCCESS")
        assert house.server.client.llen(extra) == 1


@pytest.mark.parametrize("kind", ["direct", "topic", "fanout"])
async def test_no_option_that_is_let_through_harms_a_worker(
    house: House, worker: tuple[Worker, str], kind: str
) -> None:
    """Of an unknown exchange type a 5.3 worker dies, and a 5.7 worker reconnects for ever: neither is let through."""
    node, queue = worker
    flags = ("auto_delete", "durable", "exchange_auto_delete", "exchange_durable", "exclusive", "no_ack", "no_declare")
    options: dict[str, Any] = dict.fromkeys((*flags, "queue_auto_delete", "queue_durable"), True)
    options |= {
        "binding_arguments": {"a": 1},
        "consumer_arguments": {"x-priority": 1},
        "exchange_arguments": {"b": None},
    }
    options |= {"queue_arguments": {"x": 1}, "expires": 60, "message_ttl": 1.5, "max_length": 5, "max_length_bytes": 9}
    options |= {"max_priority": 9}
    assert options.keys() == QUEUE_OPTIONS
    name = f"odd-{kind}-{queue}"
    async with controlling(house.url) as control:
        await everyone(control, 3)
        await one(
            control,
            node,
            methods.add_consumer(name, exchange=f"x-{name}", exchange_type=kind, routing_key="a.#", options=options),
        )
        asked = partial(control.call, methods.active_queues(), only(node.name), timeout_s=LONG_S)
        await comes(asked, lambda answers: name in {row.name for row in queue_rows(answers)[node.name]})
        await one(control, node, methods.cancel_consumer(name))
        await house.reached(house.send("tick", queue), "SUCCESS")
    assert not [line for line in node.lines if "Connection to broker lost" in line or "Unrecoverable" in line]


# -- the pool ---------------------------------------------------------------------------------------------------------


async def processes(control: Control, node: Worker) -> tuple[int, ...]:
    answers = await control.call(methods.stats(), only(node.name), timeout_s=LONG_S)
    return worker_stats(answers)[node.name].processes


def has_ended(pid: int) -> bool:
    """Say whether a process is gone, or a zombie that its worker has yet to collect, which takes it seconds."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_the_pool_grows_and_shrinks(house: House, worker: tuple[Worker, str]) -> None:
    node, _ = worker
    async with controlling(house.url) as control:
        await everyone(control, 3)
        assert len(await processes(control, node)) == 2
        assert await one(control, node, methods.pool_grow(1)) == {"ok": "pool will grow"}
        await comes(partial(processes, control, node), lambda pids: len(pids) == 3)
        grown = await processes(control, node)
        assert await one(control, node, methods.pool_shrink(1)) == {"ok": "pool will shrink"}
        await until(lambda: [has_ended(pid) for pid in grown].count(True) == 1)


async def test_a_worker_that_scales_is_given_other_bounds_and_refuses_to_grow(house: House) -> None:
    node = house.scaling
    async with controlling(house.url) as control:
        await everyone(control, 3)
        assert await one(control, node, methods.autoscale(4, 3)) == {"ok": "autoscale now max=4 min=3"}
        await comes(partial(processes, control, node), lambda pids: len(pids) >= 3)
        for command in (methods.pool_grow(), methods.pool_shrink()):
            answers = await control.call(command, only(node.name), timeout_s=LONG_S)
            assert (answers.by_node, answers.nodes, answers.is_complete) == ({}, (node.name,), True)
            assert "not supported with autoscale" in answers.errors[node.name]
        refused = await control.call(methods.autoscale(4), only(house.new.name, house.old.name), timeout_s=LONG_S)
        assert refused.errors == dict.fromkeys(refused.nodes, "ValueError('Autoscale not enabled')")
        restart = await control.call(methods.pool_restart(), only(node.name), timeout_s=LONG_S)
        assert "Pool restarts not enabled" in restart.errors[node.name]


# -- the worker -------------------------------------------------------------------------------------------------------


async def test_events_are_turned_on_and_off_and_a_heartbeat_is_sent(house: House, worker: tuple[Worker, str]) -> None:
    node, queue = worker

    async def run() -> str:
        task_id = house.send("tick", queue)
        await house.reached(task_id, "SUCCESS")
        await comes(partial(one, control, node, methods.active()), partial(lacks, task_id))  # its last event is out
        return task_id

    async with controlling(house.url) as control:
        await everyone(control, 3)
        with listening(house.server, pattern="/0.celeryev/*") as monitor:
            silent = [await run()]
            assert await one(control, node, methods.enable_events()) == {"ok": "task events enabled"}
            assert await one(control, node, methods.enable_events()) == {"ok": "task events already enabled"}
            told = await run()
            assert await one(control, node, methods.disable_events()) == {"ok": "task events disabled"}
            silent.append(await run())
            assert await one(control, node, methods.heartbeat()) is None

            def seen() -> list[dict[str, Any]]:
                heard = monitor.drain("/0.celeryev/drained")
                return [
                    event for channel, payload in heard if channel != "/0.celeryev/drained" for event in events(payload)
                ]

            await until(lambda: any(event.get("uuid") == told for event in seen()))
            assert not {event.get("uuid") for event in seen()} & set(silent)
            asked = [event for event in seen() if event["type"] == "worker-heartbeat" and event["freq"] == 5]
            assert [event["hostname"] for event in asked] == [node.name]


def lacks(task_id: str, rows: Any) -> bool:
    return task_id not in {row["id"] for row in rows}


def events(payload: bytes) -> list[dict[str, Any]]:
    body = json.loads(b64decode(json.loads(payload)["body"]))
    return body if isinstance(body, list) else [body]


async def test_workers_take_a_time_limit_over_with_a_new_pool_and_end_well_when_told_to(house: House) -> None:
    """Workers of their own, for they are gone afterwards; the others hear it and are not meant.

    They have one process each: a stock worker loses tasks given to one that is about to be replaced.
    """
    with ExitStack() as stack, ThreadPoolExecutor() as threads:
        common: dict[str, Any] = {"app": "controlled", "environment": RESTARTS}
        leaving = {
            "leaving": Worker(house.url, queues="leaving", **common),
            "parting": Worker(house.url, queues="parting", python=OLD, **common),
        }
        list(threads.map(stack.enter_context, leaving.values()))
        async with controlling(house.url) as control:
            await everyone(control, 5)
            for queue, node in leaving.items():
                await one(control, node, methods.time_limit("recording.endless", soft_s=0.2, hard_s=30))
                shown = await one(control, node, methods.registered("soft_time_limit", "time_limit"))
                assert "recording.endless [soft_time_limit=0.2 time_limit=30]" in shown
                before = await processes(control, node)
                assert await one(control, node, methods.pool_restart()) == {"ok": "reload started"}
                await comes(partial(processes, control, node), set(before).isdisjoint)
                task_id = house.send("endless", queue)
                await house.reached(task_id, "FAILURE")
                assert type(house.app.AsyncResult(task_id).result).__name__ == "SoftTimeLimitExceeded"
            assert await control.cast(methods.shutdown(), only(*(node.name for node in leaving.values()))) == 5
            for node in leaving.values():
                assert await anyio.to_thread.run_sync(node.wait_for_exit) == 0
            await comes(partial(control.call, methods.ping(), timeout_s=LONG_S), lambda left: len(left.nodes) == 3)


def test_the_example_of_the_document_runs(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    document = Path(__file__).parents[2] / "docs" / "shim" / "control.md"
    example = document.read_text().split("```python\n")[1].split("```")[0]
    assert "redis://localhost:6379/0" in example
    exec(compile(example.replace("redis://localhost:6379/0", house.url), str(document), "exec"), {})
    shown = capsys.readouterr().out
    assert house.new.name in shown
    assert shown.rstrip().endswith("True")
