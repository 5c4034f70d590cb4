"""Receiving, by the shape of the traffic: one connection in lockstep and one that never waits, a busy feed beside a
thousand idle ones and a hundred that drip, and what a message of 16 MiB costs in memory.
"""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.load import message
from benchmarks.measure import ROOT, python, wait_until
from tests.support.builders import adt, framed, site_text, write_site
from tests.support.peer import Peer
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer

SECONDS, PIPELINED = 5.0, 50_000
IDLE_FEEDS, DRIPS, BUSY = 1000, 100, 4
LARGE_BYTES = 16 * 1024 * 1024
ONE_WANTED, PIPELINED_WANTED, P99_WANTED_MS, MEMORY_WANTED = 1000.0, 10_000.0, 50.0, 3.0
FEED = """
[feed.{name}]
listen = "127.0.0.1:{port}"
connections = 200
min_rate = 0
[[feed.{name}.route]]
type = "ADT"
task = "app.movement"
queue = "ours"
kwargs = {{ mrn = "PID-3.1" }}
"""


def run() -> None:
    with ValkeyServer() as server:
        with _daemon(server, 0) as daemon:
            one = _load(daemon.port("f0"), 1)
            _say("one connection in lockstep", one["per_second"], "msg/s", ONE_WANTED, at_least=True)
            rate = _pipelined(daemon.port("f0"))
            _say("one connection that never waits", rate, "msg/s", PIPELINED_WANTED, at_least=True)
        _beside_a_crowd(server)
        _large(server)


def _say(what: str, value: float, unit: str, wanted: float, *, at_least: bool) -> None:
    reached = value >= wanted if at_least else value <= wanted
    print(f"wire: {what:58} {value:9,.1f} {unit:6} wanted {wanted:,.0f}  {'ok' if reached else 'MISSED'}", flush=True)


@contextmanager
def _daemon(server: ValkeyServer, *ports: int) -> Iterator[DaemonProcess]:
    server.client.flushall()
    text = "".join(FEED.format(name=f"f{number}", port=port) for number, port in enumerate(ports))
    with tempfile.TemporaryDirectory() as folder:
        site = write_site(Path(folder), site_text(broker_url=server.url, feeds=text))
        with DaemonProcess(site) as daemon:
            yield daemon.ready()
            daemon.terminate()


def _load(port: int, connections: int) -> dict[str, Any]:
    command = python("-m", "benchmarks.load", str(port), str(connections), str(SECONDS))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _free_ports(count: int) -> list[int]:
    with ExitStack() as taken:
        sockets = [taken.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def _pipelined(port: int) -> float:
    stream = b"".join(message(number) for number in range(PIPELINED))
    with socket.create_connection(("127.0.0.1", port)) as sender:
        begun = time.perf_counter()
        threading.Thread(target=sender.sendall, args=(stream,), daemon=True).start()
        answers = 0
        while answers < PIPELINED:
            answers += sender.recv(1 << 18).count(b"\x1c")
        return PIPELINED / (time.perf_counter() - begun)


def _beside_a_crowd(server: ValkeyServer) -> None:
    block = message(10**8)
    over = threading.Event()
    busy, *idle = _free_ports(IDLE_FEEDS + 1)  # named, for so many lines of the log at once are not written
    with _daemon(server, busy, *idle), ExitStack() as crowd:
        for port in idle:
            crowd.enter_context(socket.create_connection(("127.0.0.1", port)))
        drips = [crowd.enter_context(socket.create_connection(("127.0.0.1", idle[0]))) for _ in range(DRIPS)]

        def drip() -> None:
            for place in range(len(block) - 2):
                for sender in drips:
                    sender.sendall(block[place : place + 1])
                if over.wait(1.0):
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            result = _load(busy, BUSY)
        finally:
            over.set()
            dripping.join()
    what = f"p99 of a busy feed beside {IDLE_FEEDS} idle feeds and {DRIPS} drips"
    _say(what, result["p99_ms"], "ms", P99_WANTED_MS, at_least=False)


def _large(server: ValkeyServer) -> None:
    text = adt("LARGE") + b"OBX|1|ED|||"
    large = framed(text + b"x" * (LARGE_BYTES - len(text) - 1) + b"\r")
    with _daemon(server, 0) as daemon, Peer(daemon.port("f0")) as sender:
        assert daemon.process is not None
        status = Path(f"/proc/{daemon.process.pid}")
        sender.send(framed(adt("SMALL")))
        sender.acks()
        wait_until(lambda: server.client.llen("ours") == 1, "the first message in its queue")
        (status / "clear_refs").write_text("5")
        before = _peak_bytes(status)
        sender.send(large)
        sender.acks()
        stored = _peak_bytes(status)
        wait_until(lambda: server.client.llen("ours") == 2, "the large message in its queue")
        pushed = _peak_bytes(status)
    for what, after in (("until the answer", stored), ("until it is in its queue", pushed)):
        times = (after - before) / LARGE_BYTES
        _say(f"memory for a message of 16 MiB, {what}", times, "x", MEMORY_WANTED, at_least=False)


def _peak_bytes(status: Path) -> int:
    [line] = [line for line in (status / "status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024
