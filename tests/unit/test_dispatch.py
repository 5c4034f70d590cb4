"""The way to the queues, on virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import anyio
import pytest

from daemon.dispatch import LOOK_EVERY_S, CeleryDispatcher, CelerySide
from daemon.public import Public
from tests.support.clock import VirtualClock, run_virtual


async def _never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@pytest.mark.parametrize("after_s", [0.0, 0.5, LOOK_EVERY_S, 3.0, 30.0])
def test_a_drain_ends_at_once_though_the_broker_does_not_answer(tmp_path: Path, after_s: float) -> None:
    async def main() -> float:
        path = tmp_path / "broker.sock"
        async with await asyncio.start_unix_server(_never_answer, path):
            said: list[object] = []
            dispatcher = CeleryDispatcher(
                CelerySide({"broker_url": f"redis+socket://{path}"}),
                VirtualClock(),
                said.append,
                site=Public("s"),
            )
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(dispatcher.serve)
                await anyio.sleep(after_s)
                drained_at_s = anyio.current_time()
                await dispatcher.drain()
            return anyio.current_time() - drained_at_s

    assert run_virtual(main) == 0.0
