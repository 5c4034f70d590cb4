"""The client on RabbitMQ: stock workers run what it sends and answer what it asks, and Celery finds its own declarations."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from celery import Celery

from shim.amqp.envelope import Delivery
from shim.client import BrokerKind, Call, Client, open_client
from shim.client.amqp_desk import queued_message
from shim.client.carrier import Parcel
from shim.client.foreign_carrier import ForeignCarrier
from shim.control import matching, methods, only
from shim.errors import (
    BrokerRefused,
    BrokerUnavailable,
    BrokerUrlInvalid,
    PublishUncertain,
    RequestInvalid,
)
from shim.events import EventState
from shim.foreign import ForeignThread
from shim.request import TaskRequest
from shim.routing import routing_from_conf
from tests.support.builders import site_text, write_site
from tests.support.command import carillon
from tests.support.publishing import until
from tests.support.rabbitmq import RabbitServer, drain, drained_ids, needs_rabbitmq, shared_rabbit
from tests.support.rabbitmq_publishing import LIMIT_S, TASK, queue_name
from tests.support.worker import Worker

pytestmark = [pytest.mark.anyio]

ROOT = Path(__file__).parents[2]
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


@asynccontextmanager
async def opened(url: str, **conf: Any) -> AsyncIterator[Client]:
    with anyio.fail_after(LIMIT_S):
        async with open_client({"broker_url": url, **conf}) as client:
            yield client


# -- sending -----------------------------------------------------------------------------------------------------------


@needs_rabbitmq
async def test_a_worker_runs_what_is_sent_with_its_options(ward: Ward) -> None:
    async with opened(ward.url, task_default_queue=QUEUE) as client:
        assert (client.kind, client.has_control, client.sends_once) == (BrokerKind.AMQP, True, False)
        sent = await client.send(TASK, [1, "zwei"], {"three": 3}, priority=4, time_limit=30, headers={"mine": "x"})
    line = await ward.run_of(sent.task_id)
    assert (line["args"], line["kwargs"], line["priority"]) == ([1, "zwei"], {"three": 3}, 4)
    assert (line["queue"], sent.queues, line["timelimit"][0]) == (QUEUE, (QUEUE,), 30)
    assert line["custom"]["mine"] == "x"


@needs_rabbitmq
async def test_many_calls_keep_their_order(rabbit: RabbitServer) -> None:
    queue = queue_name()
    async with opened(rabbit.url) as client:
        sent = await client.send_many([Call("app.task", [number], {}, {"queue": queue}) for number in range(300)])
    assert drained_ids(rabbit, queue) == [one.task_id for one in sent]


@needs_rabbitmq
async def test_a_broker_that_is_away_is_named_without_its_password() -> None:
    async with opened("amqp://user:s3cret@127.0.0.1:1//") as client:
        with pytest.raises(BrokerUnavailable) as caught:
            await client.send("app.task")
    assert "s3cret" not in str(caught.value)


@needs_rabbitmq
async def test_a_queue_that_may_not_be_made_is_refused(rabbit: RabbitServer) -> None:
    name = queue_name()
    async with opened(rabbit.url, task_queues=[name], task_create_missing_queues=False) as client:
        with pytest.raises(RequestInvalid, match="not in task_queues"):
            await client.send("app.task", queue="other")
        await client.send("app.task", queue=name)
    assert len(drained_ids(rabbit, name)) == 1


@needs_rabbitmq
async def test_a_queue_of_another_form_is_named(rabbit: RabbitServer) -> None:
    name = queue_name()
    async with opened(rabbit.url, task_queues=[{"name": name}]) as client:
        await client.send("app.task", queue=name)
    async with opened(rabbit.url, task_queues=[{"name": name, "max_priority": 9}]) as client:
        with pytest.raises(BrokerRefused, match=f"{name}.*another form"):
            await client.send("app.task", queue=name)


CONFS = [
    pytest.param({}, id="plain"),
    pytest.param({"task_create_missing_queue_type": "quorum"}, id="quorum"),
    pytest.param({"task_create_missing_queue_exchange_type": "topic"}, id="topic"),
    pytest.param(
        {"task_create_missing_queue_type": "quorum", "task_create_missing_queue_exchange_type": "topic"},
        id="quorum and topic",
    ),
    pytest.param({"task_default_queue_type": "quorum"}, id="a default queue of quorum"),
    pytest.param({"task_default_exchange_type": "topic", "task_default_routing_key": "a.b"}, id="a topic by default"),
]


@needs_rabbitmq
@pytest.mark.parametrize("conf", CONFS)
@pytest.mark.parametrize("order", [("shim", "celery"), ("celery", "shim")], ids=" then ".join)
async def test_queues_are_declared_as_celery_declares_them(
    rabbit: RabbitServer, conf: dict[str, Any], order: tuple[str, str]
) -> None:
    """Whoever comes second meets a queue made by the other; RabbitMQ refuses a declaration that differs."""
    default, other = queue_name(), queue_name()
    settings = {"task_default_queue": default, "broker_transport_options": {"confirm_publish": True}, **conf}
    app = Celery(broker=rabbit.url, set_as_current=False)
    app.conf.update(settings)
    queues = [default] if "task_default_queue_type" in conf else [default, other]
    for sender in order:
        for queue in queues:
            if sender == "celery":
                app.send_task("app.task", task_id=f"celery-{queue}", queue=queue)
            else:
                async with opened(rabbit.url, **settings) as client:
                    await client.send("app.task", task_id=f"shim-{queue}", queue=queue)
    app.close()
    for queue in queues:
        assert drained_ids(rabbit, queue) == [f"{sender}-{queue}" for sender in order]


@needs_rabbitmq
async def test_an_exchange_gives_copies_to_the_queues_that_are_bound(rabbit: RabbitServer) -> None:
    exchange, one, two = queue_name(), queue_name(), queue_name()
    common = {"exchange": exchange, "exchange_type": "topic"}
    queues = [{"name": one, "routing_key": "lab.#", **common}, {"name": two, "routing_key": "lab.*", **common}]
    async with opened(rabbit.url, task_queues=queues) as client:
        await client.send("app.task", task_id="first", queue=one)
        await client.send("app.task", task_id="second", queue=two)
        sent = await client.send("app.task", task_id="both", exchange=exchange, routing_key="lab.x")
    assert sorted(sent.queues) == sorted([one, two])
    assert drained_ids(rabbit, one) == ["first", "second", "both"]
    assert drained_ids(rabbit, two)[-2:] == ["second", "both"]


@needs_rabbitmq
async def test_transient_is_what_the_application_says(rabbit: RabbitServer) -> None:
    queue = queue_name()
    async with opened(rabbit.url, task_default_queue=queue, task_default_delivery_mode=1) as client:
        await client.send("app.task")
        await client.send("app.task", delivery_mode=2)
    assert [one.properties["delivery_mode"] for one in drain(rabbit, queue)] == [1, 2]


@needs_rabbitmq
async def test_a_delay_is_kept_by_the_broker_for_a_queue_that_can(rabbit: RabbitServer) -> None:
    """A queue nobody declared, of a type that comes from the settings, takes the ladder of delays as declared ones do."""
    queue = queue_name()
    conf = {"task_create_missing_queue_type": "quorum", "task_create_missing_queue_exchange_type": "topic"}
    async with opened(rabbit.url, **conf, broker_native_delayed_delivery_queue_type="quorum") as client:
        await client.send("app.task", task_id="late", queue=queue, countdown=2)
        await client.send("app.task", task_id="now", queue=queue)
        found: list[str] = []

        def look() -> bool:
            found.extend(drained_ids(rabbit, queue))
            return len(found) > 1

        await until(look)
    assert found == ["now", "late"]


@needs_rabbitmq
async def test_sent_events_tell_of_what_was_taken_and_of_nothing_else(rabbit: RabbitServer) -> None:
    exchange, heard, queue = queue_name(), queue_name(), queue_name()
    with rabbit.connection() as connection:
        channel = connection.channel()
        channel.exchange_declare(exchange, "topic", durable=True, auto_delete=False)
        channel.queue_declare(heard, durable=True, auto_delete=False)
        channel.queue_bind(heard, exchange, "#")
    conf = {"task_send_sent_event": True, "event_exchange": exchange}
    async with opened(rabbit.url, **conf, task_queues=[{"name": queue}]) as client:
        sent = await client.send("app.task", [SECRET], queue=queue)
    async with opened(rabbit.url, **conf, task_queues=[{"name": queue, "max_priority": 3}]) as client:
        with pytest.raises(BrokerRefused):
            await client.send("app.task", queue=queue, task_id="refused")
    [event] = drain(rabbit, heard)
    body = json.loads(event.body)
    assert (body["type"], body["uuid"], body["queue"]) == ("task-sent", sent.task_id, queue)
    assert event.delivery_info["routing_key"] == "task.sent"
    assert SECRET not in event.body


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


# -- other brokers, and what need not be installed -----------------------------------------------------------------------


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    folder = tmp_path / "mail"
    folder.mkdir()
    return folder


async def test_any_other_broker_is_sent_to_and_nothing_else(tmp_path: Path, mailbox: Path) -> None:
    folders = {"data_folder_in": str(mailbox), "data_folder_out": str(mailbox), "control_folder": str(tmp_path)}
    async with opened("filesystem://", broker_transport_options=folders) as client:
        await client.send("app.task", [1])
        with pytest.raises(RequestInvalid, match="control: this broker is spoken to for sending only"):
            _ = client.control
        with pytest.raises(RequestInvalid, match="queues: this broker is spoken to for sending only"):
            _ = client.queues
        assert not client.has_control
    assert len(files_in(mailbox)) == 1


async def test_what_another_broker_did_not_take_is_named_and_may_be_there() -> None:
    folders = {"data_folder_in": "/nonexistent/in", "data_folder_out": "/nonexistent/out"}
    async with opened("filesystem://", broker_transport_options=folders) as client:
        with pytest.raises(PublishUncertain, match="filesystem: 0 of 1 messages were surely sent"):
            await client.send("app.task", [SECRET])


async def test_a_library_that_hangs_leaves_it_uncertain() -> None:
    """What it began it may still do; what waits behind it surely never ran."""
    hanging = threading.Event()
    thread: ForeignThread[Any] = ForeignThread(hanging.wait, lambda _: None)
    async with thread:
        carrier = ForeignCarrier(thread, name="sqs")
        routed = routing_from_conf({}).route("app.task")
        parcel = Parcel(TaskRequest("app.task", "id"), routed)
        with pytest.raises(PublishUncertain, match="sqs: no answer in time"):
            await carrier.send([parcel], once=None, timeout_s=0.1)
        with pytest.raises(BrokerUnavailable, match="sqs: nothing was sent"):
            await carrier.send([parcel], once=None, timeout_s=0.1)
        hanging.set()


def run_python(text: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_process_on_redis_loads_nothing_of_rabbitmq() -> None:
    text = """
