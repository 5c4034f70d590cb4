"""A million added entries: loading them, starting beside them, editing one of them, and many that are due in the same second.

``MILLION`` says how many there are (1,000,000) and ``DUE`` how many are due at once (10,000). There is nothing to compare with;
the figures stand beside what was promised.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

from benchmarks.measure import ROOT, Comparison, python, wait_until
from daemon.clock import SystemClock
from daemon.dispatch import CelerySide, RedisRuntimeStore
from daemon.public import Public
from daemon.scheduler.layers.ports import ANYTHING, Edit, Table
from tests.support.builders import site_text, write_site
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer

SIZE, DUE = int(os.environ.get("MILLION", "1000000")), int(os.environ.get("DUE", "10000"))
EDITS = 20
FAR = "2199-01-01T00:00:00Z"


def run() -> list[Comparison]:
    with ValkeyServer("--maxmemory-policy", "noeviction") as server, tempfile.TemporaryDirectory() as folder:
        site = write_site(Path(folder), site_text(broker_url=server.url))
        lines = Path(folder) / "entries.jsonl"
        with lines.open("w") as file:
            file.writelines(
                json.dumps({"name": f"visit-{number}", "task": "app.visit", "at": FAR, "args": [number]}) + "\n"
                for number in range(SIZE)
            )
        took_s = _carillon(site, "load", str(lines))
        memory = int(server.client.info("memory")["used_memory"]) / 2**20
        _say(f"load {SIZE:,} entries", f"{took_s:.1f} s, {SIZE / took_s:,.0f}/s, {memory:,.0f} MiB in the server")
        begun = time.perf_counter()
        with DaemonProcess(site) as daemon:
            daemon.ready()
            ready_s = time.perf_counter() - begun
            time.sleep(5)
            _say("start to ready", f"{ready_s:.2f} s (wanted < 10), {_memory_mib(daemon):.0f} MiB (wanted < 500)")
            _edits(server)
            _burst(server, site, Path(folder))
            _say("the daemon afterwards", f"{_memory_mib(daemon):.0f} MiB at most")
            assert daemon.terminate() == 0
    return []


def _edits(server: ValkeyServer) -> None:
    """Have one entry of the million run now, again and again: from the change until the task is in its queue."""
    found = []
    for number in range(EDITS):
        name, now_us = f"visit-{number}", SystemClock().now_us()
        at = datetime.fromtimestamp(now_us / 1e6, UTC).isoformat()
        text = json.dumps(
            {
                "name": name,
                "data": {"task": "app.visit", "at": at},
                "at": now_us,
                "from": now_us - 10_000_000,
                "once": True,
            }
        )
        length = server.client.llen("celery")
        begun = time.perf_counter()
        _edit(server, name, text, now_us)
        while server.client.llen("celery") == length:
            time.sleep(0.0005)
        found.append((time.perf_counter() - begun) * 1000)
    found.sort()
    _say(
        "edit one, until its task is in the queue",
        f"median {found[len(found) // 2]:.1f} ms, most {found[-1]:.1f} ms (wanted < 100)",
    )


def _edit(server: ValkeyServer, name: str, text: str, at_us: int) -> None:
    async def edit() -> None:
        store = RedisRuntimeStore(CelerySide({"broker_url": server.url}), Public("testsite"))
        await store.edit(Table.ADDED, [Edit(name, ANYTHING, text, at_us)])
        await store.close()

    anyio.run(edit)


def _burst(server: ValkeyServer, site: Path, folder: Path) -> None:
    """Have many due in the same second, and see when the last is in its queue."""
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=30)
    lines = folder / "due.jsonl"
    with lines.open("w") as file:
        file.writelines(
            json.dumps({"name": f"due-{n}", "task": "app.visit", "at": due.isoformat(), "options": {"queue": "burst"}})
            + "\n"
            for n in range(DUE)
        )
    _carillon(site, "load", str(lines))
    left_s = (due - datetime.now(UTC)).total_seconds()
    assert left_s > 0, f"loading {DUE:,} took longer than 30 s"
    time.sleep(left_s)
    wait_until(lambda: server.client.llen("burst") >= DUE, f"{DUE:,} tasks")
    took_s = (datetime.now(UTC) - due).total_seconds()
    sent = server.client.llen("burst")
    _say(
        f"{DUE:,} due in one second",
        f"the last was in its queue {took_s:.2f} s after it was due (wanted < 1), {sent - DUE} too many",
    )


def _carillon(site: Path, *arguments: str) -> float:
    begun = time.perf_counter()
    subprocess.run(
        python("-m", "daemon", "entries", arguments[0], "-c", str(site), *arguments[1:]),
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - begun


def _memory_mib(daemon: DaemonProcess) -> float:
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    [peak] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peak.split()[1]) / 1024


def _say(what: str, found: str) -> None:
    print(f"  {what:45} {found}", flush=True)
