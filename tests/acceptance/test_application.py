"""A site whose settings, routes and tasks come from the application itself; and the ping that beat answers."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.builders import write_site
from tests.support.command import carillon
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer
from tests.support.worker import ROOT

PROJECT = """
import os
from celery import Celery

app = Celery("project", broker=os.environ["WARD_BROKER"], backend=os.environ["WARD_BROKER"])
app.conf.task_routes = ([("reports.*", {"queue": "batch", "priority": 6})], "project.by_patient")
app.conf.broker_transport_options = {"global_keyprefix": "ward:"}


def by_patient(name, args, kwargs, options, task=None, **more):
    return {"queue": f"lane-{len(kwargs)}"} if name == "wards.move" else None


@app.task(name="reports.nightly", time_limit=30)
def nightly():
    return "done"


@app.task(name="wards.move")
def move(**kwargs):
    return kwargs
"""

SITE = """
[site]
name = "ward"
state_dir = "state"

[celery]
app = "project"
app_python = "{python}"

[schedule.nightly]
task = "reports.nightly"
every = "1s"

[schedule.move]
task = "wards.move"
kwargs = {{ a = 1, b = 2 }}
every = "1s"

[api]
listen = "127.0.0.1:0"
"""


@pytest.fixture
def site(tmp_path: Path, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WARD_BROKER", valkey.url)
    (tmp_path / "project.py").write_text(PROJECT)
    return write_site(tmp_path, SITE.format(python=sys.executable))


def test_settings_routes_and_tasks_come_from_the_application(site: Path, valkey: ValkeyServer) -> None:
    """Broker, prefix, route and time limit stand in the application alone; a function of it decides for one of the tasks."""
    with DaemonProcess(site, "--log-level", "debug") as daemon:
        daemon.ready()
        daemon.wait_for("occurrence.enqueued", entry="move")
        daemon.wait_for("occurrence.enqueued", entry="nightly")
    nightly = json.loads(valkey.client.lindex("ward:batch\x06\x166", -1))
    assert (nightly["headers"]["task"], nightly["headers"]["timelimit"]) == ("reports.nightly", [30, None])
    assert json.loads(valkey.client.lindex("ward:lane-2", -1))["headers"]["task"] == "wards.move"


def test_a_function_of_the_application_decides_for_a_task_sent_by_hand(site: Path, valkey: ValkeyServer) -> None:
    done = carillon("send", "-c", site, "wards.move", "--kwargs", '{"a": 1, "b": 2, "c": 3}', "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["queue"] == "lane-3"
    assert valkey.client.llen("ward:lane-3") == 1


def test_a_queue_that_is_given_goes_before_the_function_and_its_other_options_count(
    site: Path, valkey: ValkeyServer
) -> None:
    (site.parent / "project.py").write_text(
        PROJECT.replace('{"queue": f"lane-{len(kwargs)}"}', '{"queue": "x", "priority": 3}')
    )
    site.write_text(site.read_text().replace("kwargs = { a = 1, b = 2 }", 'options.queue = "mine"'))
    assert carillon("check", "-c", site).returncode == 0
    done = carillon("send", "-c", site, "wards.move", "--queue", "mine", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["queues"] == ["mine"]
    assert valkey.client.llen("ward:mine\x06\x163") == 1
    done = carillon("queues", "list", "-c", site, "--json", "--timeout", "0.3")
    assert {"mine", "batch"} <= {row["name"] for row in json.loads(done.stdout)["queues"]}


def test_a_serializer_the_application_does_not_accept_is_an_error(site: Path) -> None:
    site.write_text(site.read_text() + '\n[task."reports.nightly"]\nserializer = "yaml"\n')
    done = carillon("check", "-c", site)
    assert (done.returncode, "not in accept_content" in done.stderr + done.stdout) == (78, True)


def test_a_task_the_application_does_not_know_is_an_error_with_the_nearest_name(site: Path) -> None:
    site.write_text(site.read_text().replace('"reports.nightly"', '"reports.nightyl"'))
    done = carillon("check", "-c", site)
    assert done.returncode == 78
    assert (
        '"reports.nightyl" is not a task of the application; did you mean "reports.nightly"?'
        in done.stderr + done.stdout
    )
    site.write_text(site.read_text() + '\n[task."reports.nightyl"]\nqueue = "elsewhere"\n')
    assert carillon("check", "-c", site).returncode == 0


def test_an_application_that_fails_is_shown_with_what_it_said(site: Path) -> None:
    (site.parent / "project.py").write_text("import no_such_module\n")
    done = carillon("check", "-c", site)
    assert done.returncode == 78
    [problem] = [line for line in (done.stderr + done.stdout).splitlines() if "celery.app" in line]
    assert "no_such_module" in problem
    assert "project.py" in problem
    assert "\\n" not in problem


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("bin/python", "is not an absolute path"),
        ("/no/such/python", "No such file"),
        ("/etc/passwd", "is not a program"),
    ],
)
def test_an_interpreter_that_cannot_be_is_refused(site: Path, python: str, message: str) -> None:
    site.write_text(site.read_text().replace(sys.executable, python))
    done = carillon("check", "-c", site)
    assert done.returncode == 78
    assert message in done.stderr + done.stdout


def test_an_interpreter_that_others_can_change_is_refused(site: Path, tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o777)
    site.write_text(site.read_text().replace(sys.executable, str(program)))
    done = carillon("check", "-c", site)
    assert done.returncode == 78
    assert "can be written by others" in done.stderr + done.stdout


def test_the_names_of_its_tasks_are_listed(site: Path) -> None:
    done = carillon("tasks", "names", "-c", site, "--json")
    assert {"reports.nightly", "wards.move"} <= json.loads(done.stdout).keys()


@pytest.mark.parametrize("version", [".venv", ".venv-celery53"])
def test_a_probe_made_for_beat_finds_the_daemon(site: Path, valkey: ValkeyServer, version: str) -> None:
    node = f"celerybeat@{socket.gethostname()}"
    site.write_text(
        site.read_text()
        .replace("[celery]", f'[celery]\nbroker_url = "{valkey.url}"\nbroker_transport_options = {{}}', 1)
        .replace('app = "project"\n', "")
        .replace(f'app_python = "{sys.executable}"\n', "")
    )
    command = [
        str(ROOT / version / "bin" / "python"),
        "-m",
        "celery",
        "-b",
        valkey.url,
        "inspect",
        "ping",
        "-d",
        node,
        "-t",
        "2",
    ]
    with DaemonProcess(site) as daemon:
        daemon.ready().wait_for("broker.up")
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, "pong" in done.stdout) == (0, True), done.stdout + done.stderr
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
