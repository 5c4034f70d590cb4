"""The daemon's HTTP API under load: statuses of tasks, and WebSockets that follow thousands of them.

``python -m benchmarks.api ask|follow URL TOKEN …`` runs the client's side, as ``run`` does: in a process of its own.
"""
# ruff: noqa: PLC0415 - what only one side needs is imported there

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from benchmarks.measure import ROOT, Bound, python
from benchmarks.timing import quantile

LISTED = 100_000
FILTERS: list[dict[str, Any]] = [
    {},
    {"state": "FAILURE"},
    {"state": "SUCCESS", "name": "app.task-7"},
    {"name": "app.*-1"},
    {"queue": "wards"},
    {"worker": "w1@ward"},
    {"id_prefix": "99"},
    {"origin": "entry"},
    {"origin": "other"},
]
CLIENTS, TASKS, REQUESTS, ROUNDS = 64, 5_000, 8_000, 3
PACED_PER_S, CHANGES_PER_S = 500, 1_000
LIMIT_S = 120.0
IDS = [f"00000000-0000-4000-8000-{number:012d}" for number in range(TASKS)]
MANY = 100
"""Channels beyond which a connection listens for results; others listen for news of the site."""

TICKS = os.sysconf("SC_CLK_TCK")


def run() -> list[Bound]:
    """Measure a daemon with a token, a server and clients each in a process of its own."""
    with _house() as house:
        house.store_all()
        most = [house.asked(REQUESTS, 0) for _ in range(ROUNDS)]
        paced = [house.asked(PACED_PER_S * 4, PACED_PER_S) for _ in range(ROUNDS)]
        house.forget_all()
        followed = house.followed()
    return [
        Bound(f"api: statuses, {CLIENTS} clients, by one core's time", "1/s", [one.per_cpu_s for one in most], 2_000),
        Bound(f"api: statuses, {CLIENTS} clients, by the clock", "1/s", [one.per_s for one in most], 2_000),
        Bound(f"api: a status at {PACED_PER_S}/s, p50", "ms", [one.p50_ms for one in paced], 2.0, is_most=True),
        Bound(f"api: {TASKS:,} WebSockets, change to frame, p50", "ms", [followed.p50_ms], 50.0, is_most=True),
        Bound(f"api: {TASKS:,} WebSockets, change to frame, p99", "ms", [followed.p99_ms], 50.0, is_most=True),
        Bound(
            f"api: a page of {LISTED:,} tasks, {len(FILTERS)} questions, slowest step",
            "ms",
            listed(),
            50.0,
            is_most=True,
        ),
        Bound("api: connections to Redis that listen for them", "", [float(followed.listening)], 1.0, is_most=True),
    ]


