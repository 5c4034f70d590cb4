"""Ten thousand results awaited in one process: the shim's waiter, and Celery's ``ResultSet``, a publisher process beside them.

``python -m benchmarks.results shim|celery|publish URL`` runs one part, as ``run`` does; each imports what it needs, for what it
imports is measured.
"""
# ruff: noqa: PLC0415 - as it says

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio

from benchmarks.measure import ROOT, Comparison, in_turn, process, python, wait_until

ROUNDS, COUNT, ALLOWED_MB = 3, 10_000, 100
LIMIT_S = 120.0
IDS = [str(uuid.UUID(int=number + (7 << 100))) for number in range(COUNT)]


@dataclass(frozen=True)
class Run:
    """What one process told: results in a second, from the first that was stored, and the most memory it ever held."""

    per_s: float
    peak_mb: float


def run() -> list[Comparison]:
    from tests.support.valkey import ValkeyServer

    ours: list[Run] = []
    theirs: list[Run] = []

    def measure(kind: str, found: list[Run]) -> float:
        with ValkeyServer(append_only=False) as server:
            found.append(_measured(kind, server.url, server.client))
        return found[-1].per_s

    mine, others = in_turn(ROUNDS, lambda: measure("shim", ours), lambda: measure("celery", theirs))
    allowed = [float(ALLOWED_MB)] * ROUNDS
    peaks = [one.peak_mb for one in ours]
    return [
        Comparison(f"results: {COUNT:,} awaited, shim / celery ResultSet", "1/s", mine, others, 3),
        Bound(f"results: {COUNT:,} awaited at once, peak memory", "MB", peaks, allowed, 1),
    ]


class Bound(Comparison):
    """A comparison in which less is better: the ratio is theirs to ours."""

    @property
    def ratio(self) -> float:
        return Comparison(self.what, self.unit, self.theirs, self.ours, self.wanted).ratio


def _measured(kind: str, url: str, client: Any) -> Run:
    part = python("-m", "benchmarks.results", kind, url)
    with subprocess.Popen(part, cwd=ROOT, stdout=subprocess.PIPE) as waiting:
        try:
            with process(*python("-m", "benchmarks.results", "publish", url)):
                told = json.loads(waiting.communicate(timeout=LIMIT_S)[0])
        finally:
            waiting.kill()
    return Run(COUNT / (told["ended"] - float(client.get("begun"))), told["peak_mb"])


def _tell(received: int) -> None:
    assert received == COUNT, received
    print(json.dumps({"ended": time.monotonic(), "peak_mb": _peak_mb()}))


def _peak_mb() -> float:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024 / 1e6


def _publish(url: str) -> None:
    import redis

    with redis.Redis.from_url(url) as client:
        stored = list(_stored())
        wait_until(lambda: client.info("stats")["pubsub_channels"] == COUNT, "subscriptions", LIMIT_S)
        client.set("begun", time.monotonic())
    with socket.create_connection(("127.0.0.1", urlsplit(url).port)) as raw:
        raw.sendall(b"".join(stored))
        for _ in raw.makefile("rb"):  # until the server has answered for long enough: the process is killed
            pass


def _stored() -> Iterator[bytes]:
    """Write the commands with which a worker stores each result."""
    meta: dict[str, Any] = {
        "status": "SUCCESS",
        "result": {"number": 5, "text": "hello world"},
        "traceback": None,
        "children": [],
    }
    for task_id in IDS:
        key = f"celery-task-meta-{task_id}"
        text = json.dumps({**meta, "date_done": "2026-11-22T03:15:37.603692+00:00", "task_id": task_id})
        for command in (("SETEX", key, "3600", text), ("PUBLISH", key, text)):
            yield f"*{len(command)}\r\n".encode()
            yield from (f"${len(word)}\r\n{word}\r\n".encode() for word in command)


async def _shim(url: str) -> None:
    from shim import Link, Results, parse_broker_url
    from shim.connector import Connector
    from shim.results import ResultWaiter, TaskMeta

    address = parse_broker_url(url)
    link = Link(address, client_name="bench-look-up")
    waiter = ResultWaiter(Results(link), Connector(address, client_name="bench-listen"))
    metas: dict[str, TaskMeta] = {}

    async def wait(task_id: str) -> None:
        meta = await waiter.ready(task_id, LIMIT_S)
        if meta is not None:
            metas[task_id] = meta

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(waiter.run)
        async with anyio.create_task_group() as callers:
            for task_id in IDS:
                callers.start_soon(wait, task_id)
        _tell(len(metas))
        tasks.cancel_scope.cancel()
    await link.close()


def _celery(url: str) -> None:
    from celery import Celery
    from celery.result import ResultSet

    app = Celery("bench", backend=url, set_as_current=False)
    results = ResultSet([app.AsyncResult(task_id) for task_id in IDS], app=app)
    _tell(len(results.join_native(timeout=LIMIT_S)))


if __name__ == "__main__":
    part, address = sys.argv[1:]
    if part == "shim":
        anyio.run(_shim, address, backend_options={"use_uvloop": True})
    else:
        {"celery": _celery, "publish": _publish}[part](address)
