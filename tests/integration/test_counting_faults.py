"""Sequence numbers when a commit fails, or a sender leaves before its answer: the count stays that of the disk."""

from __future__ import annotations

import itertools
from pathlib import Path

import anyio
import pytest

from daemon.hl7listener.ack.answering import Answering
from daemon.hl7listener.ack.counting import Counting
from daemon.hl7listener.peers.identity import Identity
from daemon.hl7listener.wire.server import Listener
from daemon.hl7listener.wire.taking import Taking
from tests.support.acks import Ack
from tests.support.builders import adt, framed
from tests.support.clock import SetClock
from tests.support.feeds import feed
from tests.support.listening import Station
from tests.support.spooling import Gate, numbers, spooling, until

pytestmark = pytest.mark.anyio

COUNTED = feed(answering=Answering(has_sequence=True))


def counted(number: int) -> bytes:
    return adt(f"S{number}").replace(b"|P|2.5|||", b"|P|2.5|%d||" % number)


def turn(ack: Ack) -> tuple[bytes, bytes]:
    return ack.msa[1], ack.msa[4]


async def test_a_sender_that_left_before_its_answer_is_still_counted(tmp_path: Path) -> None:
    gate = Gate("commit.before")
    clock, ids = SetClock(), itertools.count(1)
    async with spooling(tmp_path, clock=clock, at=gate) as storage:
        counting = Counting(COUNTED, storage.spool, storage.events.append, lambda: f"C{next(ids)}")
        await counting.open()
        listener = Listener(
            [COUNTED],
            storage.spool,
            clock,
            storage.events.append,
            control_prefix="TEST",
            waiting={COUNTED.name: counting},
        )
        await listener.open()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve)
            station = Station(listener, storage, clock)
            async with station.calling() as caller:
                await caller.send(framed(counted(1)))
                await anyio.to_thread.run_sync(gate.reached.wait)
                caller.reset()
                await until(lambda: not station.connections)
            gate.opened.set()
            await until(lambda: len(numbers(tmp_path)) == 1)
            async with station.calling() as caller:
                await caller.send(framed(counted(2), counted(4), counted(1)))
                assert [turn(ack) for ack in await caller.acks(3)] == [(b"AA", b"3"), (b"AR", b"3"), (b"AA", b"2")]
            never_stored = Taking(COUNTED, lambda: "X").take(counted(3), Identity(), 0)
            counting.lost(counting.prepare(never_stored))
            async with station.calling() as caller:
                await caller.send(framed(counted(3)))
                assert [turn(ack) for ack in await caller.acks()] == [(b"AA", b"4")]
            await listener.drain()
