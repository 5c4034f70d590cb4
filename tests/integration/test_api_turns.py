"""Many who ask at the same moment: whatever else the event loop has to do gets its turn between them."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from daemon.api import gate as module
from daemon.api import turns
from daemon.api.gate import Connection, Gate, Limits
from daemon.clock import SystemClock
from daemon.right_of_way import RightOfWay
from tests.support.publishing import until

pytestmark = pytest.mark.anyio


class Inner:
    """The library's side of a connection; writes down what it is handed."""

    def __init__(self, told: list[tuple[Inner, object]]) -> None:
        self._told = told

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        pass

    def connection_lost(self, exc: Exception | None) -> None:
        self._told.append((self, exc))

    def data_received(self, data: bytes) -> None:
        self._told.append((self, data))

    def eof_received(self) -> None:
        self._told.append((self, "eof"))


class Wire(asyncio.Transport):
    """A transport that is never written to."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else default


def opened(gate: Gate, told: list[tuple[Inner, object]]) -> Connection:
    connection = Connection(gate, lambda: Inner(told))
    connection.connection_made(Wire())
    return connection


def a_gate(way: RightOfWay | None = None) -> Gate:
    return Gate(SystemClock(), Limits(), lambda _: True, way or RightOfWay())


async def test_in_each_turn_of_the_loop_a_few_are_handed_on_and_all_in_the_order_they_came() -> None:
    gate, told = a_gate(), list[tuple[Inner, object]]()
    connections = [opened(gate, told) for _ in range(20)]
    for connection in connections:
        connection.data_received(b"GET")
    assert len(told) == turns.AT_ONCE
    counts = [len(told)]
    while len(told) < len(connections):
        await anyio.lowlevel.checkpoint()
        counts.append(len(told))
    assert max(later - earlier for earlier, later in pairwise(counts)) <= turns.AT_ONCE
    assert [inner for inner, _ in told] == [connection.inner for connection in connections]


async def test_what_comes_in_pieces_while_others_have_their_turn_comes_whole_and_before_its_end() -> None:
    gate, told = a_gate(), list[tuple[Inner, object]]()
    connections = [opened(gate, told) for _ in range(10)]
    for connection in connections:
        connection.data_received(b"POST ")
    last = connections[-1]
    last.data_received(b"/api")
    last.eof_received()
    last.connection_lost(None)
    assert [what for inner, what in told if inner is last.inner] == [b"POST /api", "eof", None]
    for _ in range(20):
        await anyio.lowlevel.checkpoint()
    assert len([what for _, what in told if isinstance(what, bytes)]) == len(connections)


async def test_no_more_than_a_little_waits_for_a_turn() -> None:
    gate, told = a_gate(), list[tuple[Inner, object]]()
    connections = [opened(gate, told) for _ in range(10)]
    for connection in connections:
        connection.data_received(b"POST")
    last = connections[-1]
    for _ in range(100):
        last.data_received(bytes(4096))
        assert sum(map(len, last.waiting)) < module.WAITING_LIMIT_BYTES
    assert any(inner is last.inner for inner, _ in told)


# -- while a message is on its way to the disk -------------------------------------------------------------------------


async def test_nothing_is_handed_on_while_a_message_is_on_its_way_and_all_in_order_once_it_is_there() -> None:
    way, told = RightOfWay(), list[tuple[Inner, object]]()
    gate = a_gate(way)
    connections = [opened(gate, told) for _ in range(5)]
    way.take()
    for connection in connections:
        connection.data_received(b"GET")
    await anyio.lowlevel.checkpoint()
    assert told == []
    way.give()
    while len(told) < len(connections):
        await anyio.lowlevel.checkpoint()
    assert [inner for inner, _ in told] == [connection.inner for connection in connections]


async def test_where_messages_never_cease_to_come_a_few_are_handed_on_time_after_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "PATIENCE_S", 0.001)
    way, told = RightOfWay(), list[tuple[Inner, object]]()
    gate = a_gate(way)
    connections = [opened(gate, told) for _ in range(3 * turns.THEN)]
    way.take()
    for connection in connections:
        connection.data_received(b"GET")
    steps = [len(told)]
    with anyio.fail_after(30):
        while len(told) < len(connections):
            await anyio.lowlevel.checkpoint()
            if len(told) != steps[-1]:
                steps.append(len(told))
    assert [inner for inner, _ in told] == [connection.inner for connection in connections]
    assert steps[0] == 0
    assert max(later - earlier for earlier, later in pairwise(steps)) == turns.AT_ONCE


async def test_a_connection_that_was_told_to_go_on_is_not_told_again_when_patience_would_have_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "PATIENCE_S", 0.001)
    way, told = RightOfWay(), list[tuple[Inner, object]]()
    connection = opened(a_gate(way), told)
    way.take()
    connection.data_received(b"GET")
    way.give()
    way.take()
    connection.data_received(b"NEXT")
    await until(lambda: len(told) == 2)
    way.give()
    assert [what for _, what in told] == [b"GET", b"NEXT"]
