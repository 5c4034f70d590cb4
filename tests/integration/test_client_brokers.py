"""Any other broker is sent to and nothing else; what RabbitMQ needs is loaded where it is used alone; what is wrong is named."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from shim.client.carrier import Parcel
from shim.client.foreign_carrier import ForeignCarrier
from shim.errors import BrokerUnavailable, BrokerUrlInvalid, PublishUncertain, RequestInvalid
from shim.foreign import ForeignThread
from shim.request import TaskRequest
from shim.routing import routing_from_conf
from tests.support.builders import site_text, write_site
from tests.support.clients import opened
from tests.support.rabbitmq_publishing import LIMIT_S

pytestmark = [pytest.mark.anyio]
ROOT = Path(__file__).parents[2]
SECRET = "ZZPATIENT"


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
