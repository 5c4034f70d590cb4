"""A burst: entries that are all due every second, on celery beat and on Carillon, one after the other on one Valkey.

Ours can fire no more than is due, so with 5,000 entries the ratio says how many of them beat drops; with 10,000 there is more room.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

from benchmarks.measure import Comparison, in_turn, process, python, wait_until
from daemon.clock import SECOND_US
from daemon.keys import occurrence_id
from daemon.scheduler.model import parse_horizon
from tests.support.builders import site_text, write_site
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer

ROUNDS, SECONDS = 3, 8.0
SIZES = (5_000, 10_000)
BEAT_APP = """
import os
from celery import Celery
app = Celery("bench", broker=os.environ["BENCH_URL"])
app.conf.beat_schedule = {
    f"entry-{number}": {"task": "app.tick", "schedule": 1.0, "options": {"queue": "beat"}} for number in range(%d)
}
"""
ENTRY = '[schedule.entry-{}]\ntask = "app.tick"\nevery = "1s"\noptions = {{ queue = "carillon" }}\n'


def run() -> list[Comparison]:
    comparisons = []
    with ValkeyServer() as server:
        for size in SIZES:
            found: list[str] = []
            ours, theirs = in_turn(ROUNDS, partial(_carillon, server, size, found), partial(_beat, server, size))
            print("\n".join(f"  {line}" for line in found))
            what = f"burst: {size:,} entries due every second / celery beat"
            most = 0.99 * size / statistics.median(theirs)  # no more is due
            comparisons.append(Comparison(what, "fire/s", ours, theirs, min(50, most)))
    return comparisons


def _rate(server: ValkeyServer, queue: str) -> float:
    begun, before = time.perf_counter(), server.client.llen(queue)
    time.sleep(SECONDS)
    return float(server.client.llen(queue) - before) / (time.perf_counter() - begun)


def _beat(server: ValkeyServer, size: int) -> float:
    server.client.flushall()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bench_app.py").write_text(BEAT_APP % size)
        environment = {**os.environ, "BENCH_URL": server.url, "PYTHONPATH": folder}
        environment.pop("PYTHONSAFEPATH", None)
        command = python("-m", "celery", "-A", "bench_app", "beat", "-s", f"{folder}/beat", "-l", "ERROR")
        with process(*command, folder=Path(folder), environment=environment):
            wait_until(lambda: server.client.llen("beat") > 0, "first fire of celery beat")
            return _rate(server, "beat")


def _carillon(server: ValkeyServer, size: int, found: list[str]) -> float:
    server.client.flushall()
    with tempfile.TemporaryDirectory() as folder:
        site = write_site(
            Path(folder), site_text(broker_url=server.url, schedule="".join(map(ENTRY.format, range(size))))
        )
        with DaemonProcess(site) as daemon:
            daemon.ready()
            wait_until(lambda: server.client.llen("carillon") > 0, "first fire of carillon")
            rate = _rate(server, "carillon")
            assert daemon.terminate() == 0
        found.append(_completeness(server))
    return rate


def _completeness(server: ValkeyServer) -> str:
    """Hold what was fired against what should have been: every second of every entry, once, up to the stop."""
    horizons = server.client.hgetall("carillon:1:testsite:entries")
    fired = [json.loads(one)["headers"]["id"] for one in server.client.lrange("carillon", 0, -1)]
    each = Counter(fired)
    gaps = 0
    for name, value in horizons.items():
        horizon = parse_horizon(value.decode())
        assert horizon is not None
        last_us = horizon.at_us
        found = [occurrence_id("testsite", name.decode(), last_us - back * SECOND_US) in each for back in range(60)]
        gaps += found[found.index(False) :].count(True)
    doubled = sum(count > 1 for count in each.values())
    return f"{len(fired):,} fires of {len(horizons):,} entries: {gaps} skipped, {doubled} doubled"
