"""``carillon tasks``, ``workers`` and ``queues``, typed beside a stock worker."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import site_text, write_site
from tests.support.command import carillon
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker

LIMIT_S = 60.0


@dataclass(frozen=True)
class Ward:
    """A site, its broker and one worker with two processes, which takes from two queues."""

    site: Path
    server: ValkeyServer
    worker: str

    def ask(self, *words: str, expect: int = 0) -> str:
        """Run a command and give what it printed."""
        done = carillon(*words[:2], "-c", self.site, *words[2:])
        assert done.returncode == expect, (done.returncode, done.stdout, done.stderr)
        return done.stdout

    def read(self, *words: str, expect: int = 0) -> Any:
        return json.loads(self.ask(*words, "--json", expect=expect))

    def send(self, task: str, *more: str) -> str:
        done = carillon("send", "-c", self.site, task, *more)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def wait_for_state(self, task_id: str, state: str) -> Any:
        deadline = time.monotonic() + LIMIT_S
        found: dict[str, Any] = {"state": "never asked for"}
        while time.monotonic() < deadline:
            [found] = json.loads(carillon("tasks", "show", "-c", self.site, task_id, "--json").stdout)
            if found["state"] == state:
                return found
        message = f"{task_id} is {found['state']}, not {state}"
        raise AssertionError(message)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    with ValkeyServer() as server:
        celery = f'result_backend = "{server.url}"\ntask_routes = {{ "far.*" = {{ queue = "far", priority = 6 }} }}'
        text = site_text(
            broker_url=server.url, celery=celery, schedule='[schedule.a]\ntask = "far.run"\nevery = "1h"\n'
        )
        site = write_site(tmp_path_factory.mktemp("ward"), text)
        with Worker(server.url, queues="celery,near", concurrency=2):
            [found] = json.loads(carillon("workers", "list", "-c", site, "--json").stdout)["workers"]
            yield Ward(site, server, found["name"])


def test_a_worker_is_listed_with_what_it_takes_and_holds(ward: Ward) -> None:
    found = ward.read("workers", "list")
    [row] = found["workers"]
    assert found["complete"]
    assert (row["queues"], row["slots"], row["celery"][:2]) == (["celery", "near"], 2, "5.")
    assert "recording.tick" in row["tasks"]
    lines = ward.ask("workers", "list").splitlines()
    assert [line.split("\t")[0] for line in lines] == ["NAME", ward.worker]
    assert "recording.tick" in ward.ask("workers", "show", ward.worker)


def test_a_worker_that_does_not_exist_is_a_negative_answer(ward: Ward) -> None:
    assert carillon("workers", "show", "-c", ward.site, "nobody@nowhere", "--timeout", "0.3").returncode == 1
    done = carillon("workers", "ping", "-c", ward.site, "-d", "nobody@nowhere", "--timeout", "0.3")
    assert (done.returncode, "nobody@nowhere\tsilent" in done.stdout) == (1, True)


def test_workers_can_be_chosen_by_pattern(ward: Ward) -> None:
    assert ward.read("workers", "ping", "--match", "w*@test")["ok"] == {ward.worker: {"ok": "pong"}}
    assert ward.read("workers", "ping", "--match", "z*", "--timeout", "0.3", expect=1)["ok"] == {}


def test_a_running_task_is_shown_and_ended(ward: Ward) -> None:
    task_id = ward.send("recording.endless")
    found = ward.wait_for_state(task_id, "active")
    assert found["worker"] == ward.worker
    [row] = [one for one in ward.read("tasks", "list", "--state", "active")["tasks"] if one["task_id"] == task_id]
    assert (row["name"], row["queue"]) == ("recording.endless", "celery")
    done = carillon("tasks", "cancel", "-c", ward.site, task_id, "--terminate")
    assert (done.returncode, "--yes is needed" in done.stderr) == (64, True)
    ward.ask("tasks", "cancel", task_id, "--terminate", "--yes")
    assert ward.wait_for_state(task_id, "REVOKED")["error"] == "TaskRevokedError"


def test_results_are_shown_only_when_asked_for_and_can_be_forgotten(ward: Ward) -> None:
    task_id = ward.send("recording.tick", "--args", '["secret"]', "--wait")
    task_id = task_id.splitlines()[0]
    assert "secret" not in ward.ask("tasks", "show", task_id)
    [found] = ward.read("tasks", "show", task_id, "--results")
    assert found["result"]["args"] == ["secret"]
    ward.ask("tasks", "forget", task_id)
    assert ward.read("tasks", "show", task_id, expect=1)[0]["state"] == "UNKNOWN"


def test_a_task_that_has_failed_is_a_negative_answer(ward: Ward) -> None:
    done = carillon("send", "-c", ward.site, "recording.fail", "--wait", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["state"]) == (1, "FAILURE")
    [shown] = ward.read("tasks", "show", found["task_id"], expect=1)
    assert (shown["error"], shown["ready"], shown["poisoned"]) == ("ValueError", True, False)


def test_stamped_tasks_are_called_off_together(ward: Ward) -> None:
    ids = [ward.send("recording.tick", "--queue", "held", "--stamp", "tenant=a") for _ in range(2)]
    other = ward.send("recording.tick", "--queue", "held", "--stamp", "tenant=b")
    ward.ask("tasks", "cancel", "--stamp", "tenant=a")
    ward.ask("queues", "move", "held", "near", "--yes")
    for task_id in ids:
        ward.wait_for_state(task_id, "REVOKED")
    ward.wait_for_state(other, "SUCCESS")


def test_the_names_of_tasks_are_counted_by_worker(ward: Ward) -> None:
    assert ward.read("tasks", "names")["recording.tick"] == 1


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("pool-grow", "1"), "pool will grow"),
        (("pool-shrink", "1"), "pool will shrink"),
        (("rate-limit", "recording.message", "10/m"), "new rate limit set"),
        (("rate-limit", "recording.message"), "rate limit disabled"),
        (("time-limit", "recording.message", "--soft", "5", "--hard", "9"), "time limits set"),
        (("add-consumer", "more"), "add consumer more"),
        (("cancel-consumer", "more", "--yes"), "no longer consuming from more"),
        (("enable-events",), "task events enabled"),
        (("disable-events",), "task events disabled"),
    ],
)
def test_workers_do_what_they_are_told(ward: Ward, words: tuple[str, ...], answer: str) -> None:
    assert answer in ward.ask("workers", *words)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("rate-limit", "no.such.task", "10/m"), "unknown task"),
        (("pool-restart", "--yes"), "Pool restarts not enabled"),
        (("autoscale", "4", "2"), "Autoscale not enabled"),
    ],
)
def test_what_a_worker_cannot_do_it_says(ward: Ward, words: tuple[str, ...], answer: str) -> None:
    assert answer in ward.ask("workers", *words, expect=1)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("workers", "rate-limit", "t", "often"), 65, "rate"),
        (("workers", "autoscale", "1", "2"), 65, "least"),
        (("workers", "shutdown"), 64, "--yes is needed"),
        (("tasks", "cancel"), 64, "give ids or stamps"),
        (("tasks", "cancel", "x", "--terminate", "--yes", "--signal", "SIGNO"), 65, "signal"),
        (("queues", "purge", "q"), 64, "--yes is needed"),
        (("queues", "purge", "q", "--destroy"), 64, "--confirm q"),
        (("queues", "peek", "q", "-n", "0"), 65, "messages can be shown"),
        (("queues", "move", "q", "q", "--yes"), 65, "to itself"),
    ],
)
def test_what_cannot_be_done_is_refused(ward: Ward, words: tuple[str, ...], code: int, message: str) -> None:
    done = carillon(*words[:2], "-c", ward.site, *words[2:])
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr


def test_queues_are_listed_with_their_consumers_and_one_without_is_named(ward: Ward) -> None:
    ward.send("far.run")
    done = carillon("queues", "list", "-c", ward.site, "--json")
    rows = {row["name"]: row for row in json.loads(done.stdout)["queues"]}
    assert (rows["far"]["state"], rows["far"]["waiting"], rows["far"]["by_step"]) == ("no consumer", 1, [0, 0, 1, 0])
    assert rows["far"]["oldest_age_s"] is not None
    assert (rows["near"]["state"], rows["near"]["consumers"]) == ("ok", [ward.worker])
    assert done.returncode == 1
    assert "nobody takes from far" in done.stderr
    ward.ask("queues", "purge", "far", "--destroy", "--confirm", "far")


def test_messages_are_peeked_at_set_aside_brought_back_and_moved(ward: Ward) -> None:
    ids = [ward.send("far.run", "--args", '["secret"]') for _ in range(2)]
    shown = ward.ask("queues", "peek", "far")
    assert [line.split("\t")[1] for line in shown.splitlines()[1:]] == ids
    assert "secret" not in shown
    token = ward.ask("queues", "purge", "far", "--yes").strip()
    assert ward.read("queues", "peek", "far") == []
    ward.ask("queues", "restore", "far", token)
    assert [one["id"] for one in ward.read("queues", "peek", "far")] == ids
    ward.ask("queues", "restore", "far", token, expect=1)
    ward.ask("queues", "move", "far", "farther", "--yes")
    assert [one["id"] for one in ward.read("queues", "peek", "farther")] == ids
    ward.ask("queues", "purge", "farther", "--destroy", "--confirm", "farther")


def test_a_broker_that_is_away_is_said_and_exits_with_69(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(broker_url="redis://127.0.0.1:1/0"))
    for words in (("workers", "list"), ("queues", "list"), ("tasks", "list")):
        done = carillon(*words, "-c", site)
        assert (done.returncode, "no connection" in done.stderr) == (69, True), done.stderr


def test_the_private_broker_of_a_site_is_found(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(schedule='[schedule.a]\ntask = "app.run"\nevery = "1h"\n'))
    done = carillon("queues", "list", "-c", site)
    assert (done.returncode, "no embedded broker has run" in done.stderr) == (69, True)
    with DaemonProcess(site) as daemon:
        daemon.ready()
        done = carillon("queues", "list", "-c", site, "--json")
    assert [one["name"] for one in json.loads(done.stdout)["queues"]] == ["celery"]
