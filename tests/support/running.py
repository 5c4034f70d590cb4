"""Services as the supervisor runs them: opened in order, drained in reverse, each ended before the one it leans on is drained."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio

from daemon.lifecycle import Service


@asynccontextmanager
async def running(services: Sequence[Service]) -> AsyncIterator[None]:
    """Run services for a while."""
    ended = [anyio.Event() for _ in services]

    async def keep(service: Service, end: anyio.Event) -> None:
        await service.serve()
        end.set()

    async with anyio.create_task_group() as tasks:
        for service, end in zip(services, ended, strict=True):
            await service.open()
            tasks.start_soon(keep, service, end)
        try:
            yield
        finally:
            for service, end in reversed(list(zip(services, ended, strict=True))):
                await service.drain()
                await end.wait()
