"""A whole site on RabbitMQ: schedule and HL7 in, a stock worker out, whatever is killed on the way."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from daemon.keys import occurrence_id
from tests.support.builders import adt, framed, site_text, write_site
from tests.support.lockstep import LockstepSender
from tests.support.peer import Peer
from tests.support.process import DaemonProcess, FaultyDaemon, occurrence_us
from tests.support.rabbitmq import RabbitServer, needs_rabbitmq, shared_rabbit
from tests.support.valkey import free_port
from tests.support.worker import Worker

pytestmark = needs_rabbitmq

LIMIT_S = 60.0
STEP_US = 200_000
POINTS = ("outbox.entered", "outbox.confirmed")
QUEUES = ("whole", "kills", "restart", "turns", *(f"point-{point}" for point in POINTS))
TASK = "rabbitmq_app.note"


@dataclass(frozen=True)
class Ran:
    """What the worker wrote down."""

    path: Path

    def lines(self, queue: str) -> list[dict[str, Any]]:
        text = self.path.read_text() if self.path.exists() else ""
        found = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in found if line["queue"] == queue]

    def wait(self, queue: str, is_enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            lines = self.lines(queue)
            if is_enough(lines):
                return lines
            time.sleep(0.05)
        found = self.lines(queue)
        message = f"{len(found)} runs in {queue}, {len(controls(found))} of messages, within {LIMIT_S} s"
        raise AssertionError(message)


@pytest.fixture(scope="module")
def rabbit() -> RabbitServer:
    return shared_rabbit()


@pytest.fixture(scope="module")
def ran(rabbit: RabbitServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """One worker for all sites of this module, each with a queue of its own."""
    path = tmp_path_factory.mktemp("ran") / "lines"
    environment = {"RAN_FILE": str(path)}
    with Worker(rabbit.url, queues=",".join(QUEUES), app="rabbitmq_app", environment=environment):
        yield Ran(path)


def site_file(folder: Path, rabbit: RabbitServer, queue: str, *, port: int = 0, schedule: bool = True) -> Path:
    """Write a site with a bell every 200 ms and a feed, named after its queue."""
    bell = f'[schedule.bell]\ntask = "{TASK}"\nevery = "200ms"\ncatch_up = "all"\n'
    feed = f'[feed.adt]\nlisten = "127.0.0.1:{port}"\n[[feed.adt.route]]\ntype = "ADT"\ntask = "{TASK}"\n'
    folder.mkdir(exist_ok=True)
    text = site_text(
        name=queue,
        broker_url=rabbit.url,
        celery=f'task_default_queue = "{queue}"',
        schedule=bell if schedule else "",
        feeds=feed,
    )
    return write_site(folder, text)


def controls(lines: list[dict[str, Any]]) -> list[str]:
    """Give the control ids of the messages that ran, each once, in the order of their first run."""
    found = {line["id"]: line["kwargs"]["message"]["control_id"] for line in lines if "message" in line["kwargs"]}
    return list(found.values())


def occurrences(site: str, lines: list[dict[str, Any]], first_us: int, last_us: int) -> tuple[set[str], set[str]]:
    """Give the ids of the bell's occurrences that were planned, and of those that ran."""
    planned = {occurrence_id(site, "bell", at_us) for at_us in range(first_us, last_us + 1, STEP_US)}
    return planned, planned & {line["id"] for line in lines}


def has_run(site: str, last_us: int) -> Callable[[list[dict[str, Any]]], bool]:
    wanted = occurrence_id(site, "bell", last_us)
    return lambda lines: any(line["id"] == wanted for line in lines)


def rung(daemon: DaemonProcess, after_us: int = 0) -> int:
    """Wait for an occurrence after an instant, and give it."""
    return occurrence_us(
        daemon.wait_until(
            lambda one: one.get("action") == "occurrence.enqueued" and occurrence_us(one) > after_us,
            f"an occurrence after {after_us}",
        )
    )


def latest(daemon: DaemonProcess) -> int:
    """Give the last occurrence the daemon has told of."""
    told = [occurrence_us(one) for one in list(daemon.records) if one.get("action") == "occurrence.enqueued"]
    return max(told, default=0)


def numbered(count: int) -> list[bytes]:
    return [adt(f"M{number:05d}") for number in range(count)]


def test_a_stock_worker_runs_what_the_schedule_and_a_feed_hand_it(
    rabbit: RabbitServer, ran: Ran, tmp_path: Path
) -> None:
    site = site_file(tmp_path, rabbit, "whole")
    with DaemonProcess(site, "--log-level", "debug") as daemon:
        first = rung(daemon.ready())
        assert daemon.get("/readyz")[0] == 200
        with Peer(daemon.port()) as sender:
            sender.send(framed(adt("M1"), adt("M2", event="A02")))
            assert [ack.code for ack in sender.acks(2)] == ["AA", "AA"]
        last = rung(daemon, first + 5 * STEP_US)
        lines = ran.wait("whole", lambda found: has_run("whole", last)(found) and len(controls(found)) == 2)
        assert daemon.terminate() == 0
    planned, done = occurrences("whole", lines, first, last)
    assert planned == done
    assert controls(lines) == ["M1", "M2"]
    [message] = [one["kwargs"]["message"] for one in lines if "M1" in controls([one])]
    assert message["text"].encode() == adt("M1")
    assert max(Counter(line["id"] for line in lines).values()) == 1
    assert {line["celery"] for line in lines} == {"5.7.0"}


