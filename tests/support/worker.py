"""Stock Celery workers in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
NEW = Path(sys.executable)
OLD = ROOT / ".venv-celery53" / "bin" / "python"
SERIES = {f"5.{minor}.": ROOT / f".venv-celery5{minor}" / "bin" / "python" for minor in (3, 4, 5, 6)} | {"5.7.": NEW}
"""An interpreter with a stock Celery of each series that is supported, by how its version begins."""

START_LIMIT_S = 60.0


class Worker:
    """A worker running ``tests/support/recording.py``; ready once it says so."""

    def __init__(
        self,
        url: str,
        *,
        queues: str = "celery",
        python: Path = NEW,
        concurrency: int = 1,
        arguments: Sequence[str] = (),
        app: str = "recording",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._url = url
        self.name = f"w{os.urandom(3).hex()}@test"
        self._command = [
            *(str(python), "-m", "celery", "-A", app, "worker", "-Q", queues, "-c", str(concurrency)),
            *("--loglevel", "INFO", "--without-gossip", "--without-mingle", "-n", self.name, *arguments),
        ]
        self._environment = environment or {}
        self._process: subprocess.Popen[str] | None = None
        self._ready = threading.Event()
        self.lines: list[str] = []

    def __enter__(self) -> Self:
        environment = {
            **os.environ,
            "CELERY_BROKER_URL": self._url,
            "PYTHONPATH": str(Path(__file__).parent),
            **self._environment,
        }
        environment.pop("PYTHONSAFEPATH", None)
        self._process = subprocess.Popen(
            self._command,
            cwd=Path(__file__).parent,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(START_LIMIT_S):
            message = "the worker did not come up:\n" + "\n".join(self.lines[-30:])
            raise AssertionError(message)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):  # it may have been told to end
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(START_LIMIT_S)

    def pause(self) -> None:
        """Stop all its processes; leaving the block ends them all the same."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let its processes go on."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill all its processes; nothing of it is put in order."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)

    def wait_for_exit(self, limit_s: float = START_LIMIT_S) -> int:
        """Wait until the worker has ended by itself, and give its exit code."""
        assert self._process is not None
        return self._process.wait(limit_s)

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line.rstrip())
            if line.rstrip().endswith(" ready."):
                self._ready.set()
        self._process.stderr.close()


def ran(client: Any) -> list[dict[str, Any]]:
    """Read what workers wrote down, in the order they ran it."""
    return [json.loads(line) for line in client.lrange("ran", 0, -1)]


def wait_until_ran(client: Any, count: int, limit_s: float = 60.0) -> list[dict[str, Any]]:
    """Wait until workers have run so many tasks, and give them all."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = ran(client)
        if len(found) >= count:
            return found
        time.sleep(0.02)
    message = f"{len(ran(client))} of {count} tasks ran within {limit_s} s"
    raise AssertionError(message)
