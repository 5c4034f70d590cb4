"""From the spool to the queues: one lane for each feed, and a moment to finish when the process stops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import anyio

from daemon.clock import Clock
from daemon.hl7listener.ack.handover import Handover
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.lanes.lane import Lane
from daemon.hl7listener.spool import Spool
from daemon.ports import Bell, Dispatcher, Emit, FaultPoint, no_fault
from daemon.public import Public

REPORT_EVERY_S = 1.0
FINISH_LIMIT_S = 5.0


class Drain:
    """Hands the messages of all feeds on, each feed by itself."""

    name = Public("drain")

    def __init__(
        self,
        site: Public,
        feeds: Sequence[Feed],
        spool: Spool,
        dispatcher: Dispatcher,
        clock: Clock,
        emit: Emit,
        *,
        suspect_us: int,
        at: FaultPoint = no_fault,
        bell: Bell | None = None,
        handovers: Mapping[Public, Handover] = MappingProxyType({}),
    ) -> None:
        """Prepare one lane for each feed; without a bell, no entry is rung. ``handovers`` are told how far lanes have come."""
        self._clock = clock
        self._emit = emit
        self._stop = anyio.Event()
        self._is_serving = False
        self._lanes = [
            Lane(
                site,
                feed,
                spool,
                dispatcher,
                clock,
                emit,
                suspect_us,
                at,
                self._is_stopping,
                bell,
                handovers.get(feed.name),
            )
            for feed in feeds
        ]
        for lane in self._lanes:
            spool.on_rows(lane.feed.name, lane.take)
        spool.on_accepting(self._read_again)

    def _read_again(self, accepting: bool) -> None:  # noqa: FBT001 - a callback with one meaning
        # A spool that was opened again may hold messages whose commit was reported as failed.
        if accepting:
            for lane in self._lanes:
                lane.read_again()

    def _is_stopping(self) -> bool:
        return self._stop.is_set()

    async def open(self) -> None:
        """Begin anew with what the disk says."""
        self._stop = anyio.Event()
        for lane in self._lanes:
            lane.restart()

    async def serve(self) -> None:
        """Hand messages on until drained."""
        self._is_serving = True
        try:
            async with anyio.create_task_group() as tasks:
                for lane in self._lanes:
                    tasks.start_soon(lane.run)
                while not self._stop.is_set():
                    for lane in self._lanes:
                        await lane.report()
                    with anyio.move_on_after(REPORT_EVERY_S):
                        await self._stop.wait()
        finally:
            self._is_serving = False

    async def drain(self) -> None:
        """Hand on what is at hand, for a moment; the rest stays in the spool, which is durable."""
        if self._is_serving:
            with anyio.move_on_after(FINISH_LIMIT_S):
                for lane in self._lanes:
                    await lane.wait_idle()
        self._stop.set()
        for lane in self._lanes:
            lane.wake()