def listed() -> list[float]:
    """Say how long the event loop is held by the slowest page, in the middle and at the beginning of a full list."""
    from daemon.desks.tasks import TaskFilter
    from daemon.dispatch.task_listing import listing
    from shim.events import Event, EventState

    state = EventState(tasks_limit=LISTED)
    now = datetime.now(UTC)
    for number in range(LISTED):
        told = {"name": f"app.task-{number % 50}", "args": "()", "kwargs": "{}"}
        task_id, at_s = f"{number:08d}", now.timestamp()
        kind = "task-failed" if number % 100 == 1 else "task-succeeded"
        state.apply([Event("task-received", f"w{number % 5}@ward", at_s, task_id, told)], now)
        if number % 10:
            state.apply([Event(kind, f"w{number % 5}@ward", at_s, task_id, {"runtime": 0.1})], now)
    took_ms = []
    for _ in range(ROUNDS):
        slowest = 0.0
        for one in FILTERS:
            for before in (None, state.cursor // 2):
                steps = listing(
                    state,
                    TaskFilter(**one),
                    before=before,
                    limit=200,
                    origin_of=lambda _task_id, _name: None,
                    queue_of=lambda _name: "elsewhere",
                )
                slowest = max(slowest, _longest_s(steps))
        took_ms.append(slowest * 1e3)
    return took_ms


def _longest_s(steps: Iterator[None]) -> float:
    longest_s = 0.0
    while True:
        began_s = time.process_time()
        is_over = next(steps, _OVER) is _OVER
        longest_s = max(longest_s, time.process_time() - began_s)
        if is_over:
            return longest_s


_OVER = object()


@dataclass(frozen=True)
class Load:
    """What one run told."""

    per_s: float
    per_cpu_s: float
    p50_ms: float


@dataclass(frozen=True)
class Followed:
    """What the WebSockets told."""

    p50_ms: float
    p99_ms: float
    listening: int


@dataclass(frozen=True)
class _House:
    server: Any
    url: str
    token: str
    pid: int

    def show_token(self) -> None:
        """Ask once: a token that is seen for the first time is looked at for longer."""
        request = urllib.request.Request(f"{self.url}/api/task-list", headers={"Authorization": f"Bearer {self.token}"})
        urllib.request.urlopen(request, timeout=LIMIT_S).close()

    def store_all(self) -> None:
        with self.server.client.pipeline(transaction=False) as pipe:
            for task_id in IDS:
                pipe.set(f"celery-task-meta-{task_id}", meta(5, "SUCCESS"))
            pipe.execute()

    def forget_all(self) -> None:
        with self.server.client.pipeline(transaction=False) as pipe:
            for task_id in IDS:
                pipe.set(f"celery-task-meta-{task_id}", meta(0, "PROCESSING"))
            pipe.execute()

    def asked(self, count: int, per_s: int) -> Load:
        before_s = cpu_s(self.pid)
        told = self._client("ask", str(count), str(per_s))
        return Load(told["per_s"], count / (cpu_s(self.pid) - before_s), told["p50_ms"])

    def followed(self) -> Followed:
        told = self._client("follow", f"{self.server.port}")
        return Followed(told["p50_ms"], told["p99_ms"], told["listening"])

    def _client(self, part: str, *more: str) -> dict[str, Any]:
        command = python("-m", "benchmarks.api", part, self.url, self.token, *more)
        found = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=LIMIT_S)
        told: dict[str, Any] = json.loads(found.stdout)
        return told


@contextmanager
def _house() -> Iterator[_House]:
    from tests.support.builders import site_text
    from tests.support.process import DaemonProcess
    from tests.support.tokens import add_token
    from tests.support.valkey import ValkeyServer

    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with tempfile.TemporaryDirectory(prefix="carillon-bench-") as name, ValkeyServer(append_only=False) as server:
        folder = Path(name)
        text = site_text(broker_url=server.url, celery=f'result_backend = "{server.url}"')
        text = text.replace("[api]", '[api]\nrate = 1000000\nshow_tasks = ["bench.*"]')
        (folder / "site.toml").write_text(text)
        with DaemonProcess(folder / "site.toml") as daemon:
            daemon.ready()
            address = daemon.wait_for("api.listening")["address"]
            token = add_token(folder / "state", "bench")
            time.sleep(2.0)  # it is noticed within a second
            assert daemon.process is not None
            house = _House(server, f"http://{address}", token, daemon.process.pid)
            house.show_token()
            yield house


def meta(progress: int, state: str, at_s: float = 0.0) -> str:
    """Write what a worker stores."""
    result = {"status": "at it", "progress": progress, "at": at_s}
    return json.dumps({"status": state, "result": result, "traceback": None, "children": [], "name": "bench.task"})


