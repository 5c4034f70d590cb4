"""A web server in a thread that keeps what it is asked."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

LIMIT_S = 60.0


class Hooks:
    """Answers 200 to everything."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        hooks = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers["Content-Length"])))

            def _answer(self, body: bytes) -> None:
                hooks.take(self.command, self.path, body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, method: str, path: str, body: bytes) -> None:
        with self._changed:
            self.asked.append((method, path))
            if body:
                self.bodies.append(json.loads(body))
            self._changed.notify_all()

    def wait_for(self, beginning: str, count: int = 1) -> list[str]:
        """Wait until so many paths that begin so were asked for; give them."""
        deadline = time.monotonic() + LIMIT_S
        with self._changed:
            while True:
                found = [path for _, path in self.asked if path.startswith(beginning)]
                if len(found) >= count:
                    return found
                assert self._changed.wait(deadline - time.monotonic()), f"{count} of {beginning} in {self.asked}"
