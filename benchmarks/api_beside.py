"""What the API's load does to the rest: how late occurrences and acknowledgements are without it and under it, in turn.

``python -m benchmarks.api_beside ack PORT SECONDS`` sends messages in lockstep, and ``… press URL TOKEN SECONDS`` is the load:
clients that ask for one status after the other, lists, metrics, and readers of live events; each in a process of its own.
"""
# ruff: noqa: PLC0415 - what only one side needs is imported there

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.load import Sender
from benchmarks.measure import ROOT, Bound, python, wait_until
from benchmarks.timing import latenesses_ms, quantile, say

ENTRIES, TICKING, TASKS, STORED = 10_000, 50, 100_000, 5_000
"""Entries with nothing due, entries due once a second each, tasks in the list, results that are asked for."""

CLIENTS, READERS, ROUNDS, SECONDS, SETTLE_S = 64, 200, 3, 6.0, 2.0
ACKS_PER_S = 100
DELAY_MS = 10.0
LIMIT_S = 120.0
TOPICS = ("overview", "feeds", "messages", "schedule", "tasks", "workers", "queues", "alerts")
PAGES = (
    "/api/schedule?limit=200",
    "/api/task-list?limit=200",
    "/api/schedule?limit=200&sort=next&descending=true",
    "/api/task-list?limit=200&name=app.*",
    "/api/schedule/timeline",
    "/api/task-list?limit=200&state=FAILURE",
    "/api/overview",
    "/api/feeds",
    "/api/schedule?limit=200&sort=last&descending=true",
    "/api/alerts",
)
FEED = """
[feed.adt]
listen = "127.0.0.1:0"
connections = 20
[[feed.adt.route]]
type = "ADT"
task = "app.movement"
queue = "ours"
"""


def run() -> list[Bound]:
    """Measure in turn without load and under it, and take the difference of each pair."""
    with _house() as house:
        house.measured(SETTLE_S, under_load=True)  # so that nothing is done for the first time while it counts
        pairs = [
            (house.measured(SECONDS, under_load=False), house.measured(SECONDS, under_load=True)) for _ in range(ROUNDS)
        ]
    for what, place in (("occurrences", 0), ("acknowledgements", 1)):
        quiet, loud = ([one[place] for one in ones] for ones in zip(*pairs, strict=True))
        say(f"{what}, p99 without load and under it", f"{_spread(quiet)} and {_spread(loud)}")
    say("answers a second meanwhile", f"{sorted(loud[2] for _, loud in pairs)[ROUNDS // 2]:,.0f}")
    return [
        Bound(
            f"api: load delays {what}, p99 by",
            "ms",
            [max(loud[place] - quiet[place], 0.0) for quiet, loud in pairs],
            DELAY_MS,
            is_most=True,
        )
        for what, place in (("an occurrence", 0), ("an ACK", 1))
    ]


def _spread(values: list[float]) -> str:
    ordered = sorted(values)
    return f"{ordered[len(ordered) // 2]:.1f} [{ordered[0]:.1f}-{ordered[-1]:.1f}] ms"


@dataclass(frozen=True)
class _House:
    server: Any
    url: str
    token: str
    port: int

    def measured(self, seconds: float, *, under_load: bool) -> tuple[float, float, float]:
        """Give the 99th of a hundred latenesses and of as many acknowledgements, in milliseconds, and answers a second."""
        press = python("-m", "benchmarks.api_beside", "press", self.url, self.token, str(seconds + 2 * SETTLE_S))
        pressing = subprocess.Popen(press, cwd=ROOT, stdout=subprocess.PIPE) if under_load else None
        time.sleep(SETTLE_S)
        since_us = time.time_ns() // 1000
        acks = python("-m", "benchmarks.api_beside", "ack", str(self.port), str(seconds))
        told = json.loads(subprocess.run(acks, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=LIMIT_S).stdout)
        until_us = time.time_ns() // 1000
        answers_per_s = 0.0
        if pressing is not None:
            out, _ = pressing.communicate(timeout=LIMIT_S)
            assert pressing.returncode == 0
            answers_per_s = json.loads(out)["per_s"]
        late = sorted(ms for at_us, ms in latenesses_ms(self.server, 4000) if since_us <= at_us < until_us)
        assert len(late) > TICKING * seconds / 2
        self.server.client.delete("celery", "ours")
        return quantile(late, 0.99), told["p99_ms"], answers_per_s


@contextmanager
def _house() -> Iterator[_House]:
    from tests.support.builders import site_text
    from tests.support.process import DaemonProcess
    from tests.support.tokens import add_token
    from tests.support.valkey import ValkeyServer

    with tempfile.TemporaryDirectory(prefix="carillon-bench-") as name, ValkeyServer(append_only=False) as server:
        server.client.config_set("client-output-buffer-limit", "pubsub 0 0 0")
        folder = Path(name)
        text = site_text(
            broker_url=server.url, celery=f'result_backend = "{server.url}"', schedule=_entries(), feeds=FEED
        )
        (folder / "site.toml").write_text(text.replace("[api]", '[api]\nrate = 1000000\nshow_tasks = ["bench.*"]'))
        with DaemonProcess(folder / "site.toml") as daemon:
            daemon.ready()
            house = _House(
                server,
                f"http://{daemon.wait_for('api.listening')['address']}",
                add_token(folder / "state", "bench"),
                daemon.port(),
            )
            time.sleep(2.0)  # the token is noticed within a second
            _store(server)
            wait_until(lambda: server.client.pubsub_numpat() > 0, "listener for events")
            _tell_of_tasks(server)
            wait_until(lambda: _total(house) >= TASKS, "tasks in the list", LIMIT_S)
            yield house


