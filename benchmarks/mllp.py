"""Receiving: 32 senders in lockstep, 600-byte ADT^A02, acknowledged and in the queue.

Theirs is python-hl7's server with celery's ``send_task`` before the acknowledgement, on two brokers: one that writes its log
to disk once a second, where an acknowledged message may be lost in a power cut, and one that waits for the disk at each
write, which is what our acknowledgement means. Ours waits for the disk with either.
"""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, Bound, Comparison, process, python, wait_until
from tests.support.builders import site_text, write_site
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer, free_port

ROUNDS, SECONDS, CONNECTIONS = 3, 5.0, 32
TIMES_WANTED, P99_WANTED_MS = 20, 10.0
FEED = """
[feed.adt]
listen = "127.0.0.1:0"
connections = 200
[[feed.adt.route]]
type = "ADT"
task = "app.movement"
queue = "ours"
"""


def run() -> list[Bound | Comparison]:
    ours: list[float] = []
    relaxed: list[float] = []
    durable: list[float] = []
    p99: list[float] = []
    with ValkeyServer() as everysec, ValkeyServer("--appendfsync", "always") as always:
        for _ in range(ROUNDS):
            relaxed.append(_theirs(everysec)["per_second"])
            durable.append(_theirs(always)["per_second"])
            result = _ours(everysec)
            ours.append(result["per_second"])
            p99.append(result["p99_ms"])
    against = "mllp: 32 connections / python-hl7 + send_task, broker"
    return [
        Comparison(f"{against} fsyncs", "msg/s", ours, durable, TIMES_WANTED),
        Comparison(f"{against} does not", "msg/s", ours, relaxed, TIMES_WANTED),
        Bound("mllp: p99 of our acknowledgements", "ms", p99, P99_WANTED_MS, is_most=True),
    ]


def _load(port: int) -> dict[str, Any]:
    done = subprocess.run(
        python("-m", "benchmarks.load", str(port), str(CONNECTIONS), str(SECONDS)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _theirs(server: ValkeyServer) -> dict[str, Any]:
    port = free_port()
    server.client.flushall()
    with process(*python("-m", "benchmarks.python_hl7_server", str(port), server.url)):
        wait_until(lambda: _listens(port), "python-hl7's server")
        result = _load(port)
        wait_until(lambda: server.client.llen("theirs") >= result["acks"], "messages in the queue")
    return result


def _ours(server: ValkeyServer) -> dict[str, Any]:
    server.client.flushall()
    with tempfile.TemporaryDirectory() as folder:
        site = write_site(Path(folder), site_text(broker_url=server.url, feeds=FEED))
        with DaemonProcess(site) as daemon:
            result = _load(daemon.ready().port())
            # Acknowledged is not enough: what counts is in the queue when the last answer has gone out, or a moment later.
            wait_until(lambda: server.client.llen("ours") == result["acks"], "messages in the queue", 2.0)
            daemon.terminate()
    return result


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
