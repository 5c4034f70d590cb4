"""A late answer is on the disk before anybody hears it, or nobody hears it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from daemon.hl7listener.ack.answering import AckWhen, Answering
from daemon.hl7listener.ack.waiting import TaskWaiting
from daemon.hl7listener.peers.identity import Identity
from daemon.hl7listener.wire.taking import Taking
from daemon.public import Public
from tests.support.builders import adt
from tests.support.clock import SetClock
from tests.support.feeds import control_ids, feed
from tests.support.spooling import Fault, Gate, Rig, ask, broken, spooling, until

pytestmark = pytest.mark.anyio

FEED = feed(answering=Answering(when=AckWhen.ENQUEUED))


class NoTasks:
    """Knows of no task."""

    async def succeeded(self, task_id: str, within_s: float) -> bool | None:
        raise AssertionError(task_id, within_s)


async def waited_for(running: Rig, tell: Callable[[bytes | None], None]) -> TaskWaiting:
    """Store a message whose answer is to come, as a connection does."""
    clock = SetClock()
    waiting = TaskWaiting(Public("site"), FEED, running.spool, NoTasks(), clock, running.events.append, control_ids())
    taken = Taking(FEED, control_ids()).take(adt("M1"), Identity(), clock.now_us())
    [stored] = await running.stored(taken.arrival)
    assert taken.is_late
    assert waiting.settle(taken, stored, tell) == (b"", None)
    return waiting


async def test_a_late_answer_is_told_only_when_it_is_on_the_disk(tmp_path: Path) -> None:
    told: list[bytes | None] = []
    gate = Gate("commit.before")
    gate.opened.set()
    async with spooling(tmp_path, at=gate) as running:
        waiting = await waited_for(running, told.append)
        gate.opened.clear()
        gate.reached.clear()
        waiting.enqueued(1)
        await until(gate.reached.is_set)
        await anyio.lowlevel.checkpoint()
        assert told == []
        gate.opened.set()
        await until(lambda: len(told) == 1)
        [kept] = ask(tmp_path, "SELECT ack FROM answer")
        assert told == list(kept)
        assert b"\rMSA|AA|M1" in kept[0]


async def test_a_late_answer_that_cannot_be_kept_is_told_to_nobody(tmp_path: Path) -> None:
    told: list[bytes | None] = []
    fault = Fault("commit.before", broken, armed=False)
    async with spooling(tmp_path, at=fault) as running:
        waiting = await waited_for(running, told.append)
        fault.armed = True
        waiting.enqueued(1)
        await until(lambda: len(told) == 1)
        assert told == [None]
