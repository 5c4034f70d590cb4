"""A real Flower in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.valkey import free_port

START_LIMIT_S = 60.0
ANSWER_LIMIT_S = 10.0


class Flower:
    """A Flower that watches one broker; ready once its API answers and it listens to events."""

    def __init__(self, url: str, *, arguments: tuple[str, ...] = (), results: str | None = None) -> None:
        self._results = {} if results is None else {"CELERY_RESULT_BACKEND": results}
        self.port = free_port()
        self._log = Path(tempfile.mkstemp(prefix="flower-", suffix=".log")[1])
        self._command = [
            *(sys.executable, "-m", "celery", "-b", url, "flower", f"--port={self.port}", "--address=127.0.0.1"),
            *arguments,
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        environment = {**os.environ, "FLOWER_UNAUTHENTICATED_API": "true", **self._results}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, env=environment, stdout=log, stderr=log, start_new_session=True, cwd=self._log.parent
            )
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                self.ask("tasks")
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    message = f"Flower did not come up:\n{self._log.read_text()[-3000:]}"
                    self.__exit__(None, None, None)
                    raise AssertionError(message) from None
                time.sleep(0.05)
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.unlink(missing_ok=True)

    def ask(self, path: str) -> Any:
        """Ask its REST interface; raises ``OSError`` while nobody answers."""
        return self.page(f"api/{path}")

    def page(self, path: str) -> Any:
        """Fetch a page that is JSON."""
        address = f"http://127.0.0.1:{self.port}/{path}"
        with urllib.request.urlopen(address, timeout=ANSWER_LIMIT_S) as answer:
            return json.load(answer)

    def task(self, task_id: str) -> dict[str, Any] | None:
        """Give what it shows of one task, or ``None`` if it does not know it."""
        try:
            found: dict[str, Any] = self.ask(f"task/info/{task_id}")
        except urllib.error.HTTPError as error:
            error.close()
            return None
        return found
