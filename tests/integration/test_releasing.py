"""Parked messages that are released, asked for several times at once: each becomes one message more, on a real spool."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from daemon.clock import SystemClock
from daemon.deeds import Deed
from daemon.desks import By, Replay
from daemon.hl7listener.desk.messages import Messages
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.lanes.drain import Drain
from daemon.hl7listener.lanes.parking import RELEASED
from daemon.hl7listener.routes.lane_key import LaneKey
from daemon.hl7listener.spool.query import State
from daemon.hl7listener.spool.search import open_search
from daemon.hl7listener.text.path import parse_path
from daemon.public import Public
from tests.support.builders import adt
from tests.support.feeds import arrival, feed, route
from tests.support.lane_model import SITE, BrokerModel
from tests.support.spooling import Rig, ask, spooling, until

pytestmark = pytest.mark.anyio

PLAIN = feed()
LANES = feed(route(lane_key=LaneKey(Public("ward"), (parse_path("PID-3.1"),), 4)))
KEYLESS = feed(route(lane_key=LaneKey(Public("ward"), (parse_path("ZZZ-3.1"),), 4)))
WHO = By(Public("tester"))
WHY = Public("no worker could take it")


class Deeds:
    """Keeps what is recorded."""

    def __init__(self) -> None:
        self.found: list[Deed] = []

    async def record(self, deed: Deed) -> None:
        await anyio.lowlevel.checkpoint()
        self.found.append(deed)


@asynccontextmanager
async def parked(folder: Path, of: Feed) -> AsyncIterator[tuple[Rig, Messages]]:
    """Run a spool with one parked message, handed on to nobody."""
    async with spooling(folder, clock=SystemClock()) as rig, anyio.create_task_group() as tasks:
        tasks.start_soon(rig.spool.serve)
        await rig.stored(arrival(adt("M1"), of, received_us=SystemClock().now_us()))
        rig.spool.park(1, WHY)
        await until(lambda: ask(folder, "SELECT seq FROM parked") == [(1,)])
        yield rig, Messages([of], rig.spool, folder, SystemClock(), Deeds(), secret=lambda: b"x" * 16)
        await rig.spool.drain()


def copies(folder: Path) -> list[int]:
    return [seq for (seq,) in ask(folder, "SELECT seq FROM message WHERE origin = 1")]


@pytest.mark.parametrize("of", [PLAIN, LANES, KEYLESS], ids=["plain", "lanes", "keyless"])
async def test_a_message_released_by_several_at_once_is_handed_on_once_more(tmp_path: Path, of: Feed) -> None:
    async with parked(tmp_path, of) as (_, messages):
        said: list[int | str] = []

        async def release() -> None:
            done = await messages.release([1, 1], WHO)
            said.extend((*done.stored, *done.left_out.values()))

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(release)
        assert len(copies(tmp_path)) == 1
        assert said.count(1) == 1
        assert {one for one in said if one != 1} <= {"it is not parked", "it is released already, and waits its turn"}


async def test_a_released_message_whose_copy_was_parked_too_can_be_released_again(tmp_path: Path) -> None:
    broker = BrokerModel(invalid={"M1"})
    async with parked(tmp_path, LANES) as (rig, messages), anyio.create_task_group() as tasks:
        drain = Drain(SITE, [LANES], rig.spool, broker, SystemClock(), rig.events.append, suspect_us=1)
        await drain.open()
        tasks.start_soon(drain.serve)
        await messages.release([1], WHO)
        await until(lambda: (2, "copy-of-parked") in ask(tmp_path, "SELECT seq, reason FROM parked"))
        broker.invalid = set()
        assert await released(messages) == [1]
        await until(lambda: (1, RELEASED) in ask(tmp_path, "SELECT seq, reason FROM parked"))
        assert broker.control_ids == ["M1"]
        assert await released(messages) == []
        await drain.drain()


async def released(messages: Messages) -> list[int]:
    return list((await messages.release([1], WHO)).stored)


async def test_a_message_no_route_wanted_is_done_with_once_it_is_released_into_lanes(tmp_path: Path) -> None:
    unrouted = feed(route(["ORU"]), parks_unrouted=True)
    async with spooling(tmp_path, clock=SystemClock()) as rig, anyio.create_task_group() as tasks:
        tasks.start_soon(rig.spool.serve)
        await rig.stored(arrival(adt("M1"), unrouted, received_us=SystemClock().now_us()))
        messages = Messages([LANES], rig.spool, tmp_path, SystemClock(), Deeds(), secret=lambda: b"x" * 16)
        assert await released(messages) == [1]
        assert ask(tmp_path, "SELECT seq, reason FROM parked") == [(1, RELEASED)]
        assert await released(messages) == []
        await rig.spool.drain()


async def test_a_message_handed_on_by_a_release_that_was_cut_short_is_not_handed_on_again(tmp_path: Path) -> None:
    unrouted = feed(route(["ORU"]), parks_unrouted=True)
    broker = BrokerModel()
    async with spooling(tmp_path, clock=SystemClock()) as rig, anyio.create_task_group() as tasks:
        tasks.start_soon(rig.spool.serve)
        await rig.stored(arrival(adt("M1"), unrouted, received_us=SystemClock().now_us()))
        drain = Drain(SITE, [PLAIN], rig.spool, broker, SystemClock(), rig.events.append, suspect_us=1)
        await drain.open()
        tasks.start_soon(drain.serve)
        messages = Messages([PLAIN], rig.spool, tmp_path, SystemClock(), Deeds(), secret=lambda: b"x" * 16)
        await messages.replay(Replay([1]), WHO)  # as a release does, and then the process ends before it is noted
        await until(lambda: state_of(tmp_path, 2) is State.ENQUEUED)
        done = await messages.release([1], WHO)
        assert (done.stored, done.left_out) == ({}, {1: "it was handed on already; to run it again, replay it"})
        assert state_of(tmp_path, 1) is State.ENQUEUED
        assert (copies(tmp_path), broker.control_ids) == ([2], ["M1"])
        await drain.drain()
        await rig.spool.drain()


def state_of(folder: Path, seq: int) -> State | None:
    with open_search(folder) as search:
        found = search.show(seq)
    return None if found is None else found.state
