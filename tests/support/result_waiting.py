"""Waiters as tests use them, and results stored the way Celery stores them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from shim.broker_url import parse_broker_url
from shim.connector import Connector
from shim.link import Link
from shim.results import JSON_RESULTS, ResultFormat, Results, ResultWaiter, TaskMeta
from tests.support.valkey import ValkeyServer

LIMIT_S = 20.0
"""A deadline against hanging; nothing is judged by it."""
PATIENCE_S = 0.5
"""How long connections wait for an answer that does not come."""


def meta_text(state: str = "SUCCESS", result: Any = None) -> str:
    return json.dumps({"status": state, "result": result, "traceback": None, "children": []})


def store(server: ValkeyServer, task_id: str, state: str = "SUCCESS", result: Any = None, *, prefix: str = "") -> None:
    """Store and publish a result in one transaction, as ``celery/backends/redis.py`` does."""
    key, text = f"{prefix}celery-task-meta-{task_id}", meta_text(state, result)
    with server.client as client, client.pipeline() as pipe:
        pipe.set(key, text, ex=3600)
        pipe.publish(key, text)
        pipe.execute()


def store_all(server: ValkeyServer, *results: tuple[str, str, Any]) -> None:
    """Store and publish many results, by id, state and value, one after the other."""
    with server.client as client, client.pipeline(transaction=False) as pipe:
        for task_id, state, result in results:
            key, text = f"celery-task-meta-{task_id}", meta_text(state, result)
            pipe.set(key, text, ex=3600)
            pipe.publish(key, text)
        pipe.execute()


def store_silently(server: ValkeyServer, task_id: str, state: str = "SUCCESS", result: Any = None) -> None:
    """Store a result that nobody is told of."""
    with server.client as client:
        client.set(f"celery-task-meta-{task_id}", meta_text(state, result), ex=3600)


def publish(server: ValkeyServer, task_id: str, state: str = "SUCCESS", result: Any = None) -> None:
    """Tell of a result that is not stored."""
    with server.client as client:
        client.publish(f"celery-task-meta-{task_id}", meta_text(state, result))


def channels(server: ValkeyServer) -> set[str]:
    """Name what is subscribed at the server."""
    with server.client as client:
        return {name.decode() for name in client.pubsub_channels("*")}


def subscribed(server: ValkeyServer, *task_ids: str) -> Callable[[], bool]:
    """Make the question whether exactly these tasks are listened for."""
    wanted = {f"celery-task-meta-{task_id}" for task_id in task_ids}
    return lambda: channels(server) == wanted


class Told:
    """Runs a wait beside the test and keeps what it was told."""

    def __init__(self) -> None:
        self.metas: list[TaskMeta] = []
        self.done = anyio.Event()

    async def ready(self, waiter: ResultWaiter, task_id: str, timeout_s: float | None = None) -> None:
        meta = await waiter.ready(task_id, timeout_s)
        if meta is not None:
            self.metas.append(meta)
        self.done.set()

    async def updates(self, waiter: ResultWaiter, task_id: str) -> None:
        async for meta in waiter.updates(task_id):
            self.metas.append(meta)
        self.done.set()

    async def as_ready(self, waiter: ResultWaiter, *task_ids: str) -> None:
        async for meta in waiter.as_ready(task_ids):
            self.metas.append(meta)
        self.done.set()


def make_waiter(
    url: str,
    *,
    look_up: str | None = None,
    patience_s: float = PATIENCE_S,
    prefix: str = "",
    form: ResultFormat = JSON_RESULTS,
    **options: Any,
) -> ResultWaiter:
    """Make a waiter that listens at ``url`` and looks up there too, unless told otherwise."""
    patience = {"connect_timeout_s": patience_s, "reply_timeout_s": patience_s}
    link = Link(parse_broker_url(look_up or url), client_name="test-look-up", **patience)
    connector = Connector(parse_broker_url(url), client_name="test-listen", **patience)
    return ResultWaiter(Results(link, key_prefix=prefix, form=form), connector, **options)


@asynccontextmanager
async def resting(url: str, **options: Any) -> AsyncIterator[ResultWaiter]:
    """Make a waiter that is not running yet; whatever the test does, it is under a deadline and its link is closed."""
    waiter = make_waiter(url, **options)
    with anyio.fail_after(LIMIT_S):
        try:
            yield waiter
        finally:
            with anyio.CancelScope(shield=True):
                await waiter._results.link.close()


@asynccontextmanager
async def waiting(url: str, **options: Any) -> AsyncIterator[ResultWaiter]:
    """Run a waiter until the test is through with it."""
    async with resting(url, **options) as waiter, anyio.create_task_group() as tasks:
        tasks.start_soon(waiter.run)
        yield waiter
        tasks.cancel_scope.cancel()
