"""The schedule under load: a large site file, many due at once, a thousand a second, and nothing to do.

There is nothing to compare with; the figures stand beside what was promised.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.measure import Comparison, wait_until
from benchmarks.timing import latenesses_ms, say, spread
from tests.support.builders import site_text, write_site
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer

LARGE, AT_ONCE, A_SECOND, IDLE = 20_000, 10_000, 1_000, 10_000
STEADY_S, IDLE_S, SETTLE_S = 20, 30, 8
TICKS = os.sysconf("SC_CLK_TCK")


def run() -> list[Comparison]:
    with ValkeyServer() as server:
        _ready(server)
        _at_once(server)
        _steady(server)
        _idle(server)
    return []


def _ready(server: ValkeyServer) -> None:
    text = "".join(_entry(number, f'cron = "{number % 60} {number // 60 % 24} * * *"') for number in range(LARGE))
    with _site(server, text) as daemon:
        begun = time.perf_counter()
        daemon.start()
        daemon.ready()
        say(f"start to ready, {LARGE:,} entries", f"{time.perf_counter() - begun:.2f} s (wanted < 5)")


def _at_once(server: ValkeyServer) -> None:
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=20)
    text = "".join(_entry(number, f'at = "{due.isoformat()}"') for number in range(AT_ONCE))
    with _site(server, text) as daemon:
        daemon.start()
        daemon.ready()
        assert datetime.now(UTC) < due, "starting took too long"
        wait_until(lambda: server.client.llen("celery") >= AT_ONCE, f"{AT_ONCE:,} tasks")
        late = latenesses_ms(server, 2 * AT_ONCE)
        say(f"{AT_ONCE:,} due in one second", f"{spread([ms for _, ms in late])} late (wanted < 1,000)")


def _steady(server: ValkeyServer) -> None:
    text = "".join(
        _entry(number, f'every = "1s"\nanchor = "2026-01-01T00:00:00.{number:03d}Z"\ncatch_up = "all"')
        for number in range(A_SECOND)
    )
    with _site(server, text) as daemon:
        daemon.start()
        daemon.ready()
        time.sleep(SETTLE_S)
        before = server.client.llen("celery")
        time.sleep(STEADY_S)
        fired = server.client.llen("celery") - before
        late = latenesses_ms(server, fired)
        say(
            f"{A_SECOND:,} a second for {STEADY_S} s",
            f"{fired / STEADY_S:,.0f}/s, {spread([ms for _, ms in late])} late (p99 wanted < 20), "
            f"{_percent(daemon, STEADY_S + SETTLE_S):.0f} % CPU",
        )


def _idle(server: ValkeyServer) -> None:
    minute = (datetime.now(UTC).minute + 30) % 60
    text = "".join(_entry(number, f'cron = "{minute} * * * *"') for number in range(IDLE))
    with _site(server, text) as daemon:
        daemon.start()
        daemon.ready()
        time.sleep(SETTLE_S)
        before = _cpu_s(daemon)
        time.sleep(IDLE_S)
        share = (_cpu_s(daemon) - before) / IDLE_S * 100
        say(f"{IDLE:,} entries with nothing due for {IDLE_S} s", f"{share:.2f} % CPU (wanted < 0.5)")


def _entry(number: int, timing: str) -> str:
    return f'[schedule.entry-{number}]\ntask = "app.tick"\n{timing}\n'


@contextmanager
def _site(server: ValkeyServer, schedule: str) -> Iterator[DaemonProcess]:
    server.client.flushall()
    with tempfile.TemporaryDirectory() as folder:
        daemon = DaemonProcess(write_site(Path(folder), site_text(broker_url=server.url, schedule=schedule)))
        try:
            yield daemon
        finally:
            daemon.kill()


def _cpu_s(daemon: DaemonProcess) -> float:
    assert daemon.process is not None
    numbers = Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / TICKS


def _percent(daemon: DaemonProcess, seconds: float) -> float:
    return _cpu_s(daemon) / seconds * 100