import sys, anyio
import daemon.composition, daemon.cli.queues, daemon.cli.send, daemon.cli.workers
from daemon.clock import SystemClock
from daemon.dispatch import CelerySide, check_addresses, check_items, make_dispatcher
from daemon.public import Public
from pathlib import Path
from shim.client import open_client

async def main():
    conf = {"broker_url": "redis://127.0.0.1:1/0"}
    side = CelerySide(conf)
    make_dispatcher(side, site=Public("s"), state_dir=Path("."), clock=SystemClock(), emit=print)
    assert check_addresses(conf) == [] == check_items(side, [])
    async with open_client(conf) as client:
        client.control, client.queues
        try:
            await client.send("app.task", timeout_s=0.1)
        except Exception as error:
            print(type(error).__name__)

anyio.run(main)
print(sorted(name for name in sys.modules if name.startswith(("aiormq", "pamqp", "aio_pika", "shim.amqp"))))
"""
    assert run_python(text).split() == ["BrokerUnavailable", "[]"]


def test_without_the_extra_rabbitmq_is_refused_with_what_to_install(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(broker_url="amqp://h//", schedule='[schedule.a]\ntask="t"\nevery="1h"\n'))
    text = f"""
import sys, anyio
sys.modules["aiormq"] = None
from daemon.site import check_site
from pathlib import Path
from shim.client import open_client
from shim.errors import BrokerUrlInvalid

