"""Two daemons watch one site: what fails is told once, over every channel; runs and the schedule itself are pinged."""

from __future__ import annotations

import time
from pathlib import Path

from tests.support.builders import MARKER, site_text, write_site
from tests.support.hooks import Hooks
from tests.support.process import LIMIT_S, DaemonProcess
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker, ran, wait_until_ran


def site(folder: Path, valkey: ValkeyServer, schedule: str, watch: str) -> DaemonProcess:
    folder.mkdir()
    text = site_text(
        broker_url=valkey.url, celery=f'result_backend = "{valkey.url}"', schedule=schedule, more=f"[watch]\n{watch}"
    )
    return DaemonProcess(write_site(folder, text), "--log-level", "debug")


def test_a_failure_is_told_once_by_two_daemons_together(tmp_path: Path, valkey: ValkeyServer) -> None:
    with Hooks() as hooks, Worker(valkey.url, arguments=("-E",)):
        schedule = f"""
[schedule.failing]
task = "recording.fail"
every = "1s"
kwargs = {{}}
expect = {{ start_within = "1m", ping = "{hooks.url}/run-{MARKER}" }}
"""
        watch = f'task = "recording.tick"\nwebhook = "{hooks.url}/alert-{MARKER}"\n'
        with (
            site(tmp_path / "one", valkey, schedule, watch) as one,
            site(tmp_path / "two", valkey, schedule, watch) as two,
        ):
            for daemon in (one, two):
                daemon.ready()
                daemon.wait_for("occurrence.missed", entry="failing", what="failed")
            failed = hooks.wait_for(f"/run-{MARKER}/fail?rid=", 3)
            hooks.wait_for(f"/alert-{MARKER}")
            told = [one for one in wait_until_ran(valkey.client, 4) if one["name"] == "recording.tick"]
            assert [one.terminate(), two.terminate()] == [0, 0]
        assert len(failed) == len(set(failed))
        [alert] = hooks.bodies
        assert (alert["entry"], alert["what"], alert["state"]) == ("failing", "failed", "missed")
        told = [one for one in ran(valkey.client) if one["name"] == "recording.tick"]
        assert [one["kwargs"]["occurrence"] for one in told] == [alert["occurrence"]]
        assert not [line for daemon in (one, two) for line in daemon.lines if MARKER in line]


def test_pings_tell_of_runs_and_of_the_schedule_itself(tmp_path: Path, valkey: ValkeyServer) -> None:
    with Hooks() as hooks, Worker(valkey.url, arguments=("-E",)):
        schedule = f"""
[schedule.bell]
task = "recording.tick"
every = "1s"
args = ["{{{{ entry }}}}", "{{{{ occurrence_unix }}}}"]
expect = {{ ping = "{hooks.url}/bell" }}
"""
        watch = f'ping = "{hooks.url}/alive"\nping_every = "200ms"\n'
        with site(tmp_path / "one", valkey, schedule, watch) as daemon:
            daemon.ready()
            hooks.wait_for("/alive", 3)
            hooks.wait_for("/bell?rid=", 2)
            assert daemon.terminate() == 0
        ends = {path.partition("rid=")[2] for path in hooks.wait_for("/bell?rid=")}
        runs = {one["id"]: one for one in ran(valkey.client)}
        assert ends <= runs.keys()
        name, unix = next(iter(runs.values()))["args"]
        assert (name, type(unix)) == ("bell", int)


def test_a_killed_daemon_leaves_its_sign_and_a_stopped_one_takes_it_along(tmp_path: Path, valkey: ValkeyServer) -> None:
    schedule = '[schedule.bell]\ntask = "recording.tick"\ncron = "0 0 1 1 *"\n'
    key = "carillon:1:testsite:daemons"
    with site(tmp_path / "one", valkey, schedule, "") as one, site(tmp_path / "two", valkey, schedule, "") as two:
        one.ready()
        two.ready()
        deadline = time.monotonic() + LIMIT_S
        while valkey.client.hlen(key) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        names = valkey.client.hkeys(key)
        one.kill()
        assert two.terminate() == 0
        [left] = valkey.client.hkeys(key)
        assert left in names
