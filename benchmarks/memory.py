"""Resident memory with 100 entries and one feed, beside celery beat with 100 entries."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmarks.burst import BEAT_APP
from benchmarks.measure import process, python, wait_until
from tests.support.builders import ADT_FEED, site_text, write_site
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer

ALLOWED_MIB = 20
SITE = "".join(f'[schedule.entry-{number}]\ntask = "app.tick"\nevery = "1s"\n' for number in range(100))


def run() -> None:
    with ValkeyServer() as server:
        theirs, ours = _beat(server), _carillon(server)
    verdict = "ok" if ours <= theirs + ALLOWED_MIB else "ABOVE"
    print(
        f"memory: 100 entries and one feed {ours:.1f} MiB, celery beat {theirs:.1f} MiB, "
        f"allowed {theirs + ALLOWED_MIB:.1f}  {verdict}"
    )


def resident_mib(pid: int) -> float:
    """Read what a process holds in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(pid)


def _beat(server: ValkeyServer) -> float:
    server.client.flushall()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bench_app.py").write_text(BEAT_APP % 100)
        environment = {**os.environ, "BENCH_URL": server.url, "PYTHONPATH": folder}
        environment.pop("PYTHONSAFEPATH", None)
        command = python("-m", "celery", "-A", "bench_app", "beat", "-s", f"{folder}/beat", "-l", "ERROR")
        with process(*command, folder=Path(folder), environment=environment) as beat:
            wait_until(lambda: server.client.llen("beat") > 500, "fires of celery beat")
            return resident_mib(beat.pid)


def _carillon(server: ValkeyServer) -> float:
    server.client.flushall()
    with tempfile.TemporaryDirectory() as folder:
        site = write_site(Path(folder), site_text(broker_url=server.url, schedule=SITE, feeds=ADT_FEED))
        with DaemonProcess(site) as daemon:
            daemon.ready()
            wait_until(lambda: server.client.llen("celery") > 500, "fires of carillon")
            assert daemon.process is not None
            return resident_mib(daemon.process.pid)
