"""Control: a ping of two stock workers, by the shim and by celery's client, which waits its whole second."""

from __future__ import annotations

import statistics
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import anyio
from celery import Celery

from benchmarks.measure import Comparison, in_turn
from shim.broker_url import parse_broker_url
from shim.control import Control, methods
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker

ROUNDS, OURS, THEIRS, WORKERS = 5, 200, 2, 2
BOUND_MS = 10.0
CALLERS = 200


def run() -> list[Comparison]:
    with ExitStack() as stack, ThreadPoolExecutor() as threads:
        server = stack.enter_context(ValkeyServer(append_only=False))
        list(threads.map(stack.enter_context, [Worker(server.url) for _ in range(WORKERS)]))
        app = stack.enter_context(Celery("bench", broker=server.url, set_as_current=False))

        def ours() -> float:
            return anyio.run(_median_ms, server.url, backend_options={"use_uvloop": True})

        mine, others = in_turn(ROUNDS, ours, lambda: _theirs_ms(app))
        together = [anyio.run(_together_ms, server.url, backend_options={"use_uvloop": True}) for _ in range(ROUNDS)]
    print(f"  {CALLERS} pings at once: {statistics.median(together):.0f} ms until all have all answers")
    return [
        Comparison("control: ping of 2 workers, p50, celery / shim", "ms", others, mine, 100),
        Comparison("control: ping of 2 workers, p50, 10 ms allowed / taken", "ms", [BOUND_MS] * ROUNDS, mine, 1),
    ]


def _theirs_ms(app: Any) -> float:
    taken = []
    for _ in range(THEIRS):
        begun = time.perf_counter()
        assert len(app.control.ping(timeout=1)) == WORKERS
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1000


async def _median_ms(url: str) -> float:
    taken = []
    async with anyio.create_task_group() as tasks:
        control = await _ready(url, tasks)
        for _ in range(OURS):
            begun = time.perf_counter()
            answers = await control.call(methods.ping())
            taken.append(time.perf_counter() - begun)
            assert answers.is_complete
            assert len(answers.nodes) == WORKERS
        tasks.cancel_scope.cancel()
    return statistics.median(taken) * 1000


async def _together_ms(url: str) -> float:
    async with anyio.create_task_group() as tasks:
        control = await _ready(url, tasks)
        begun = time.perf_counter()
        async with anyio.create_task_group() as callers:
            for _ in range(CALLERS):
                callers.start_soon(_ask, control)
        took = time.perf_counter() - begun
        tasks.cancel_scope.cancel()
    return took * 1000


async def _ask(control: Control) -> None:
    answers = await control.call(methods.ping(), timeout_s=30.0)
    assert len(answers.nodes) == WORKERS


async def _ready(url: str, tasks: Any) -> Control:
    control = Control(parse_broker_url(url), client_name="bench", new_id=lambda: str(uuid.uuid4()))
    tasks.start_soon(control.run)
    while len((await control.call(methods.ping())).nodes) < WORKERS:  # noqa: ASYNC110 - a worker sets no event of ours
        await anyio.sleep(0.05)
    return control
