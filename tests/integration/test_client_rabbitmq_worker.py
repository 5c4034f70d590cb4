"""The client beside a stock worker on RabbitMQ: what it sends is run, what it asks is answered, what waits is counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from shim.amqp.envelope import Delivery
from shim.client import BrokerKind, open_client
from shim.client.amqp_desk import queued_message
from shim.control import matching, methods, only
from shim.errors import BrokerUnavailable, RequestInvalid
from shim.events import EventState
from tests.support.builders import site_text, write_site
from tests.support.clients import opened
from tests.support.command import carillon
from tests.support.publishing import until
from tests.support.rabbitmq import RabbitServer, drained_ids, needs_rabbitmq, shared_rabbit
from tests.support.rabbitmq_publishing import LIMIT_S, TASK, queue_name
from tests.support.worker import Worker

pytestmark = [pytest.mark.anyio]
QUEUE = "ward"
SECRET = "ZZPATIENT"


@pytest.fixture
def rabbit() -> RabbitServer:
    return shared_rabbit()


@dataclass(frozen=True)
class Ward:
    """A worker on RabbitMQ that writes down what it ran."""

    url: str
    worker: str
    ran: Path

    def lines(self, task_id: str) -> list[dict[str, Any]]:
        text = self.ran.read_text() if self.ran.exists() else ""
        found = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in found if line["id"] == task_id]

    async def run_of(self, task_id: str) -> dict[str, Any]:
        with anyio.fail_after(LIMIT_S):
            await until(lambda: bool(self.lines(task_id)))
        return self.lines(task_id)[0]


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    server = shared_rabbit()
    ran = tmp_path_factory.mktemp("ward") / "ran"
    worker = Worker(server.url, queues=QUEUE, app="rabbitmq_app", environment={"RAN_FILE": str(ran)})
    with worker:
        yield Ward(server.url, worker.name, ran)


@needs_rabbitmq
async def test_a_worker_runs_what_is_sent_with_its_options(ward: Ward) -> None:
    async with opened(ward.url, task_default_queue=QUEUE) as client:
        assert (client.kind, client.has_control, client.sends_once) == (BrokerKind.AMQP, True, False)
        sent = await client.send(TASK, [1, "zwei"], {"three": 3}, priority=4, time_limit=30, headers={"mine": "x"})
    line = await ward.run_of(sent.task_id)
    assert (line["args"], line["kwargs"], line["priority"]) == ([1, "zwei"], {"three": 3}, 4)
    assert (line["queue"], sent.queues, line["timelimit"][0]) == (QUEUE, (QUEUE,), 30)
    assert line["custom"]["mine"] == "x"


# -- control -----------------------------------------------------------------------------------------------------------


@needs_rabbitmq
async def test_workers_answer_to_all_by_name_and_by_pattern(ward: Ward) -> None:
    async with opened(ward.url) as client:
        everyone = await client.control.call(methods.ping(), timeout_s=0.5)
        named = await client.control.call(methods.ping(), only(ward.worker, "nobody@nowhere"), timeout_s=0.5)
        alone = await client.control.call(methods.active_queues(), only(ward.worker), timeout_s=LIMIT_S)
        like = await client.control.call(methods.ping(), matching("w*@test"), timeout_s=0.5)
        assert await client.control.cast(methods.heartbeat()) == 1
    assert everyone.by_node == {ward.worker: {"ok": "pong"}}
    assert not everyone.is_complete  # nobody can know
    assert (named.by_node, named.silent) == ({ward.worker: {"ok": "pong"}}, ("nobody@nowhere",))
    assert alone.is_complete
    assert like.nodes == (ward.worker,)


async def test_control_of_a_broker_that_is_away_ends() -> None:
    async with opened("amqp://127.0.0.1:1//") as client:
        with pytest.raises(BrokerUnavailable):
            await client.control.call(methods.ping(), timeout_s=0.2)


@needs_rabbitmq
async def test_another_namespace_has_other_workers(ward: Ward) -> None:
    async with opened(ward.url, control_exchange=queue_name()) as client:
        answers = await client.control.call(methods.ping(), timeout_s=0.5)
        assert (answers.by_node, await client.control.cast(methods.heartbeat())) == ({}, 0)


# -- queues ------------------------------------------------------------------------------------------------------------


@needs_rabbitmq
async def test_queues_are_counted_looked_into_and_emptied(ward: Ward, rabbit: RabbitServer) -> None:
    name, absent = queue_name(), queue_name()
    at = datetime.now(UTC) + timedelta(days=1)  # noqa: TID251 - a day that is to come
    async with opened(ward.url) as client:
        sent = await client.send("app.task", [SECRET], queue=name, eta=at, retries=2)
        await client.send("app.other", queue=name)
        backlogs = await client.queues.backlogs([name, QUEUE, absent, name])
        assert list(backlogs.by_queue) == [name, QUEUE, absent]
        waiting = backlogs.by_queue[name]
        assert (waiting.waiting, waiting.by_step, waiting.unacked, waiting.is_unserved) == (2, (2,), None, True)
        assert (backlogs.by_queue[QUEUE].consumers, backlogs.by_queue[QUEUE].is_unserved) == (None, False)
        assert (backlogs.by_queue[absent].waiting, backlogs.by_queue[absent].is_unserved) == (0, True)
        assert not backlogs.is_unacked_complete
        for _ in range(2):
            first, second = await client.queues.peek(name)
            assert (first.task, first.task_id, first.retries) == ("app.task", sent.task_id, 2)
            assert datetime.fromisoformat(first.eta_at or "") == at
            assert second.task == "app.other"
            assert SECRET not in repr(first)
        assert [one.task for one in await client.queues.peek(name, 1)] == ["app.task"]
        assert await client.queues.peek(absent) == []
        purged = await client.queues.purge(name, token=None)
        assert (purged.count, purged.token) == (2, "")
        assert (await client.queues.purge(absent, token=None)).count == 0
    assert drained_ids(rabbit, name) == []


async def test_what_rabbitmq_cannot_do_with_queues_is_refused_with_a_sentence() -> None:
    async with opened("amqp://127.0.0.1:1//") as client:
        queues = client.queues
        with pytest.raises(RequestInvalid, match="cannot set messages aside"):
            await queues.purge("q", token="t")
        with pytest.raises(RequestInvalid, match="cannot set messages aside"):
            await queues.restore("q", "t")
        with pytest.raises(RequestInvalid, match="cannot move messages"):
            await queues.move("q", "r")
        for count in (0, 101):
            with pytest.raises(RequestInvalid, match="can be shown"):
                await queues.peek("q", count)
        with pytest.raises(RequestInvalid, match="follows those of Redis"):
            client.events(EventState())


@pytest.mark.parametrize("headers", [{}, {"task": 5, "id": None, "eta": 1, "retries": "x"}, {"task": ""}])
def test_a_message_of_any_form_can_be_shown(headers: dict[str, Any]) -> None:
    shown = queued_message(Delivery("", "q", "", headers, SECRET.encode()))
    assert (shown.is_readable, shown.task_id, shown.retries, shown.eta_at) == (False, "", 0, None)
    assert SECRET not in repr(shown)


@needs_rabbitmq
async def test_a_client_that_is_closed_leaves_no_connection(ward: Ward, rabbit: RabbitServer) -> None:
    name = queue_name()
    settings = {"broker_url": ward.url, "task_default_queue": name}
    with anyio.fail_after(LIMIT_S):
        async with open_client(settings, client_name=name) as client:
            await client.send("app.task")
            await client.control.call(methods.ping(), timeout_s=0.2)
            await client.queues.backlogs([name])
            assert connections(rabbit, name) >= 3
        await until(lambda: connections(rabbit, name) == 0)


def connections(rabbit: RabbitServer, name: str) -> int:
    return rabbit.control("--silent", "list_connections", "client_properties").count(name)


# -- commands ----------------------------------------------------------------------------------------------------------


@needs_rabbitmq
def test_the_commands_work_beside_a_worker(ward: Ward, tmp_path: Path) -> None:
    far = queue_name()
    celery = f'task_default_queue = "{QUEUE}"\ntask_queues = ["{QUEUE}", "{far}"]'
    site = write_site(tmp_path, site_text(broker_url=ward.url, celery=celery))

    def ask(*words: str, expect: int = 0) -> str:
        done = carillon(*words[:2], "-c", site, *words[2:])
        assert done.returncode == expect, (done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    sent = carillon("send", "-c", site, TASK, "--args", f'["{SECRET}"]', "--queue", far)
    assert sent.returncode == 0, sent.stderr
    task_id = sent.stdout.strip()
    [row] = json.loads(ask("workers", "list", "--json").splitlines()[0])["workers"]
    assert (row["name"], row["queues"]) == (ward.worker, [QUEUE])
    assert "pong" in ask("workers", "ping", "-d", ward.worker)
    shown = ask("queues", "peek", far)
    assert task_id in shown
    assert SECRET not in shown
    rows = {one["name"]: one for one in json.loads(ask("queues", "list", "--json", expect=1).splitlines()[0])["queues"]}
    assert (rows[far]["state"], rows[far]["waiting"], rows[far]["unacked"]) == ("no consumer", 1, None)
    assert (rows[QUEUE]["state"], rows[QUEUE]["consumers"]) == ("ok", [ward.worker])
    assert "cannot set messages aside" in ask("queues", "purge", far, "--yes", expect=65)
    assert "1 message taken out" in ask("queues", "purge", far, "--destroy", "--confirm", far)
    assert "STATE" in ask("tasks", "list")
