"""A collector of spans for tests: takes OTLP over HTTP and keeps what it is sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

LIMIT_S = 60.0


class Kept(NamedTuple):
    """A span as it arrived; ids in hexadecimal."""

    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    links: tuple[str, ...]
    took_ns: int


class Collector:
    """Listens on a free port of this machine; ``status`` is what it answers."""

    def __init__(self) -> None:
        self.spans: list[Kept] = []
        self.status = 200
        self.headers: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if collector.status == 200:
                    collector.take(body)
                collector.headers.append({name.lower(): text for name, text in self.headers.items()})
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1/traces"

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest()
        request.ParseFromString(body)
        for of_resource in request.resource_spans:
            service = {one.key: one.value.string_value for one in of_resource.resource.attributes}["service.name"]
            for scope in of_resource.scope_spans:
                self.spans += [_kept(service, span) for span in scope.spans]

    def wait_for(self, wanted: Callable[[Kept], bool]) -> Kept:
        """Wait for a span and give it."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            for span in list(self.spans):
                if wanted(span):
                    return span
            time.sleep(0.05)
        message = f"no such span among {self.spans}"
        raise AssertionError(message)

    def child(self, span_id: str) -> Kept:
        """Wait for a span below another and give it."""
        return self.wait_for(lambda span: span.parent_id == span_id)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(LIMIT_S)


def _kept(service: str, span: Any) -> Kept:
    def plain(value: Any) -> Any:
        return getattr(value, value.WhichOneof("value"))

    return Kept(
        service,
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        {one.key: plain(one.value) for one in span.attributes},
        tuple(link.trace_id.hex() for link in span.links),
        span.end_time_unix_nano - span.start_time_unix_nano,
    )
