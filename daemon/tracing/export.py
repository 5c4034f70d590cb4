"""Sends spans to a collector, a batch at a time. Nobody waits for it: what it cannot take in time is thrown away and counted."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import islice
from typing import TypeAlias

import anyio
import anyio.to_thread

from daemon.errors import SettingsInvalid
from daemon.ports import Emit
from daemon.public import Public
from daemon.tracing.span import Span
from daemon.tracing_events import CollectorBack, CollectorLost, SpansLost, SpansSent

SPANS_LIMIT = 4096
BATCH = 512
EVERY_S = 1.0
FLUSH_LIMIT_S = 2.0

Send: TypeAlias = Callable[[Sequence[Span]], bool]
"""Hands spans to the collector and says whether it took them. Runs in a thread, and takes seconds at most."""


class SpanExport:
    """A service."""

    name = Public("tracing")

    def __init__(self, endpoint: Public, make_send: Callable[[], Send], emit: Emit) -> None:
        """Open nothing yet.

        Args:
            endpoint: where spans go, as it is shown.
            make_send: makes what sends them; called once, as it loads a library.
            emit: takes events.
        """
        self._endpoint = endpoint
        self._make_send = make_send
        self._emit = emit
        self._spans: deque[Span] = deque()
        self._lost = 0
        self._is_lost = False
        self._stop = anyio.Event()

    def take(self, span: Span) -> None:
        """Take a span, if there is room."""
        if len(self._spans) < SPANS_LIMIT:
            self._spans.append(span)
        else:
            self._lost += 1

    async def open(self) -> None:
        """Begin anew.

        Raises:
            SettingsInvalid: the extra ``otel`` is not installed.
        """
        self._stop = anyio.Event()
        if find_spec("opentelemetry") is None:
            message = "[tracing] endpoint: OpenTelemetry is not installed"
            raise SettingsInvalid(message, hint="pip install 'carillond[otel]'")

    async def serve(self) -> None:
        """Send until drained; what is left then gets one more chance."""
        # The library has a word for each failure; they are told of here, once.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        send = await anyio.to_thread.run_sync(self._make_send)
        is_last = False
        while not is_last:
            with anyio.move_on_after(EVERY_S):
                await self._stop.wait()
            is_last = self._stop.is_set()
            with anyio.move_on_after(FLUSH_LIMIT_S if is_last else None):
                await self._send_all(send)

    async def drain(self) -> None:
        """Send what is at hand, for a moment."""
        self._stop.set()

    async def _send_all(self, send: Send) -> None:
        if self._lost:
            self._emit(SpansLost(self._lost))
            self._lost = 0
        while self._spans:
            batch = tuple(islice(self._spans, BATCH))
            for _ in batch:
                self._spans.popleft()
            took = await anyio.to_thread.run_sync(send, batch, abandon_on_cancel=True)
            self._emit(SpansSent(len(batch)) if took else SpansLost(len(batch)))
            self._tell(took=took)
            if not took:
                return

    def _tell(self, *, took: bool) -> None:
        if took and self._is_lost:
            self._emit(CollectorBack(self._endpoint))
        elif not took and not self._is_lost:
            self._emit(CollectorLost(self._endpoint, Public("it did not take a batch of spans")))
        self._is_lost = not took


def otlp_sender(endpoint: str, authorization: str, resource: dict[str, str]) -> Send:
    """Make what sends spans over OTLP/HTTP."""
    from daemon.tracing.otlp import OtlpSender  # noqa: PLC0415 - of an extra, and slow to load

    return OtlpSender(endpoint, authorization, resource)
