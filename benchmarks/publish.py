"""Publishing: celery's ``send_task`` and kombu's batches beside the shim's, on one Valkey; and what building a message takes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

import anyio
from celery import Celery

from benchmarks.measure import Comparison, in_turn
from shim import Claim, Link, Publisher, RedisTransport, Router, TaskRequest, Write, build_envelope, parse_broker_url
from shim.envelope import Envelope
from shim.routing import Target
from tests.support.valkey import ValkeyServer

ROUNDS, OURS, THEIRS, CALLERS, BATCH = 5, 20_000, 2_000, 4, 250
SINGLE_CALLERS, THEIR_BATCH, ENVELOPES = 50, 100, 20_000
ENVELOPE_LIMIT_US = 12.0
ARGS: list[Any] = [12345, "hello world"]
KWARGS = {"a": 1, "b": 2}

Publishing = Callable[[Publisher], Awaitable[None]]


def run() -> list[Comparison]:
    with ValkeyServer() as server:
        app = Celery("bench", broker=server.url, backend=server.url)

        def ours(publishing: Publishing) -> float:
            server.client.flushall()
            return anyio.run(_ours, server.url, publishing, backend_options={"use_uvloop": True})

        one_by_one, batched = partial(_send_task, app), partial(_kombu_batches, app)
        one_by_one(), batched()  # connections are open now
        found = [
            Comparison(f"publish: {what}", "msg/s", *in_turn(ROUNDS, partial(ours, publishing), theirs)[:2], wanted)
            for what, publishing, theirs, wanted in (
                ("shim, batched, claimed / celery send_task", partial(_spread, claimed=True), one_by_one, 20),
                ("batched / celery send_task", partial(_spread, claimed=False), one_by_one, 40),
                ("batched / kombu Producer.batch(100)", partial(_spread, claimed=False), batched, 10),
                ("single awaited, 50 callers / celery send_task", _singly, one_by_one, 8),
            )
        ]
        app.close()
    taken = [_envelope_us() for _ in range(ROUNDS)]
    found.append(Comparison("envelope: 12 µs allowed / taken, CPU", "µs", [ENVELOPE_LIMIT_US] * ROUNDS, taken, 1))
    return found


def _send_task(app: Celery) -> float:
    begun = time.perf_counter()
    for _ in range(THEIRS):
        app.send_task("app.add", args=ARGS, kwargs=KWARGS)
    return THEIRS / (time.perf_counter() - begun)


def _kombu_batches(app: Celery) -> float:
    begun = time.perf_counter()
    with app.producer_or_acquire() as producer, producer.batch(THEIR_BATCH):
        for _ in range(THEIRS):
            app.send_task("app.add", args=ARGS, kwargs=KWARGS, producer=producer, ignore_result=True)
    return THEIRS / (time.perf_counter() - begun)


async def _ours(url: str, publishing: Publishing) -> float:
    link = Link(parse_broker_url(url), client_name="bench")
    publisher = Publisher(link, RedisTransport())
    begun = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(publisher.run)
        await publishing(publisher)
        took = time.perf_counter() - begun
        tasks.cancel_scope.cancel()
    await link.close()
    return OURS / took


async def _spread(publisher: Publisher, *, claimed: bool) -> None:
    async with anyio.create_task_group() as callers:
        for caller in range(CALLERS):
            callers.start_soon(_in_batches, publisher, range(caller, OURS, CALLERS), claimed)


async def _in_batches(publisher: Publisher, numbers: Sequence[int], claimed: bool) -> None:  # noqa: FBT001 - a task group hands on positions
    target = Router().resolve("app.add")
    for start in range(0, len(numbers), BATCH):
        at = datetime.now(UTC)
        await publisher.write(
            [
                Write(
                    Claim("bench:claims", str(number), None, "1") if claimed else None, (_envelope(target, number, at),)
                )
                for number in numbers[start : start + BATCH]
            ]
        )


async def _singly(publisher: Publisher) -> None:
    router, numbers = Router(), count()

    async def call() -> None:
        for _ in range(OURS // SINGLE_CALLERS):
            target = router.resolve("app.add")
            await publisher.write([Write(None, (_envelope(target, next(numbers), datetime.now(UTC)),))])

    async with anyio.create_task_group() as callers:
        for _ in range(SINGLE_CALLERS):
            callers.start_soon(call)


def _envelope(target: Target, number: int, at: datetime) -> Envelope:
    request = TaskRequest("app.add", str(uuid.uuid4()), args=ARGS, kwargs=KWARGS)
    return build_envelope(request, target, delivery_tag=f"bench-{number}", at=at, origin="bench")


def _envelope_us() -> float:
    target, at = Router().resolve("app.add"), datetime.now(UTC)
    begun = time.process_time()
    for number in range(ENVELOPES):
        _envelope(target, number, at)
    return (time.process_time() - begun) / ENVELOPES * 1e6
