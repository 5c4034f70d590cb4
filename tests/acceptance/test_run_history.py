"""A daemon that keeps the history of its runs, and the commands that read it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner, Result

from daemon.cli.entries import entries
from daemon.errors import DaemonError, HistoryFailed
from daemon.scheduler.history import HistoryReader, HistoryStore, Retention
from daemon.scheduler.model import How
from daemon.scheduler.run import Run, RunState
from tests.support.builders import site_text, write_site
from tests.support.command import carillon
from tests.support.process import DaemonProcess
from tests.support.worker import Worker, wait_until_ran

SCHEDULE = """
[schedule.often]
task = "recording.tick"
every = "1s"
args = ["ZZSECRET"]

[schedule.nightly]
task = "recording.tick"
cron = "0 2 * * *"
id = "the-nightly"
"""


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def answer(site: Path, command: str, *arguments: str) -> Result:
    """Run one of the commands within this process; what it raises on purpose is raised."""
    found = CliRunner().invoke(entries, [command, "-c", str(site), *arguments])
    if isinstance(found.exception, DaemonError):
        raise found.exception
    return found


def runs_of(folder: Path, entry: str) -> list[Run]:
    with HistoryReader(folder) as reader:
        return reader.runs(entry, count=1000)


def test_what_a_daemon_ran_can_be_looked_up_while_it_runs_and_after(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(schedule=SCHEDULE))
    state = tmp_path / "state"
    with DaemonProcess(site, "--log-level", "debug") as daemon:
        daemon.ready()
        url = (state / "broker-url").read_text().strip()
        with Worker(url, arguments=("-P", "solo", "-E")):
            client = redis.Redis.from_url(url)
            wait_until_ran(client, 2)
            daemon.wait_for("run.ended", entry="often", state="succeeded")
            daemon.wait_metric(1, "carillon_history_kept")
            while_it_runs = carillon("entries", "history", "-c", site, "often", "--json")
        assert daemon.terminate() == 0
    assert while_it_runs.returncode == 0, while_it_runs.stderr
    shown = json.loads(while_it_runs.stdout)["runs"]
    assert {run["state"] for run in shown} <= {"enqueued", "started", "succeeded"}
    ended = carillon("entries", "history", "-c", site, "often", "--state", "succeeded", "--count", "1")
    assert ended.returncode == 0, ended.stderr
    [heading, line] = ended.stdout.splitlines()
    assert heading.split("\t")[:2] == ["OCCURRENCE", "STATE"]
    assert line.split("\t")[1] == "succeeded"
    good = next(run for run in runs_of(state, "often") if run.state is RunState.SUCCEEDED)
    asked = carillon("entries", "why", "-c", site, "often", "--at", line.split("\t")[0])
    assert asked.returncode == 0, asked.stderr
    assert "it was enqueued at" in asked.stdout
    assert f"it succeeded on {good.worker}" in asked.stdout
    assert b"ZZSECRET" not in b"".join(path.read_bytes() for path in state.glob("history.sqlite*"))


def test_the_commands_say_what_is_and_what_is_not_recorded(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(schedule=SCHEDULE, broker_url="redis://127.0.0.1:1/0"))
    state = tmp_path / "state"
    with pytest.raises(HistoryFailed, match="no daemon has kept a history here"):
        answer(site, "history", "nightly")
    state.mkdir()
    due_us = us("2026-11-20T02:00:00")
    skipped = Run(
        "the-nightly", "nightly", due_us - 86_400_000_000, RunState.SKIPPED, settled_us=due_us, reason="coalesced",
        last_us=due_us - 86_400_000_000,
    )  # fmt: skip
    ran = Run("the-nightly", "nightly", due_us, RunState.ENQUEUED, settled_us=due_us + 1, task_id="id-1")
    store = HistoryStore(state, Retention(), due_us)
    store.commit([skipped, ran], [], [], "1-1", due_us)
    store.close()

    table = answer(site, "history", "nightly").output
    assert [line.split("\t")[0] for line in table.splitlines()] == [
        "OCCURRENCE",
        "2026-11-20T02:00:00Z",
        "2026-11-19T02:00:00Z",
    ]
    nothing = answer(site, "history", "nightly", "--state", "failed")
    assert (nothing.exit_code, nothing.stdout) == (1, "")
    for at, words in (
        ("2026-11-20T02:00:00Z", "no worker is known to have started it"),
        ("2026-11-19T03:00:00+01:00", "it was passed over: a later one ran in its place"),
        ("2026-11-19T02:30:00Z", "it was not due then: the occurrence before was 2026-11-19T02:00:00Z"),
        ("2026-11-18T02:00:00Z", "the entry's first record is of 2026-11-19T02:00:00Z"),
        ("2126-11-18T02:00:00Z", "has not come yet"),
    ):
        assert words in answer(site, "why", "nightly", "--at", at).stdout
    assert json.loads(answer(site, "why", "nightly", "--json").stdout)["finding"] == "unknown"
    unknown = answer(site, "why", "nobody")
    assert isinstance(unknown.exception, SystemExit)
    assert "is not in the schedule, and nothing is recorded of it" in unknown.output
    assert "how the entry stands now is not known: " in unknown.output
    with HistoryReader(state) as reader:
        assert reader.runs("the-nightly.run.x", count=9, with_asked=True) == []


def test_runs_that_someone_asked_for_are_among_those_of_their_entry(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(schedule=SCHEDULE, broker_url="redis://127.0.0.1:1/0"))
    state = tmp_path / "state"
    state.mkdir()
    due_us = us("2026-11-20T02:00:00")
    runs = [
        Run("the-nightly", "nightly", due_us, RunState.ENQUEUED, settled_us=due_us, task_id="1"),
        Run("the-nightly.run.0a", "nightly", due_us + 5, RunState.ENQUEUED, How.MANUAL, settled_us=due_us, task_id="2"),
        Run("the-nightly.backfill.0b", "nightly", due_us - 86_400_000_000, RunState.FAILED, How.BACKFILL, settled_us=due_us, task_id="3"),
        Run("the-nightly.run.own", "the-nightly.run.own", due_us, RunState.ENQUEUED, settled_us=due_us, task_id="4"),
        Run("the-nightlyx", "other", due_us, RunState.ENQUEUED, How.MANUAL, settled_us=due_us, task_id="5"),
    ]  # fmt: skip
    store = HistoryStore(state, Retention(), due_us)
    store.commit(runs, [], [], "1-1", due_us)
    store.close()
    shown = json.loads(answer(site, "history", "nightly", "--json").stdout)["runs"]
    assert [run["task_id"] for run in shown] == ["2", "1", "3"]
    latest = json.loads(answer(site, "history", "nightly", "--json", "--count", "1").stdout)["runs"]
    assert [run["task_id"] for run in latest] == ["2"]
    failed = json.loads(answer(site, "history", "nightly", "--json", "--state", "failed").stdout)["runs"]
    assert [run["task_id"] for run in failed] == ["3"]
    assert "by a backfill; it failed" in answer(site, "why", "nightly", "--at", "2026-11-19T02:00:00Z").stdout
