"""Spans on their way out: a bounded number, and nobody waits."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import anyio
import pytest

from daemon.public import Public
from daemon.tracing.context import root_context
from daemon.tracing.export import SPANS_LIMIT, SpanExport
from daemon.tracing.span import Span, SpanKind
from daemon.tracing_events import CollectorBack, CollectorLost, SpansLost, SpansSent

pytestmark = pytest.mark.anyio

WHERE = Public("http://127.0.0.1:4318/v1/traces")
SPAN = Span("send llm", SpanKind.PRODUCER, root_context("t1", 1.0), 1, 1, 2, {})


async def exported(export: SpanExport, told: list[object], until: type) -> None:
    """Run an export until something was told, and drain it."""
    await export.open()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(export.serve)
            while not any(isinstance(one, until) for one in told):  # noqa: ASYNC110 - told by a plain call
                await anyio.sleep(0.02)
            await export.drain()


async def test_what_does_not_fit_is_thrown_away_and_counted() -> None:
    told: list[object] = []
    sent: list[Span] = []

    def send(spans: Sequence[Span]) -> bool:
        sent.extend(spans)
        return True

    export = SpanExport(WHERE, lambda: send, told.append)
    for _ in range(SPANS_LIMIT + 7):
        export.take(SPAN)
    await exported(export, told, SpansSent)
    assert told[0] == SpansLost(7)
    assert sum(one.count for one in told if isinstance(one, SpansSent)) == len(sent) == SPANS_LIMIT


async def test_a_collector_that_refuses_is_told_of_once_and_when_it_is_back() -> None:
    told: list[object] = []
    answers = iter([False, False, True])
    export = SpanExport(WHERE, lambda: lambda _: next(answers, True), told.append)

    def tell(event: object) -> None:
        told.append(event)
        if isinstance(event, SpansLost):
            export.take(SPAN)

    export = SpanExport(WHERE, lambda: lambda _: next(answers, True), tell)
    export.take(SPAN)
    await exported(export, told, CollectorBack)
    assert [type(one) for one in told] == [SpansLost, CollectorLost, SpansLost, SpansSent, CollectorBack]


async def test_a_collector_that_hangs_does_not_hold_up_the_end() -> None:
    told: list[object] = []
    hanging, let_go = threading.Event(), threading.Event()

    def hang(_: Sequence[Span]) -> bool:
        hanging.set()
        return let_go.wait(60)

    export = SpanExport(WHERE, lambda: hang, told.append)
    export.take(SPAN)
    await export.open()
    try:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(export.serve)
                await export.drain()
    finally:
        let_go.set()
    assert hanging.is_set()
    assert told == []