async def main():
    async with open_client({{"broker_url": "amqp://h//"}}) as client:
        for use in (lambda: client.control, lambda: client.queues, client._carry):
            try:
                use()
            except BrokerUrlInvalid as error:
                print(error, error.hint)

anyio.run(main)
[problem] = check_site(Path({str(site)!r}), {{}}).problems
print(problem.problem.message, problem.problem.hint)
"""
    lines = run_python(text).splitlines()
    assert lines == ["RabbitMQ needs the extra amqp (aiormq is missing) pip install 'carillond[amqp]'"] * 4


@pytest.mark.parametrize(
    "conf",
    [
        {"task_create_missing_queue_type": "stream"},
        {"task_default_queue_type": "stream"},
        {"broker_native_delayed_delivery_queue_type": "stream"},
    ],
)
async def test_a_type_of_queue_nobody_knows_is_refused(conf: dict[str, Any]) -> None:
    async with opened("amqp://127.0.0.1:1//", **conf) as client:
        with pytest.raises(RequestInvalid, match="'stream' is no type of queue"):
            await client.send("app.task")


async def test_an_address_that_is_none_is_refused() -> None:
    async with opened("amqp://h:port//") as client:
        with pytest.raises(BrokerUrlInvalid):
            await client.send("app.task")


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
