"""Workers behind a broker that does not answer are asked once for all who look."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from daemon.clock import SystemClock
from daemon.dispatch import worker_looks
from daemon.dispatch.worker_looks import WorkerLooks
from daemon.errors import BrokerDown

pytestmark = pytest.mark.anyio
WAITING = 20


async def test_those_who_wait_for_an_answer_share_its_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    failed = []

    async def ask(*_: object, **__: object) -> Any:
        asked.append(1)
        await anyio.sleep(0.05)
        message = "no answer"
        raise BrokerDown(message, hint="is it up?")

    monkeypatch.setattr(worker_looks, "ask_together", ask)
    line: Any = SimpleNamespace(client=SimpleNamespace(has_control=True))
    looks = WorkerLooks(line, SystemClock())

    async def look() -> None:
        with pytest.raises(BrokerDown, match="no answer") as error:
            await looks.everyone()
        failed.append(error.value.hint)

    async with anyio.create_task_group() as tasks:
        for _ in range(WAITING):
            tasks.start_soon(look)
    assert (len(asked), failed) == (1, ["is it up?"] * WAITING)
    looks.forget()
    await look()
    assert len(asked) == 2  # who comes later asks anew
