"""``carillon tasks``, ``workers`` and ``queues``, typed beside a stock worker."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from tests.support.builders import site_text, write_site
from tests.support.command import carillon
from tests.support.process import DaemonProcess
from tests.support.proxy import BadLink
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


def _wait_until_heard(server: ValkeyServer) -> None:
    """A worker that says it is ready listens for commands a moment later."""
    deadline = time.monotonic() + LIMIT_S
    while not (server.client.pubsub_channels("*pidbox*") or server.client.pubsub_numpat()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    with ValkeyServer() as server:
        celery = f'result_backend = "{server.url}"\ntask_routes = {{ "far.*" = {{ queue = "far", priority = 6 }} }}'
        text = site_text(
            broker_url=server.url, celery=celery, schedule='[schedule.a]\ntask = "far.run"\nevery = "1h"\n'
        )
        site = write_site(tmp_path_factory.mktemp("ward"), text)
        with Worker(server.url, queues="celery,near", concurrency=2):
            _wait_until_heard(server)
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
        (("queues", "move", "q", "", "--yes"), 65, "printable"),
        (("queues", "move", "q", "a\x06\x163", "--yes"), 65, "printable"),
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


def test_garbage_and_control_characters_in_a_queue_cannot_steer_a_terminal(ward: Ward) -> None:
    evil: dict[str, Any] = {
        "headers": {"task": "red\x1b[31m\nline\ttab", "id": "i", "eta": "\ud800"},
        "properties": {"priority": 4},
    }
    ward.server.client.lpush("evil", b"\xff\xfe", "[" * 100_000, json.dumps(evil))
    lines = ward.ask("queues", "peek", "evil").splitlines()
    assert [line.split("\t")[0] for line in lines[1:]] == ["(unreadable)", "(unreadable)", "red\\x1b[31m\\nline\\ttab"]
    last = ward.read("queues", "peek", "evil")[-1]
    assert (last["task"], last["priority"], last["size"]) == (evil["headers"]["task"], 4, len(json.dumps(evil)))
    ward.server.client.delete("evil")


@pytest.mark.parametrize("result", [2**70, "\ud800", [[[]]] * 2 + [{"a": 2**65}], 1.5, None])
def test_results_that_few_writers_of_json_know_are_shown(ward: Ward, result: Any) -> None:
    meta = {"status": "SUCCESS", "result": result, "traceback": None, "children": [], "task_id": "odd"}
    ward.server.client.set("celery-task-meta-odd", json.dumps(meta))
    assert ward.read("tasks", "show", "odd", "--results")[0]["result"] == result
    assert json.loads(ward.ask("tasks", "show", "odd", "--results").split("\t")[-1]) == result


def test_a_result_nested_too_deeply_is_cut_and_not_a_crash(ward: Ward) -> None:
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    meta = {"status": "SUCCESS", "result": deep, "traceback": None, "children": [], "task_id": "deep"}
    ward.server.client.set("celery-task-meta-deep", json.dumps(meta))
    assert "nested too deeply" in ward.ask("tasks", "show", "deep", "--results")


def test_integers_of_any_size_reach_the_task_as_they_were_written(ward: Ward) -> None:
    found = ward.send("recording.tick", "--args", "[18446744073709551616, 1.0]", "--wait")
    assert json.loads(found.splitlines()[1].removeprefix("SUCCESS  "))["args"] == [2**64, 1.0]


def test_what_is_no_json_is_refused_without_showing_it(ward: Ward) -> None:
    for text in ("secret", "[" * 100_000, '["secret", NaN]', '["secret", 1e999]', '["secret\\ud800"]'):
        done = carillon("send", "-c", ward.site, "recording.tick", "--args", text)
        assert done.returncode in (64, 65), text
        assert "secret" not in done.stderr
        assert "Traceback" not in done.stderr


def test_a_user_without_rights_is_told_so_by_every_command(ward: Ward, tmp_path: Path) -> None:
    """Several questions are under way at once, and all of them are refused."""
    ward.server.client.execute_command("ACL", "SETUSER", "poor", "on", ">pw", "~*", "&*", "+client", "+select", "+info")
    url = ward.server.url.replace("redis://", "redis://poor:pw@")
    site = write_site(tmp_path, site_text(broker_url=url, celery=f'result_backend = "{url}"'))
    for words in (
        ("workers", "list"),
        ("tasks", "list"),
        ("tasks", "names"),
        ("tasks", "show", "x"),
        ("tasks", "forget", "x"),
        ("queues", "list"),
        ("queues", "peek", "q"),
        ("queues", "purge", "q", "--yes"),
    ):
        done = carillon(*words[:2], "-c", site, *words[2:])
        assert (done.returncode, "NOPERM" in done.stderr) == (69, True), (words, done.stderr)
        assert "Traceback" not in done.stderr


def test_a_wrong_password_is_named_when_a_task_is_sent(ward: Ward, tmp_path: Path) -> None:
    url = ward.server.url.replace("redis://", "redis://nobody:wrong@")
    done = carillon("send", "-c", write_site(tmp_path, site_text(broker_url=url)), "app.run")
    assert (done.returncode, "WRONGPASS" in done.stderr or "invalid username-password" in done.stderr) == (69, True)
    assert "wrong@" not in done.stderr


def test_a_silent_worker_is_no_missing_consumer(tmp_path: Path) -> None:
    """Whoever does not answer may still take from a queue, and hold a task that is asked for."""
    with ValkeyServer() as server, Worker(server.url) as worker:
        site = write_site(tmp_path, site_text(broker_url=server.url, celery=f'result_backend = "{server.url}"'))
        _wait_until_heard(server)
        worker.pause()
        done = carillon("queues", "list", "-c", site, "--json", "--timeout", "0.3")
        assert (json.loads(done.stdout)["complete"], done.returncode) == (False, 1)
        assert "nobody who answers takes from celery" in done.stderr
        for words in (("show", "x"), ("cancel", "x"), ("names",)):
            done = carillon("tasks", words[0], "-c", site, *words[1:], "--timeout", "0.3")
            assert "it is not known whether every worker has answered" in done.stderr, words


class _Swallowing(BadLink):
    """Loses the answer to the first script."""

    async def _forth(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if b"EVALSHA" in data:
                self.lose_replies()
            writer.write(data)


@pytest.mark.anyio
async def test_a_purge_whose_answer_is_lost_still_tells_how_to_bring_the_messages_back(
    valkey: ValkeyServer, tmp_path: Path
) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url))
    await to_thread.run_sync(lambda: carillon("queues", "purge", "-c", site, "other", "--yes"))  # the script is loaded
    valkey.client.lpush("q", "one", "two")
    async with _Swallowing(valkey.port) as proxy:
        cut = write_site(tmp_path, site_text(broker_url=f"redis://127.0.0.1:{proxy.port}/0"))
        done = await to_thread.run_sync(lambda: carillon("queues", "purge", "-c", cut, "q", "--yes"))
    assert done.returncode == 69
    assert valkey.client.llen("q") == 0
    token = done.stderr.split()[-1]
    site = write_site(tmp_path, site_text(broker_url=valkey.url))
    again = await to_thread.run_sync(lambda: carillon("queues", "restore", "-c", site, "q", token))
    assert again.returncode == 0, again.stderr
    assert valkey.client.lrange("q", 0, -1) == [b"two", b"one"]


def test_a_result_that_does_not_come_is_said_beside_the_answer(ward: Ward) -> None:
    done = carillon("send", "-c", ward.site, "far.run", "--wait", "0.2", "--json")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (1, "PENDING")
    assert "no result within 0.2 s" in done.stderr
    ward.ask("queues", "purge", "far", "--destroy", "--confirm", "far")


def test_every_json_answer_is_one_document(ward: Ward) -> None:
    assert ward.read("workers", "show", "nobody@nowhere", "--timeout", "0.3", expect=1) is None
    assert ward.read("workers", "shutdown", "-d", "nobody@nowhere", "--yes") == {"told": True}
    assert ward.read("tasks", "forget", "x") == {"forgotten": ["x"]}
    ward.server.client.lpush("some", b"x")
    token = ward.read("queues", "purge", "some", "--yes")["token"]
    assert ward.read("queues", "restore", "some", token) == {"count": 1}
    assert ward.read("queues", "move", "some", "other", "--yes", expect=1) == {"count": 0, "left": 1}
    assert ward.read("queues", "purge", "some", "--destroy", "--confirm", "some") == {"count": 1, "token": None}


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
