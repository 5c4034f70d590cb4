"""Receiving, by the shape of the traffic: one connection in lockstep and one that never waits; a busy feed beside a thousand
idle feeds, a thousand idle connections and a hundred senders that drip; and what messages of 16 MiB cost in memory.
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
from benchmarks.measure import ROOT, Bound, python, wait_until
from benchmarks.memory import resident_mib
from tests.support.builders import adt, framed, site_text, write_site
from tests.support.peer import Peer
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer, free_port

ROUNDS, SECONDS, WINDOW = 3, 5.0, 1000
FEEDS, CONNECTIONS, DRIPS, BUSY = 1000, 1000, 100, 4
SETTLE_S, IDLE_S = 5.0, 10.0
LARGE_BYTES, LARGE_COUNT = 16 * 1024 * 1024, 10
LOCKSTEP_WANTED, PIPELINED_WANTED, P99_WANTED_MS, IDLE_WANTED_PERCENT, MEMORY_WANTED = 1000.0, 10_000.0, 50.0, 3.0, 3.0
FEED = """
[feed.{name}]
listen = "{address}:{port}"
connections = 1200
min_rate = 0
[[feed.{name}.route]]
type = "ADT"
task = "app.movement"
queue = "ours"
"""
PICKED = 'kwargs = { number = "PID-3.1" }\n'
"""For the last route of a feed: its task gets a value of the message, and not all of it."""


def run() -> list[Bound]:
    with ValkeyServer() as server:
        return [
            *_one_connection(server),
            *_crowd(server, "1,000 idle feeds", FEEDS, 1),
            *_crowd(server, "1,000 idle connections", 1, CONNECTIONS),
            *_large(server, "whole document", ""),
            *_large(server, "one value", PICKED),
        ]


@contextmanager
def _daemon(server: ValkeyServer, port: int, idle_feeds: int = 0, more: str = "") -> Iterator[DaemonProcess]:
    """Run a daemon with a busy feed, and idle ones on the same port of other addresses; its log would not tell of so many."""
    server.client.flushall()
    feeds = FEED.format(name="busy", address="127.0.0.1", port=port) + more
    feeds += "".join(
        FEED.format(name=f"f{number}", address=_address(number), port=port) for number in range(idle_feeds)
    )
    with tempfile.TemporaryDirectory() as folder:
        site = write_site(Path(folder), site_text(broker_url=server.url, feeds=feeds))
        with DaemonProcess(site) as daemon:
            yield daemon.ready()
            daemon.terminate()


def _address(number: int) -> str:
    return f"127.1.{number // 250}.{number % 250 + 1}"


def _load(port: int, connections: int, window: int = 1) -> dict[str, Any]:
    command = python("-m", "benchmarks.load", str(port), str(connections), str(SECONDS), str(window))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _one_connection(server: ValkeyServer) -> list[Bound]:
    lockstep: list[float] = []
    pipelined: list[float] = []
    for _ in range(ROUNDS):
        for window, rates in ((1, lockstep), (WINDOW, pipelined)):
            port = free_port()
            with _daemon(server, port):
                result = _load(port, 1, window)
                rates.append(result["per_second"])
                wait_until(lambda: server.client.llen("ours") == result["acks"], "messages in the queue")  # noqa: B023
    return [
        Bound("listener: one connection in lockstep", "msg/s", lockstep, LOCKSTEP_WANTED),
        Bound(f"listener: one connection, {WINDOW:,} under way", "msg/s", pipelined, PIPELINED_WANTED),
    ]


# -- a crowd -----------------------------------------------------------------------------------------------------------


def _crowd(server: ValkeyServer, what: str, feeds: int, connections_each: int) -> list[Bound]:
    port = free_port()
    with _daemon(server, port, feeds) as daemon, ExitStack() as crowd:
        assert daemon.process is not None
        gathered = [
            crowd.enter_context(socket.create_connection((_address(number), port)))
            for number in range(feeds)
            for _ in range(connections_each)
        ]
        time.sleep(SETTLE_S)
        idle_percent = _idle_percent(daemon.process.pid)
        alone = _load(port, BUSY)
        with _dripping(gathered[:DRIPS]):
            beside = _load(port, BUSY)
        memory = resident_mib(daemon.process.pid)
    print(
        f"  beside {what}: p99 {alone['p99_ms']:.1f} ms, with {DRIPS} drips {beside['p99_ms']:.1f} ms, {memory:.0f} MiB"
    )
    busy_ms = max(alone["p99_ms"], beside["p99_ms"])
    return [
        Bound(f"listener: p99 beside {what} and {DRIPS} drips", "ms", [busy_ms], P99_WANTED_MS, is_most=True),
        Bound(f"listener: processor with {what}", "%", [idle_percent], IDLE_WANTED_PERCENT, is_most=True),
    ]


@contextmanager
def _dripping(senders: list[socket.socket]) -> Iterator[None]:
    """Have a byte of a message come each second from each of the senders."""
    block, over = message(10**8), threading.Event()

    def drip() -> None:
        for place in range(len(block) - 2):
            for sender in senders:
                sender.sendall(block[place : place + 1])
            if over.wait(1.0):
                return

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        yield
    finally:
        over.set()
        dripping.join()


def _idle_percent(pid: int) -> float:
    before = _processor_s(pid)
    time.sleep(IDLE_S)
    return (_processor_s(pid) - before) / IDLE_S * 100


def _processor_s(pid: int) -> float:
    """Give the processor time of all threads so far."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


# -- large messages ----------------------------------------------------------------------------------------------------


def _large(server: ValkeyServer, what: str, more: str) -> list[Bound]:
    port = free_port()
    with _daemon(server, port, more=more) as daemon, Peer(port, timeout_s=120.0) as sender:
        assert daemon.process is not None
        status = Path(f"/proc/{daemon.process.pid}")
        sender.send(framed(adt("SMALL")))
        sender.acks()
        wait_until(lambda: server.client.llen("ours") == 1, "the first message in its queue")
        times = [_costs(server, status, sender, count) for count in (1, LARGE_COUNT)]
    return [
        Bound(f"listener: memory for {number} x 16 MiB, {what} pushed", "x", [cost], MEMORY_WANTED, is_most=True)
        for number, cost in zip((1, LARGE_COUNT), times, strict=True)
    ]


def _costs(server: ValkeyServer, status: Path, sender: Peer, count: int) -> float:
    """Send large messages, each after the answer to the last; say how many times the size of one they cost at most."""
    already = server.client.llen("ours")
    (status / "clear_refs").write_text("5")
    before_bytes = _peak_bytes(status)
    for number in range(count):
        text = adt(f"LARGE{count}-{number}") + b"OBX|1|ED|||"
        sender.send(framed(text + b"x" * (LARGE_BYTES - len(text) - 1) + b"\r"))
        sender.acks()
    wait_until(lambda: server.client.llen("ours") == already + count, "the large messages in their queue")
    return (_peak_bytes(status) - before_bytes) / LARGE_BYTES


def _peak_bytes(status: Path) -> int:
    [line] = [line for line in (status / "status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024
