"""A broker that does not answer is asked once for all who want to know."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import anyio
import pytest

from daemon.clock import SystemClock
from daemon.errors import BrokerDown
from daemon.public import Public
from daemon.scheduler.desk.board import Board, Sources
from daemon.scheduler.layers.ports import RuntimeStore, Table
from daemon.scheduler.runs.book import RunBook

pytestmark = pytest.mark.anyio
WAITING = 20


class Silent:
    """Waits a little, and fails."""

    def __init__(self) -> None:
        self.asked = 0

    async def pages(self, table: Table) -> AsyncIterator[Mapping[str, str]]:
        self.asked += 1
        await anyio.sleep(0.05)
        if self.asked:
            message = f"{table.value}: no answer"
            raise BrokerDown(message)
        yield {}


async def test_those_who_wait_for_a_broker_that_does_not_answer_do_not_ask_it_again() -> None:
    store = Silent()
    sources = Sources(dict, dict, lambda: 0, lambda _: None, RunBook())
    board = Board(Public("UTC"), sources, cast("RuntimeStore", store), SystemClock())
    async with anyio.create_task_group() as tasks:
        for _ in range(WAITING):
            tasks.start_soon(board.look)
    assert (store.asked, board.is_away, board.is_silent) == (1, True, True)


def test_a_board_nobody_asked_is_not_silent() -> None:
    store: Any = Silent()
    board = Board(Public("UTC"), Sources(dict, dict, lambda: 0, lambda _: None, RunBook()), store, SystemClock())
    assert not board.is_silent
