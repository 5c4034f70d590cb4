"""Changing the schedule of running daemons: what was promised runs, once, and what it is given stays out of the log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from daemon.clock import SystemClock
from daemon.public import Public
from daemon.scheduler.layers.desk import ScheduleDesk
from tests.support.builders import site_text, write_site
from tests.support.command_here import carillon_here
from tests.support.process import DaemonProcess
from tests.support.runtime import once, store_at
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker, wait_until_ran

SECRET = "ZZPATIENT"
LIMIT_S = 60.0
BURST = 3000
SCHEDULE = f"""
[schedule.bell]
task = "recording.tick"
every = "200ms"
args = ["{SECRET}"]

[schedule.daily]
task = "recording.tick"
cron = "0 2 * * *"
options = {{ queue = "daily" }}
"""


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def waiting(valkey: ValkeyServer, queue: str) -> list[dict[str, object]]:
    """Give the headers of what waits in a queue, oldest first."""
    return [json.loads(one)["headers"] for one in reversed(valkey.client.lrange(queue, 0, -1))]


@pytest.fixture
def site(tmp_path: Path, valkey: ValkeyServer) -> Path:
    return write_site(tmp_path, site_text(broker_url=valkey.url, schedule=SCHEDULE))


def test_what_is_asked_of_a_running_daemon_happens_and_outlasts_it(site: Path, valkey: ValkeyServer) -> None:
    with DaemonProcess(site, "--log-level", "debug") as daemon:
        daemon.ready().wait_for("occurrence.enqueued", entry="bell")
        paused = carillon_here("entries", "pause", "-c", site, "bell", "--note", SECRET)
        assert paused.stderr.endswith("heard by 1 daemon\n")
        daemon.wait_for("occurrence.skipped", entry="bell", reason="paused")
        asked = carillon_here("entries", "trigger", "-c", site, "daily").stdout.strip()
        until(lambda: bool(valkey.client.llen("daily")), "the run that was asked for")
        assert [one["id"] for one in waiting(valkey, "daily")] == [asked]
        window = ("--from", "2026-03-01T00:00:00Z", "--to", "2026-03-31T00:00:00Z")
        assert carillon_here("entries", "backfill", "-c", site, "daily", *window).stdout.startswith("30 occurrences")
        until(lambda: bool(valkey.client.llen("daily") == 31), "thirty occurrences of the past")
        carillon_here(
            "send",
            "-c",
            site,
            "recording.tick",
            "--countdown",
            "1s",
            "--args",
            f'["{SECRET}"]',
            "--queue",
            "late",
            "--id",
            "kept",
        )
        assert not valkey.client.llen("late")
        daemon.kill()
        daemon.start()
        daemon.ready()
        until(lambda: bool(valkey.client.llen("late")), "the task that was held")
        [held] = waiting(valkey, "late")
        assert (held["id"], held.get("eta")) == ("kept", None)
        daemon.wait_for("occurrence.skipped", entry="bell", reason="paused")
        assert not any(
            line.get("action") == "occurrence.enqueued" and line["entry"] == "bell" for line in daemon.records
        )
        until(lambda: not valkey.client.exists("carillon:1:testsite:added"), "an end of what has fired")
        assert daemon.terminate() == 0
        assert SECRET not in "".join(daemon.lines)
    with Worker(valkey.url, queues="daily,late"):
        ran = [one["id"] for one in wait_until_ran(valkey.client, 32)]
    assert len(set(ran)) == 32


def test_many_that_are_due_at_once_run_once_each_though_a_daemon_is_killed(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    sites = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        sites.append(write_site(tmp_path / name, site_text(broker_url=valkey.url)))

    async def add() -> None:
        store = store_at(valkey.url, Public("testsite"))
        desk = ScheduleDesk((), store, Public("UTC"))
        now_us = SystemClock().now_us()
        for start in range(0, BURST, 1000):
            await desk.add([once(f"v{number}", now_us, now_us) for number in range(start, start + 1000)])
        await store.close()

    with DaemonProcess(sites[0]) as one, DaemonProcess(sites[1]) as two:
        one.ready()
        two.ready()
        anyio.run(add)
        until(lambda: bool(valkey.client.llen("celery") > BURST // 10), "the beginning of the burst")
        one.kill()
        until(lambda: bool(valkey.client.llen("celery") >= BURST), "the whole burst")
        until(lambda: not valkey.client.exists("carillon:1:testsite:added"), "an end of what has fired")
        assert two.terminate() == 0
    ids = [str(header["id"]) for header in waiting(valkey, "celery")]
    assert sorted(ids) == sorted(f"v{number}" for number in range(BURST))
    assert not valkey.client.exists("carillon:1:testsite:looks")
