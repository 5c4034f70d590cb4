"""``carillon health``: exit 0, 1 or 2, with a daemon and without one."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from daemon.cli.main import carillon
from tests.support.builders import ADT_FEED, site_text, write_site
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker

TICK = '[schedule.tick]\ntask = "recording.tick"\nevery = "1h"\n'
EMBEDDED_AWAY = "redis://127.0.0.1:1/0"


@contextmanager
def page(status: int) -> Iterator[str]:
    """Serve a page that answers with ``status``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/health"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def health(site: Path, *options: str, environment: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(carillon, ["health", "-c", str(site), *options], env=environment)


def states(result: Result) -> dict[str, str]:
    return {check["name"]: check["state"] for check in json.loads(result.stdout)["checks"]}


def wait_for_look(daemon: DaemonProcess) -> None:
    """Wait until the daemon has looked at its queues once."""
    deadline = time.monotonic() + 30.0
    while "carillon_queue_consumers{" not in daemon.get("/metrics")[1]:
        assert time.monotonic() < deadline, "no look at the queues"
        time.sleep(0.1)


def test_all_is_well_with_a_worker_a_page_and_a_database(valkey: ValkeyServer, tmp_path: Path) -> None:
    database = tmp_path / "app.sqlite"
    database.write_bytes(b"SQLite format 3\0")
    with page(200) as url:
        wanted = f'[health]\nurls = ["{url}"]\ndatabase = "sqlite:///{database}"\nrequire_workers = 1\n'
        text = site_text(
            broker_url=valkey.url, schedule=TICK, feeds=ADT_FEED, more=wanted, celery=f'result_backend = "{valkey.url}"'
        )
        site = write_site(tmp_path, text)
        with Worker(valkey.url), DaemonProcess(site) as daemon:
            daemon.ready()
            wait_for_look(daemon)
            found = health(site, "--json")
            assert found.exit_code == 0, found.output
            assert set(states(found).values()) == {"ok"}
            assert {"broker", "spool", "scheduler", "history", "workers", "queues", "result back-end", "feed adt",
                    "database", f"url {url}"} == set(states(found))  # fmt: skip
            terse, verbose = health(site).stdout, health(site, "-v").stdout
            assert terse.startswith("● healthy  testsite")
            assert len(terse.splitlines()) == 1
            assert "1 worker" in verbose
            assert daemon.get("/readyz")[0] == 200


def test_a_page_that_fails_and_no_worker_are_worth_a_look(valkey: ValkeyServer, tmp_path: Path) -> None:
    with page(503) as url:
        site = write_site(
            tmp_path, site_text(broker_url=valkey.url, schedule=TICK, more=f'[health]\nurls = ["{url}"]\n')
        )
        with DaemonProcess(site) as daemon:
            daemon.ready()
            wait_for_look(daemon)
            found = health(site, "--json")
            assert found.exit_code == 1
            assert (states(found)["workers"], states(found)[f"url {url}"]) == ("warning", "warning")
            assert "celery -A APP worker" in health(site).stdout
            assert daemon.get("/readyz")[0] == 200  # the daemon itself can do its work


def test_what_is_required_and_missing_is_an_error_and_the_daemon_is_not_ready(
    valkey: ValkeyServer, tmp_path: Path
) -> None:
    wanted = '[health]\nrequire_workers = 1\nrequire_queues = ["llm"]\ndatabase = "postgresql://127.0.0.1:1/app"\n'
    site = write_site(
        tmp_path, site_text(broker_url=valkey.url, schedule=TICK, more=wanted, celery='task_queues = ["llm"]')
    )
    with DaemonProcess(site) as daemon:
        daemon.ready()
        wait_for_look(daemon)
        found = health(site, "--json")
        assert found.exit_code == 2
        assert {name for name, state in states(found).items() if state == "error"} == {
            "workers",
            "queue llm",
            "database",
        }
        status, body = daemon.get("/readyz")
        assert status == 503
        assert not json.loads(body)["checks"]["queue llm"]["ok"]


def test_a_queue_in_which_tasks_wait_for_nobody_is_named(valkey: ValkeyServer, tmp_path: Path) -> None:
    tick = '[schedule.tick]\ntask = "recording.tick"\noptions = { queue = "llm" }\nevery = "1s"\n'
    site = write_site(tmp_path, site_text(broker_url=valkey.url, schedule=tick))
    valkey.client.lpush("llm", "{}")
    with DaemonProcess(site) as daemon:
        daemon.ready()
        wait_for_look(daemon)
        found = health(site)
        assert found.exit_code == 1
        assert "celery -A APP worker -Q llm" in found.stdout


def test_a_daemon_that_is_dead_is_what_is_wrong(valkey: ValkeyServer, tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, schedule=TICK))
    with Worker(valkey.url):
        found = health(site, "--json", environment={"DATABASE_URL": "sqlite:////nowhere/at/all"})
    assert found.exit_code == 2
    assert states(found)["daemon"] == "error"
    assert (states(found)["broker"], states(found)["workers"], states(found)["database"]) == ("ok", "ok", "error")
    assert "carillon run" in health(site).stdout


def test_without_daemon_and_broker_both_are_told_of(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(broker_url=EMBEDDED_AWAY, schedule=TICK))
    found = health(site, "--json")
    assert found.exit_code == 2
    assert (states(found)["daemon"], states(found)["broker"]) == ("error", "error")


def test_no_secret_is_in_what_is_told(tmp_path: Path) -> None:
    wanted = '[health]\ndatabase = "postgresql://user:s3cret@127.0.0.1:1/app"\n'
    site = write_site(tmp_path, site_text(broker_url=EMBEDDED_AWAY, schedule=TICK, more=wanted))
    found = health(site, "--json")
    assert "s3cret" not in found.output
    assert states(found)["database"] == "error"


def test_a_probe_that_greps_for_beat_finds_a_daemon_whose_site_file_is_named_so(
    valkey: ValkeyServer, tmp_path: Path
) -> None:
    site = tmp_path / "celery-beat.toml"
    site.write_text(site_text(broker_url=valkey.url, schedule=TICK))
    with DaemonProcess(site) as daemon:
        daemon.ready()
        assert daemon.process is not None
        command = Path(f"/proc/{daemon.process.pid}/cmdline").read_text().replace("\0", " ")
        assert re.search("celery.*beat", command)  # what `pgrep -f "celery.*beat"` looks for
