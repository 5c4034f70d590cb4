"""Everything of a site's feeds that is answered otherwise than at once: late answers, sequence numbers, shared feeds."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

import anyio

from daemon.clock import Clock
from daemon.errors import BrokerDown
from daemon.hl7listener.ack.answering import AckWhen
from daemon.hl7listener.ack.answers import Waiting
from daemon.hl7listener.ack.counting import Counting
from daemon.hl7listener.ack.handover import Handover
from daemon.hl7listener.ack.sharing import Sharing
from daemon.hl7listener.ack.waiting import TaskWaiting
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.spool import Spool
from daemon.hl7listener.wire.taking import NewControlId
from daemon.ports import Emit, SharedMessages, TaskOutcomes
from daemon.public import Public

RETRY_S = 1.0


class Outcomes(TaskOutcomes, Protocol):
    """Task outcomes that listen while they run."""

    async def run(self) -> None:
        """Listen until cancelled.

        Raises:
            BrokerDown: the result back-end cannot be spoken to.
        """
        ...


class Shared(SharedMessages, Protocol):
    """Shared messages over a connection."""

    async def close(self) -> None:
        """Close it."""
        ...


class Answers:
    """The service behind the feeds' late answers.

    Attributes:
        waiting: who answers, of the feeds that are not simply answered when a message is stored.
        handovers: who is told how far a feed's lane has come, and asked what another daemon enqueues.
    """

    name = Public("answers")

    def __init__(
        self,
        site: Public,
        feeds: Sequence[Feed],
        spool: Spool,
        clock: Clock,
        emit: Emit,
        new_control_id: NewControlId,
        *,
        outcomes: Outcomes,
        shared: Shared | None,
    ) -> None:
        """Prepare what each feed needs; nothing is read or opened."""
        self._outcomes = outcomes
        self._shared = shared
        self._stop = anyio.Event()
        self._tasks = [TaskWaiting(site, feed, spool, outcomes, clock, emit, new_control_id) for feed in feeds]
        self._counting = [Counting(feed, spool, emit, new_control_id) for feed in feeds if feed.answering.has_sequence]
        self._sharing = [
            Sharing(feed, spool, shared, emit) for feed in feeds if feed.answering.is_shared and shared is not None
        ]
        late = [one for one in self._tasks if one.feed.answering.is_late]
        self.waiting: dict[Public, Waiting] = {}
        self.handovers: dict[Public, Handover] = {}
        for one in late:
            self.waiting[one.feed.name] = self.handovers[one.feed.name] = one
        for sharing in self._sharing:
            self.waiting[sharing.feed.name] = self.handovers[sharing.feed.name] = sharing
        self.waiting |= {counting.feed.name: counting for counting in self._counting}
        self._late = late

    async def open(self) -> None:
        """Take up what the disk says.

        Raises:
            SpoolFailed: the spool cannot be read.
        """
        self._stop = anyio.Event()
        opened: list[Callable[[], Coroutine[Any, Any, None]]] = [one.open for one in self._tasks]
        opened += [one.open for one in self._counting]
        opened += [one.open for one in self._sharing]
        for open_one in opened:
            await open_one()

    async def serve(self) -> None:
        """Answer until drained."""
        loops: list[Callable[[], Coroutine[Any, Any, None]]] = [one.run for one in self._late]
        loops += [one.run for one in self._sharing]
        if any(one.feed.answering.when is AckWhen.SUCCEEDED for one in self._late):
            loops.append(self._listen)
        try:
            async with anyio.create_task_group() as tasks:
                for loop in loops:
                    tasks.start_soon(loop)
                await self._stop.wait()
                tasks.cancel_scope.cancel()
        finally:
            if self._shared is not None:
                with anyio.CancelScope(shield=True):
                    await self._shared.close()

    async def drain(self) -> None:
        """Stop; whoever still waits has been answered, or is gone."""
        self._stop.set()

    async def _listen(self) -> None:
        while True:
            try:
                await self._outcomes.run()
            except BrokerDown:
                await anyio.sleep(RETRY_S)
