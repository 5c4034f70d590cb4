"""``carillon shadow`` beside a real celery beat, and beside senders that do what beat might."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests.support.builders import site_text, write_site
from tests.support.command import carillon
from tests.support.process import ROOT
from tests.support.valkey import ValkeyServer

LIMIT_S = 60.0
BEAT_APP = """
import os
from celery import Celery
app = Celery("ward", broker=os.environ["BEAT_URL"])
app.conf.task_send_sent_event = True
app.conf.beat_schedule = {
    "rounds": {"task": "ward.rounds", "schedule": 2.0},
    "census": {"task": "ward.census", "schedule": 3.0, "kwargs": {"patient": "ZZPATIENT"}},
    "forgotten": {"task": "ward.forgotten", "schedule": 1.5},
}
"""
SCHEDULE = """
[schedule.rounds]
task = "ward.rounds"
every = "2s"

[schedule.census]
task = "ward.census"
every = "3s"
kwargs = { patient = "ZZPATIENT" }

[schedule.only-here]
task = "ward.only_here"
every = "2s"
"""
CHAIN = '[schedule.chain]\nchain = [{ task = "ward.one" }, { task = "ward.two" }]\nevery = "1h"\n'
HOURLY = '[schedule.hourly]\ntask = "ward.hourly"\nevery = "1h"\n'


@contextmanager
def beat(folder: Path, url: str) -> Iterator[None]:
    """Run a stock celery beat until left."""
    (folder / "ward_app.py").write_text(BEAT_APP)
    environment = {**os.environ, "BEAT_URL": url, "PYTHONPATH": str(folder)}
    environment.pop("PYTHONSAFEPATH", None)
    command = (sys.executable, "-m", "celery", "-A", "ward_app", "beat", "-s", str(folder / "beat"), "-l", "ERROR")
    running = subprocess.Popen(command, cwd=folder, env=environment)
    try:
        yield
    finally:
        running.kill()
        running.wait()


@contextmanager
def watching(site: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``carillon shadow`` and hand it over once it listens."""
    command = [sys.executable, "-m", "daemon", "shadow", "-c", str(site), "--json", *options]
    watch = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert watch.stderr is not None
        begun = watch.stderr.readline()
        assert begun.startswith("watching "), begun + watch.stderr.read()
        yield watch
    finally:
        watch.kill()
        watch.communicate()


def ended(watch: subprocess.Popen[str]) -> tuple[int, list[dict[str, Any]], dict[str, Any], str]:
    """Wait for the end and give the exit code, the differences, the summary, and what was said beside them."""
    out, said = watch.communicate(timeout=LIMIT_S)
    *found, summary = [json.loads(line) for line in out.splitlines()]
    return watch.returncode, found, summary, said


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def send(url: str, task: str, **options: Any) -> None:
    """Send a task as an application does, and have it told."""
    app: Any = Celery("sender", broker=url, set_as_current=False)
    app.conf.task_send_sent_event = True
    app.send_task(task, **options)
    app.close()


def test_beside_beat_an_entry_that_only_one_of_them_has_is_reported(tmp_path: Path, valkey: ValkeyServer) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, schedule=SCHEDULE))
    with beat(tmp_path, valkey.url):
        wait_until(lambda: valkey.client.llen("celery") > 0)
        with watching(site, "--for", "5s", "--tolerance", "500ms") as watch:
            code, found, summary, _ = ended(watch)
    assert code == 1
    # How busy the machine is decides whether every one came in time, and not which of them differ.
    tallies = summary["entries"]
    assert tallies["rounds"]["matched"] > 0
    assert tallies["census"]["matched"] > 0
    assert tallies["only-here"] == {"due": 2, "matched": 0, "late": 0, "missing": 2, "unheard": 0, "furthest_s": 0}
    unexpected = [one for one in found if one["kind"] == "unexpected"]
    assert {one["task"] for one in unexpected} >= {"ward.forgotten"}
    assert summary["unexpected"] == sum(one["count"] for one in unexpected)
    assert summary["matched"] is False
    assert "ZZPATIENT" not in json.dumps([found, summary])


def test_where_everything_due_was_sent_it_exits_with_0_and_has_sent_nothing(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, schedule=HOURLY + CHAIN))
    with watching(site, "--for", "3s", "--tolerance", "200ms") as watch:
        send(valkey.url, "ward.hourly")
        code, found, summary, _ = ended(watch)
    assert (code, found) == (0, [])
    assert (summary["due"], summary["matched"], summary["heard"]) == (1, True, 1)
    assert valkey.client.llen("celery") == 1
    assert [key for key in valkey.client.scan_iter() if key.startswith(b"carillon")] == []


def test_where_nothing_is_heard_and_something_was_due_it_says_what_to_set(tmp_path: Path, valkey: ValkeyServer) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, schedule=SCHEDULE))
    done = carillon("shadow", "-c", site, "--for", "2s", "--tolerance", "200ms")
    assert done.returncode == 69
    assert "task_send_sent_event" in done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith("missing ") for line in lines) == 2
    assert lines[-3].split("\t") == ["rounds", "1", "0", "0", "1", "0", "+0.000 s"]


def test_a_time_the_broker_was_away_is_named_and_not_judged(tmp_path: Path) -> None:
    with ValkeyServer() as server:
        each_second = '[schedule.pulse]\ntask = "ward.pulse"\ncron = "* * * * * *"\n'
        site = write_site(tmp_path, site_text(broker_url=server.url, schedule=each_second))
        with watching(site, "--for", "8s", "--tolerance", "200ms") as watch:
            server.kill()
            time.sleep(1.5)  # at least one occurrence is due while nobody listens
            server.start()
            assert watch.stderr is not None
            said = watch.stderr.readline()
            send(server.url, "ward.elsewhere")  # what is sent before the kill may be lost with the broker
            code, _, summary, _ = ended(watch)
    assert code == 1
    assert said.startswith("nobody listened from ")
    assert summary["entries"]["pulse"]["unheard"] >= 1


def test_a_broker_that_is_away_is_named(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(broker_url="redis://127.0.0.1:1/0", schedule=HOURLY))
    done = carillon("shadow", "-c", site, "--for", "1s")
    assert done.returncode == 69
    assert "127.0.0.1:1" in done.stderr


@pytest.mark.parametrize(
    ("broker", "schedule", "code", "words"),
    [
        ("amqp://guest@127.0.0.1//", HOURLY, 78, "Redis and Valkey only"),
        ("redis://127.0.0.1:1/0", "", 64, "no entries"),
        ("redis://127.0.0.1:1/0", CHAIN, 64, "no entries"),
    ],
)
def test_what_cannot_be_watched_is_refused(tmp_path: Path, broker: str, schedule: str, code: int, words: str) -> None:
    done = carillon("shadow", "-c", write_site(tmp_path, site_text(broker_url=broker, schedule=schedule)))
    assert done.returncode == code
    assert words in done.stderr


@pytest.mark.parametrize("signal_number", [2, 15])
def test_an_interrupted_watch_tells_what_it_saw_so_far(
    tmp_path: Path, valkey: ValkeyServer, signal_number: int
) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, schedule=HOURLY))
    with watching(site, "--for", "1h", "--tolerance", "1s") as watch:
        send(valkey.url, "ward.hourly")
        send(valkey.url, "ward.more")
        wait_until(lambda: valkey.client.llen("celery") == 2)
        watch.send_signal(signal_number)
        code, _, summary, _ = ended(watch)
    assert code == 130
    assert set(summary["entries"]) == {"hourly"}