def cpu_s(pid: int) -> float:
    """Say how long a process has run so far."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


# -- the client's side -------------------------------------------------------------------------------------------------


class Asker(asyncio.Protocol):
    """Asks for one status after the other on one connection."""

    def __init__(self, load: Loading) -> None:
        self._load = load
        self._taken = b""
        self._asked_s = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._taken += data
        head, mark, body = self._taken.partition(b"\r\n\r\n")
        if not mark:
            return
        place = head.lower().index(b"content-length:") + 15
        length = int(head[place : place + 12].split(b"\r", 1)[0])
        if len(body) < length:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._load.fail(head + body)
            return
        self._taken = b""
        self._load.took_s.append(time.monotonic() - self._asked_s)
        self._next()

    def _next(self) -> None:
        load = self._load
        if not load.left:
            load.done()
            return
        load.left -= 1
        load.number += 1
        pause_s = load.turn_s()
        if pause_s > 0:
            asyncio.get_running_loop().call_later(pause_s, self._ask, load.number)
        else:
            self._ask(load.number)

    def _ask(self, number: int) -> None:
        self._asked_s = time.monotonic()
        self._transport.write(self._load.request(number))


class Loading:
    """One run of requests over some connections."""

    def __init__(self, url: str, token: str, count: int, per_s: int) -> None:
        self._place = urlsplit(url)
        self._token = token
        self.left, self._per_s = count, per_s
        self.took_s: list[float] = []
        self.number = 0
        self._open = CLIENTS
        self.failure = b""
        self._over = asyncio.Event()
        self._began_s = 0.0

    async def run(self) -> dict[str, float]:
        count = self.left
        self._began_s = time.monotonic()
        loop = asyncio.get_running_loop()
        for _ in range(CLIENTS):
            await loop.create_connection(lambda: Asker(self), *_place(self._place))
        await asyncio.wait_for(self._over.wait(), LIMIT_S)
        took = time.monotonic() - self._began_s
        assert not self.failure, self.failure
        ordered = sorted(self.took_s)
        return {"per_s": count / took, "p50_ms": quantile(ordered, 0.5) * 1e3, "p99_ms": quantile(ordered, 0.99) * 1e3}

    def turn_s(self) -> float:
        """Say how long to wait before the next request, so that they are evenly spread."""
        if not self._per_s:
            return 0.0
        return self._began_s + self.number / self._per_s - time.monotonic()

    def request(self, number: int) -> bytes:
        path = f"/api/tasks/{IDS[number % TASKS]}/status"
        return (
            f"GET {path} HTTP/1.1\r\nHost: {self._place.netloc}\r\nAuthorization: Bearer {self._token}\r\n\r\n".encode()
        )

    def fail(self, answer: bytes) -> None:
        """Give up: nothing is measured by refusals."""
        self.failure = answer
        self._over.set()

    def done(self) -> None:
        self._open -= 1
        if not self._open:
            self._over.set()


class Follower(asyncio.Protocol):
    """One WebSocket; tells when a frame with a time came."""

    def __init__(self, request: bytes, took_s: list[float], is_open: asyncio.Event) -> None:
        self._request, self._took_s, self._is_open = request, took_s, is_open

    def connection_made(self, transport: Any) -> None:
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now_s = time.monotonic()
        if not self._is_open.is_set():
            assert b" 101 " in data[:20], data
            self._is_open.set()
        for part in data.split(b'"at":')[1:]:
            at_s = float(part.split(b"}", 1)[0])
            if at_s:
                self._took_s.append(now_s - at_s)


async def follow(url: str, token: str, port: int) -> dict[str, float]:
    """Follow every task, change each once, and gather how long the frames took."""
    import redis

    place = urlsplit(url)
    took_s: list[float] = []
    loop = asyncio.get_running_loop()
    for task_id in IDS:
        is_open = asyncio.Event()
        request = (
            f"GET /api/ws/tasks/{task_id} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {token}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()
        await loop.create_connection(partial(Follower, request, took_s, is_open), *_place(place))
        await asyncio.wait_for(is_open.wait(), LIMIT_S)
    with redis.Redis(port=port) as client:
        await _until(lambda: client.info("stats")["pubsub_channels"] >= TASKS)
        listening = sum(int(one["sub"]) > MANY for one in client.client_list(_type="pubsub"))
        await asyncio.sleep(1.0)
        await _change_all(client)
    await _until(lambda: len(took_s) >= TASKS)
    ordered = sorted(took_s)
    p50, p99 = (quantile(ordered, part) * 1e3 for part in (0.5, 0.99))
    return {"p50_ms": p50, "p99_ms": p99, "listening": listening}


async def _until(is_so: Callable[[], bool]) -> None:
    """Look again and again; nobody tells of it."""
    deadline_s = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.05)


def _place(url: SplitResult) -> tuple[str, int]:
    assert url.hostname is not None
    assert url.port is not None
    return url.hostname, url.port


async def _change_all(client: Any) -> None:
    began_s = time.monotonic()
    for number, task_id in enumerate(IDS):
        wait_s = began_s + number / CHANGES_PER_S - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        text = meta(50, "PROCESSING", time.monotonic())
        key = f"celery-task-meta-{task_id}"
        client.pipeline().set(key, text, ex=3600).publish(key, text).execute()


def _main() -> None:
    import uvloop

    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    part, url, token, *more = sys.argv[1:]

    async def told() -> dict[str, float]:
        if part == "ask":
            return await Loading(url, token, int(more[0]), int(more[1])).run()
        return await follow(url, token, int(more[0]))

    print(json.dumps(uvloop.run(told())))


if __name__ == "__main__":
    _main()
