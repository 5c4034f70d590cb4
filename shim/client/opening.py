"""Opens a client for as long as it is needed."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio

from shim.app import AppAddress
from shim.client.addressing import TaskOptions, no_options
from shim.client.client import Client


def random_id() -> str:
    """Draw a random UUID."""
    return str(uuid.uuid4())


def utc_now() -> datetime:
    """Read the system's clock."""
    return datetime.now(UTC)  # noqa: TID251 - the one clock of a client that is given none


@asynccontextmanager
async def open_client(
    conf: Mapping[str, Any],
    *,
    client_name: str = "shim",
    task_options: TaskOptions = no_options,
    app: AppAddress | None = None,
    new_id: Callable[[], str] = random_id,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Client]:
    """Open a client for an application's settings and close it at the end.

    Args:
        conf: settings in Celery's lower-case names; what is missing has Celery's default.
        client_name: name of its connections on the server.
        task_options: options of the tasks' classes, where they are known.
        app: the application, if functions of it decide where tasks go.
        new_id: gives an id nobody else has.
        now: the clock, aware.

    Raises:
        BrokerUrlInvalid, RequestInvalid: a setting nobody could work with.
    """
    client = Client(conf, client_name=client_name, task_options=task_options, app=app, new_id=new_id, now=now)
    try:
        async with anyio.create_task_group() as tasks:
            client.attach(tasks)
            try:
                yield client
            finally:
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await client.close()
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from None  # the caller's own, which the group around the connections has wrapped