def test_killed_again_and_again_every_acknowledged_message_and_every_occurrence_arrives(
    rabbit: RabbitServer, ran: Ran, tmp_path: Path
) -> None:
    port, messages = free_port(), numbered(150)
    site = site_file(tmp_path, rabbit, "kills", port=port)
    with (
        DaemonProcess(site, "--log-level", "debug") as daemon,
        LockstepSender(lambda: port, messages) as sender,
    ):
        first = rung(daemon.ready())
        for kill in range(4):
            sender.wait_acked((kill + 1) * len(messages) // 6)
            daemon.kill()
            daemon.start()
        sender.wait_done()
        last = rung(daemon, latest(daemon))
        lines = ran.wait("kills", lambda found: has_run("kills", last)(found) and len(controls(found)) == len(messages))
        assert daemon.terminate() == 0
    judge("kills", lines, first, last, messages)


@pytest.mark.parametrize("point", POINTS)
def test_killed_where_a_message_could_be_lost_or_doubled_it_arrives_under_one_id(
    rabbit: RabbitServer, ran: Ran, tmp_path: Path, point: str
) -> None:
    queue, port, messages = f"point-{point}", free_port(), numbered(60)
    site = site_file(tmp_path, rabbit, queue, port=port, schedule=False)
    with FaultyDaemon(site, point, 3) as faulty, LockstepSender(lambda: port, messages) as sender:
        assert faulty.process is not None
        assert faulty.process.wait(LIMIT_S) == -9
        with DaemonProcess(site) as daemon:
            daemon.ready()
            sender.wait_done()
            lines = ran.wait(queue, lambda found: len(controls(found)) == len(messages))
            assert daemon.terminate() == 0
    assert controls(lines) == [f"M{number:05d}" for number in range(len(messages))]
    assert len(message_ids(lines)) == len(messages)


def test_a_broker_that_is_killed_and_comes_back_has_cost_nothing(
    rabbit: RabbitServer, ran: Ran, tmp_path: Path
) -> None:
    messages = numbered(120)
    site = site_file(tmp_path, rabbit, "restart")
    with DaemonProcess(site, "--log-level", "debug") as daemon:
        first, port = rung(daemon.ready()), daemon.port()
        with LockstepSender(lambda: port, messages) as sender:
            sender.wait_acked(40)
            rabbit.kill()
            daemon.wait_for("broker.lost")
            sender.wait_acked(80)
            rabbit.start()
            daemon.wait_until(lambda one: one.get("action") == "broker.up" and one["down_s"] > 0, "broker up again")
            sender.wait_done()
        assert sender.attempts == len(messages)
        last = rung(daemon, latest(daemon))
        lines = ran.wait(
            "restart", lambda found: has_run("restart", last)(found) and len(controls(found)) == len(messages)
        )
        assert daemon.terminate() == 0
    judge("restart", lines, first, last, messages)


def test_a_second_daemon_stands_by_and_goes_on_where_the_first_was_killed(
    rabbit: RabbitServer, ran: Ran, tmp_path: Path
) -> None:
    one = DaemonProcess(site_file(tmp_path / "one", rabbit, "turns"), "--log-level", "debug")
    two = DaemonProcess(site_file(tmp_path / "two", rabbit, "turns"), "--log-level", "debug")
    with ExitStack() as running:
        running.enter_context(one).ready().wait_for("broker.up")
        running.enter_context(two).ready().wait_for("broker.lost", code="site-taken")
        first = rung(one)
        assert [daemon.get("/readyz")[0] for daemon in (one, two)] == [200, 503]
        with Peer(two.port()) as sender:  # what it has acknowledged does not wait for its turn
            sender.send(framed(adt("M00000")))
            assert [ack.code for ack in sender.acks(1)] == ["AA"]
        ran.wait("turns", lambda found: len(controls(found)) == 1)
        rung(one, first + 10 * STEP_US)
        assert not [record for record in two.records if record.get("action") == "occurrence.enqueued"]
        one.kill()
        two.wait_for("broker.up")
        taken = rung(two)
        one.start()
        one.ready().wait_for("broker.lost", code="site-taken")
        last = rung(two, taken + 10 * STEP_US)
        assert two.terminate() == 0
        last = rung(one, last)
        lines = ran.wait("turns", has_run("turns", last))
        assert one.terminate() == 0
    judge("turns", lines, first, last, numbered(1))


def judge(site: str, lines: list[dict[str, Any]], first_us: int, last_us: int, messages: list[bytes]) -> None:
    """Have everything arrived, in order where there is one, and nothing under two ids."""
    planned, done = occurrences(site, lines, first_us, last_us)
    assert planned == done
    assert controls(lines) == [f"M{number:05d}" for number in range(len(messages))]
    assert len(message_ids(lines)) == len(messages)
    around, _ = occurrences(site, lines, first_us - 300 * STEP_US, last_us + 300 * STEP_US)
    assert {line["id"] for line in lines} <= around | message_ids(lines)


def message_ids(lines: list[dict[str, Any]]) -> set[str]:
    return {line["id"] for line in lines if "message" in line["kwargs"]}