def _entries() -> str:
    minute = (datetime.now(UTC).minute + 30) % 60
    idle = (f'[schedule.idle-{number}]\ntask = "app.idle"\ncron = "{minute} * * * *"\n' for number in range(ENTRIES))
    ticking = (
        f'[schedule.tick-{number}]\ntask = "app.tick"\nevery = "1s"\ncatch_up = "all"\n'
        f'anchor = "2026-01-01T00:00:00.{number * 1000 // TICKING:03d}Z"\n'
        for number in range(TICKING)
    )
    return "".join((*idle, *ticking))


def _store(server: Any) -> None:
    from benchmarks.api import IDS, meta

    with server.client.pipeline(transaction=False) as pipe:
        for task_id in IDS:
            pipe.set(f"celery-task-meta-{task_id}", meta(5, "SUCCESS"))
        pipe.execute()


def _tell_of_tasks(server: Any) -> None:
    from tests.support.event_stream import fields, payload, received

    now_s = time.time()
    for first in range(0, TASKS, 500):
        events = []
        for number in range(first, first + 500):
            task_id, host = f"{number:08d}", f"w{number % 5}@ward"
            kind = "task-failed" if number % 100 == 1 else "task-succeeded"
            told = (
                {"result": "5", "runtime": 0.008} if kind == "task-succeeded" else {"exception": "E()", "traceback": ""}
            )
            events.append(received(task_id, at_s=now_s, host=host, name=f"app.task-{number % 50}"))
            events.append(fields(kind, task_id, at_s=now_s + 0.01, host=host, **told))
        server.client.publish("/0.celeryev/task.multi", payload(events))


def _total(house: _House) -> int:
    request = urllib.request.Request(
        f"{house.url}/api/task-list?limit=1", headers={"Authorization": f"Bearer {house.token}"}
    )
    with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
        return int(json.load(answer)["total"] or 0)


# -- acknowledgements --------------------------------------------------------------------------------------------------


def acknowledged(port: int, seconds: float) -> dict[str, float]:
    """Send messages one after the other, evenly spread, and say how long the slowest of a hundred took."""
    sender, took_s = Sender(port), list[float]()
    first, began_s = time.time_ns() // 1_000_000 % 10**7 * 1000, time.perf_counter()
    for number in range(int(seconds * ACKS_PER_S)):
        time.sleep(max(began_s + number / ACKS_PER_S - time.perf_counter(), 0.0))
        sender.send(first + number, 1)
        while not sender.acknowledged(took_s):
            pass
    took_s.sort()
    return {"p50_ms": quantile(took_s, 0.5) * 1e3, "p99_ms": quantile(took_s, 0.99) * 1e3}


# -- the load ----------------------------------------------------------------------------------------------------------


@dataclass
class _Pressing:
    url: str
    token: str
    until_s: float
    answers: int = 0
    failures: list[str] = field(default_factory=list)

    async def run(self) -> None:
        from benchmarks.api import IDS

        statuses = tuple(f"/api/tasks/{task_id}/status" for task_id in IDS)
        async with asyncio.TaskGroup() as tasks:
            for number in range(CLIENTS):
                tasks.create_task(self._ask(statuses[number * 70 :]))
            tasks.create_task(self._ask(PAGES))
            tasks.create_task(self._ask(("/metrics",), every_s=1.0))
            for _ in range(READERS):
                tasks.create_task(self._read())

    async def _ask(self, paths: tuple[str, ...], every_s: float = 0.0) -> None:
        reader, writer = await self._opened()
        number = 0
        while time.monotonic() < self.until_s:
            writer.write(self._head(paths[number % len(paths)]) + b"\r\n")
            status, length = await _head_of(reader)
            await reader.readexactly(length)
            if status != "200":
                self.failures.append(f"{status} {paths[number % len(paths)]}")
                break
            number += 1
            self.answers += 1
            if every_s:
                await asyncio.sleep(every_s)
        writer.close()

    async def _read(self) -> None:
        reader, writer = await self._opened()
        key = base64.b64encode(os.urandom(16))
        writer.write(
            self._head("/api/ws/events")
            + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n"
            % key
        )
        status, _ = await _head_of(reader)
        if status != "101":
            self.failures.append(f"{status} events")
            return
        said = json.dumps({"subscribe": TOPICS}).encode()
        writer.write(bytes((0x81, 0x80 | 126)) + len(said).to_bytes(2, "big") + b"\0\0\0\0" + said)
        while (left_s := self.until_s - time.monotonic()) > 0:
            try:
                if not await asyncio.wait_for(reader.read(1 << 18), left_s):
                    self.failures.append("events ended")
                    return
            except TimeoutError:
                pass
        writer.close()

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        place = urlsplit(self.url)
        return await asyncio.open_connection(place.hostname, place.port, limit=1 << 22)

    def _head(self, path: str) -> bytes:
        place = urlsplit(self.url).netloc
        return f"GET {path} HTTP/1.1\r\nHost: {place}\r\nAuthorization: Bearer {self.token}\r\n".encode()


async def _head_of(reader: asyncio.StreamReader) -> tuple[str, int]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    length = next((line.split(":")[1] for line in lines if line.startswith("content-length:")), "0")
    return lines[0].split()[1], int(length)


def _main() -> None:
    import uvloop

    part, *more = sys.argv[1:]
    if part == "ack":
        print(json.dumps(acknowledged(int(more[0]), float(more[1]))))
        return
    os.nice(5)  # who asks for pages yields to what is measured
    pressing = _Pressing(more[0], more[1], time.monotonic() + float(more[2]))
    uvloop.run(pressing.run())
    assert not pressing.failures, pressing.failures[:3]
    print(json.dumps({"per_s": pressing.answers / float(more[2])}))


if __name__ == "__main__":
    _main()
