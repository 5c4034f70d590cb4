"""Publishing: celery's ``send_task`` one by one, and the shim's batches under claims, on one Valkey."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import anyio
from celery import Celery

from benchmarks.measure import Comparison, in_turn
from shim import Claim, Link, Publisher, RedisTransport, Router, TaskRequest, Write, build_envelope, parse_broker_url
from tests.support.valkey import ValkeyServer

ROUNDS, OURS, THEIRS, CALLERS, BATCH = 5, 20_000, 2_000, 4, 250


def run() -> list[Comparison]:
    with ValkeyServer() as server:
        app = Celery("bench", broker=server.url, backend=server.url)

        def theirs() -> float:
            begun = time.perf_counter()
            for _ in range(THEIRS):
                app.send_task("app.add", args=[12345, "hello world"], kwargs={"a": 1, "b": 2})
            return THEIRS / (time.perf_counter() - begun)

        def ours() -> float:
            server.client.flushall()
            return anyio.run(_ours, server.url, backend_options={"use_uvloop": True})

        theirs()
        mine, others = in_turn(ROUNDS, ours, theirs)
        app.close()
    return [Comparison("publish: shim, batched, claimed / celery send_task", "msg/s", mine, others, 20)]


async def _ours(url: str) -> float:
    link = Link(parse_broker_url(url), client_name="bench")
    publisher = Publisher(link, RedisTransport())
    begun = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(publisher.run)
        async with anyio.create_task_group() as callers:
            for caller in range(CALLERS):
                callers.start_soon(_publish, publisher, range(caller, OURS, CALLERS))
        took = time.perf_counter() - begun
        tasks.cancel_scope.cancel()
    await link.close()
    return OURS / took


async def _publish(publisher: Publisher, numbers: Sequence[int]) -> None:
    router = Router({})
    target = router.resolve("app.add")
    for start in range(0, len(numbers), BATCH):
        at = datetime.now(UTC)
        writes = []
        for number in numbers[start : start + BATCH]:
            request = TaskRequest("app.add", str(uuid.uuid4()), args=[12345, "hello world"], kwargs={"a": 1, "b": 2})
            envelope = build_envelope(request, target, delivery_tag=f"bench-{number}", at=at, origin="bench")
            writes.append(Write(Claim("bench:claims", str(number), None, "1"), (envelope,)))
        await publisher.write(writes)
