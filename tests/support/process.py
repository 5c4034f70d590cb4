"""The daemon as a process: started, watched by its log lines, killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from daemon.clock import microseconds

ROOT = Path(__file__).parents[2]
LIMIT_S = 60.0


def occurrence_us(record: dict[str, Any]) -> int:
    """Give the instant of the occurrence a log line tells of, in microseconds."""
    return microseconds(datetime.fromisoformat(record["occurrence_at"]))


class DaemonProcess:
    """``carillon run`` on a site file."""

    def __init__(self, site_file: Path, *options: str, environment: dict[str, str] | None = None) -> None:
        self._command = [sys.executable, "-m", "daemon", "run", "-c", str(site_file), "--log-format", "json", *options]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CARILLON_", "CELERY_"))}
        self._environment = {**kept, **(environment or {})}
        self._changed = threading.Condition()
        self._reader: threading.Thread | None = None
        self.process: subprocess.Popen[str] | None = None
        self.lines: list[str] = []
        self.records: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self._join()

    def _join(self) -> None:
        if self._reader is not None:
            self._reader.join(LIMIT_S)

    def start(self) -> None:
        """Start the process anew; what it wrote before is kept in ``lines``."""
        self.records = []
        self.process = subprocess.Popen(
            self._command, cwd=ROOT, env=self._environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self._join()
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def ready(self) -> Self:
        """Wait until everything is open."""
        self.wait_for("daemon.ready")
        return self

    def wait_for(self, action: str, limit_s: float = LIMIT_S, **fields: Any) -> dict[str, Any]:
        """Wait for a log line and give it."""
        return self.wait_until(
            lambda record: (
                record.get("action") == action and all(record.get(name) == value for name, value in fields.items())
            ),
            f"{action} {fields}",
            limit_s,
        )

    def wait_until(
        self, wanted: Callable[[dict[str, Any]], bool], what: str, limit_s: float = LIMIT_S
    ) -> dict[str, Any]:
        deadline = time.monotonic() + limit_s
        with self._changed:
            while True:
                for record in self.records:
                    if wanted(record):
                        return record
                left = deadline - time.monotonic()
                ended = self.process is None or self.process.poll() is not None
                if left <= 0 or (ended and not self._changed.wait(0.5)):
                    message = f"no {what} in:\n" + "\n".join(self.lines[-40:])
                    raise AssertionError(message)
                self._changed.wait(min(left, 0.5))

    def port(self, feed: str = "adt") -> int:
        """Give the port a feed listens on."""
        return int(self.wait_for("feed.listening", feed=feed)["address"].rsplit(":", 1)[1])

    def get(self, path: str) -> tuple[int, str]:
        """Ask the API; give status and body."""
        address = self.wait_for("api.listening")["address"]
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str, **labels: str) -> float:
        """Read one sample; 0 if it is not there."""
        wanted = "".join(f'{key}="{value}",' for key, value in sorted(labels.items())).rstrip(",")
        start = f"{name}{{{wanted}}} " if wanted else f"{name} "
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(start):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def wait_metric(self, wanted: float, name: str, limit_s: float = LIMIT_S, **labels: str) -> None:
        """Wait until a sample has a value."""
        deadline = time.monotonic() + limit_s
        while (value := self.metric(name, **labels)) != wanted:
            if time.monotonic() > deadline:
                message = f"{name} is {value} and not {wanted}:\n" + "\n".join(self.lines[-40:])
                raise AssertionError(message)
            time.sleep(0.05)

    def terminate(self, limit_s: float = LIMIT_S) -> int:
        """Send SIGTERM, wait, and give the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(limit_s)

    def kill(self) -> None:
        """Send SIGKILL and wait."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            with self._changed:
                self.lines.append(line.rstrip())
                with suppress(ValueError):
                    self.records.append(json.loads(line))
                self._changed.notify_all()
        process.stderr.close()
        with self._changed:
            self._changed.notify_all()


UNDER_LOAD = (
    "frame.complete",
    "commit.before",
    "commit.synced",
    "ack.before",
    "ack.after",
    "push.before",
    "push.after",
    "mark.after",
)
"""Named points that a daemon passes again and again while messages come."""


class FaultyDaemon(DaemonProcess):
    """A daemon that kills itself, or meets a bug, when it passes a named point for the n-th time."""

    def __init__(self, site_file: Path, point: str, count: int, *, then: str = "kill") -> None:
        super().__init__(site_file)
        script = ROOT / "tests" / "support" / "faulty_daemon.py"
        self._command = [sys.executable, str(script), str(site_file), point, str(count), then]
        self._environment["PYTHONPATH"] = str(ROOT)
