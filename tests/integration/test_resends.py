"""A message that is sent again, because its answer never came or came too late."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.builders import adt, framed
from tests.support.clock import SetClock
from tests.support.feeds import ADT
from tests.support.listening import listening
from tests.support.spooling import ROOMY, ask, hasten, numbers, until

pytestmark = pytest.mark.anyio


def count(folder: Path) -> int:
    [[found]] = ask(folder, "SELECT count(*) FROM message")
    return int(found)


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_resend_gets_the_same_bytes_a_retention_later_and_is_new_only_when_the_first_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, restarts: bool
) -> None:
    hasten(monkeypatch)
    clock, replies = SetClock(), []
    async with AsyncExitStack() as stack:
        station = await stack.enter_async_context(listening(tmp_path, clock=clock))
        async with station.calling() as caller:
            await caller.send(framed(adt("M1"), adt("M2")))
            replies += await caller.replies(2)
        station.storage.spool.settle(ADT, 2)
        clock.advance(ROOMY.retention_us / 1_000_000)
        if restarts:
            await stack.aclose()
            station = await stack.enter_async_context(listening(tmp_path, clock=clock))
        async with station.calling() as caller:
            await caller.send(framed(adt("M1"), adt("M2")))
            assert await caller.replies(2) == replies
        assert count(tmp_path) == 2
        clock.advance(1)
        await until(lambda: count(tmp_path) == 1)  # the newest row keeps the count
        async with station.calling() as caller:
            await caller.send(framed(adt("M1")))
            [reply] = await caller.replies()
        assert reply != replies[0]
        assert numbers(tmp_path)[-1] > 2  # a row of its own; the one before may be gone by now


@pytest.mark.parametrize("fate", ["reset", "half closed", "gone"])
async def test_a_sender_that_leaves_after_its_last_byte_is_answered_when_it_sends_again(
    tmp_path: Path, fate: str
) -> None:
    async with listening(tmp_path) as station:
        async with station.calling() as caller:
            await caller.send(framed(adt("M1")))
            if fate == "half closed":
                caller.end()
                assert [b"MSA|AA|M1" in reply for reply in await caller.rest()] == [True]
            await until(lambda: count(tmp_path) == 1)
            if fate == "reset":
                caller.reset()
        replies = []
        for _ in range(2):
            async with station.calling() as caller:
                await caller.send(framed(adt("M1")))
                replies += await caller.replies()
        assert replies[0] == replies[1]
        assert len(station.storage.rows) == 1
    assert count(tmp_path) == 1
