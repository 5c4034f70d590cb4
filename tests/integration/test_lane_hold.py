"""Lanes that wait behind parked messages, on a real spool: what is parked is on the disk, and is known again after a start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from daemon.clock import SystemClock
from daemon.hl7listener.lanes.drain import Drain
from daemon.hl7listener.routes.lane_key import LaneKey
from daemon.hl7listener.spool.rows import Flag
from daemon.hl7listener.text.path import parse_path
from daemon.public import Public
from tests.support.builders import adt
from tests.support.feeds import arrival, feed, route
from tests.support.lane_model import SITE, BrokerModel
from tests.support.spooling import Rig, ask, spooling, until

pytestmark = pytest.mark.anyio

FEED = feed(route(queue=Public("ward"), lane_key=LaneKey(Public("ward"), (parse_path("PID-3.1"),), 4)))


@asynccontextmanager
async def draining(folder: Path, broker: BrokerModel) -> AsyncIterator[Rig]:
    """Run a spool and a drain from it to a model of the broker, on the clock of the machine."""
    async with spooling(folder, clock=SystemClock()) as rig, anyio.create_task_group() as tasks:
        drain = Drain(SITE, [FEED], rig.spool, broker, SystemClock(), rig.events.append, suspect_us=1)
        await drain.open()
        tasks.start_soon(rig.spool.serve)
        tasks.start_soon(drain.serve)
        yield rig
        await drain.drain()
        await rig.spool.drain()


async def store(rig: Rig, name: str, *, origin_seq: int = 0) -> None:
    one = arrival(adt(name, patient=name[0]), FEED, received_us=SystemClock().now_us())
    if origin_seq:
        one = one._replace(origin_seq=origin_seq, flags=Flag.REPLAY)
    await rig.stored(one)


async def pushed(broker: BrokerModel, *names: str) -> None:
    await until(lambda: len(broker.queue) >= len(names))
    assert broker.control_ids == list(names)


async def test_a_key_waits_over_a_start_and_goes_on_once_its_parked_messages_are_released(tmp_path: Path) -> None:
    broker = BrokerModel(invalid={"A1"})
    async with draining(tmp_path, broker) as rig:
        for name in ("A1", "B1", "A2"):
            await store(rig, name)
        await pushed(broker, "B1")
        await until(lambda: len(ask(tmp_path, "SELECT seq FROM parked")) == 2)
    broker.invalid = set()
    async with draining(tmp_path, broker) as rig:
        await store(rig, "A3")
        await store(rig, "B2")
        await pushed(broker, "B1", "B2")
        parked = ask(tmp_path, "SELECT seq, reason FROM parked ORDER BY seq")
        assert [reason for _, reason in parked] == ["no worker could take it", "behind-parked", "behind-parked"]
        for (seq, _), name in zip(parked, ("A1", "A2", "A3"), strict=True):
            await store(rig, name, origin_seq=seq)
        await store(rig, "A4")
        await pushed(broker, "B1", "B2", "A1", "A2", "A3", "A4")
        await until(lambda: {why for (why,) in ask(tmp_path, "SELECT reason FROM parked")} == {"released"})
    async with draining(tmp_path, broker) as rig:
        await store(rig, "A5")
        await pushed(broker, "B1", "B2", "A1", "A2", "A3", "A4", "A5")
