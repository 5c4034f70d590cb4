"""Messages on the disk before they are accepted, and sent until RabbitMQ has confirmed them.

RabbitMQ cannot compare and set, so a claim cannot be advanced together with a publish. What it can do is confirm; so a
message is kept until it has. A crash between the confirmation and the mark in the file sends the same message again: the
same bytes, the same task id. Nothing else is ever sent twice, and nothing accepted is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import anyio
from anyio import to_thread

from shim.amqp.outbox_store import (
    Entered,
    GivenUp,
    OutboxCounts,
    OutboxEntry,
    OutboxFailed,
    OutboxStore,
    Settled,
    State,
    Waiting,
)
from shim.amqp.outcome import AmqpOutcome, AmqpResult
from shim.amqp.publisher import AmqpPublisher

T = TypeVar("T")

BATCH_MESSAGES = 200
BATCH_BYTES = 4 * 1024 * 1024
PRUNED_AT_ONCE = 10_000
PRUNE_EVERY_S = 60.0
PAUSE_MIN_S, PAUSE_MAX_S = 0.1, 5.0
"""Between attempts while the broker cannot be reached; doubled each time."""

HOLD_S = 10.0
"""How long nothing is sent to a queue that refused; other queues go on."""

HELD_QUEUES_MAX = 500
"""More queues that refuse at once, and the outbox waits with all of them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def no_fault(point: str, /) -> None:
    """Pass a named point; tests put something else here that ends the process."""


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """What an outbox may hold.

    Attributes:
        messages: waiting messages; an entry beyond is answered ``FULL``.
        size_bytes: their bytes.
        remembered_s: how long the key of a message is known after it was sent. The same key entered later is a new message.
    """

    messages: int = 100_000
    size_bytes: int = 512 * 1024 * 1024
    remembered_s: float = 7 * 24 * 3600.0


@dataclass(slots=True, eq=False)
class _Call:
    entries: Sequence[OutboxEntry]
    at_us: int
    answers: list[Entered] | None = None


@dataclass(slots=True)
class OutboxTrouble:
    """Why messages wait, for whoever looks.

    Attributes:
        broker: why the broker takes nothing; empty if it does.
        queues: queues that refused, and why.
    """

    broker: str = ""
    queues: dict[str, str] = field(default_factory=dict)


class Outbox:
    """A file of messages to be sent through an ``AmqpPublisher``. ``run`` must be running for them to be sent."""

    def __init__(
        self,
        store: OutboxStore,
        publisher: AmqpPublisher,
        *,
        now: Callable[[], datetime],
        limits: OutboxLimits,
        at: Callable[[str], None] = no_fault,
    ) -> None:
        """Take over an open store; use ``Outbox.open``."""
        self._store = store
        self._publisher = publisher
        self._now = now
        self._limits = limits
        self._at = at
        self._thread = anyio.CapacityLimiter(1)
        self._turn = anyio.Lock()
        self._arriving: list[_Call] = []
        self._arrived = anyio.Event()
        self._held: dict[str, float] = {}
        self.trouble = OutboxTrouble()
        self.repeated = 0
        """Messages whose confirmation did not come and that were sent once more, or will be."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: Path,
        publisher: AmqpPublisher,
        *,
        now: Callable[[], datetime],
        limits: OutboxLimits | None = None,
        at: Callable[[str], None] = no_fault,
    ) -> AsyncIterator[Self]:
        """Open the file, or make it, and close it at the end.

        Args:
            path: the file; two more appear beside it while it is open.
            publisher: how to reach the broker.
            now: the clock, aware.
            limits: what it may hold.
            at: called with the names of points that are passed; for tests.

        Raises:
            OutboxFailed: the file cannot be used, or another process uses it.
        """
        limits = limits or OutboxLimits()
        store = await to_thread.run_sync(
            lambda: OutboxStore(path, limit_messages=limits.messages, limit_bytes=limits.size_bytes)
        )
        try:
            yield cls(store, publisher, now=now, limits=limits, at=at)
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(store.close)

    async def enter(self, entries: Sequence[OutboxEntry]) -> list[Entered]:
        """Store ``entries`` in order; when this returns, those accepted are on the disk.

        Entries of callers that come at the same time share one write. A key that is known already, sent or not, is
        answered ``KNOWN`` and nothing changes. If the caller is cancelled, its entries may have been stored.

        Raises:
            OutboxFailed: nothing of them was stored.
        """
        call = _Call(entries, (self._now() - _EPOCH) // _MICROSECOND)
        self._arriving.append(call)
        try:
            async with self._turn:
                if call in self._arriving:
                    await self._enter_all()
        finally:
            if call in self._arriving:
                self._arriving.remove(call)
        if call.answers is None:
            message = "the outbox could not store a message that came together with this one"
            raise OutboxFailed(message, hint="the first failure tells why")
        return call.answers

    async def run(self) -> None:
        """Send what is stored, in order, until cancelled.

        Order holds for each queue as long as nothing is refused. A broker that is away is tried again for ever, a queue that
        refuses is left alone for a while and the others go on; ``trouble`` tells of both.

        Raises:
            OutboxFailed: the file cannot be used any more.
        """
        pause_s, pruned_at_s = PAUSE_MIN_S, 0.0
        while True:
            if asyncio.get_running_loop().time() - pruned_at_s > PRUNE_EVERY_S:
                await self._prune()
                pruned_at_s = asyncio.get_running_loop().time()
            arrived = self._arrived = anyio.Event()
            held = self._still_held()
            batch = await self._on_thread(self._store.waiting, BATCH_MESSAGES, BATCH_BYTES, held)
            if not batch:
                with anyio.move_on_after(HOLD_S):
                    await arrived.wait()
                continue
            self._at("outbox.sending")
            results = await self._publisher.publish([one.message for one in batch])
            self._at("outbox.confirmed")
            if await self._settle(batch, results):
                pause_s = PAUSE_MIN_S
                continue
            await anyio.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)

    async def counts(self) -> OutboxCounts:
        """Count what is held.

        Raises:
            OutboxFailed: the file cannot be read.
        """
        return await self._on_thread(self._store.counts)

    async def given_up(self, limit: int = 100) -> list[GivenUp]:
        """List messages no broker would take, the oldest first.

        Raises:
            OutboxFailed: the file cannot be read.
        """
        return await self._on_thread(self._store.given_up, limit)

    async def _enter_all(self) -> None:
        calls, self._arriving = self._arriving, []
        entries = [entry for call in calls for entry in call.entries]
        answers = iter(await self._on_thread(self._store.enter, entries, calls[0].at_us))
        for call in calls:
            call.answers = [next(answers) for _ in call.entries]
        self._arrived.set()

    async def _settle(self, batch: Sequence[Waiting], results: Sequence[AmqpResult]) -> bool:
        """Mark what is done; false if the broker took nothing and is to be left alone for a while."""
        settled: list[Settled] = []
        broker = ""
        until_s = asyncio.get_running_loop().time() + HOLD_S
        for one, result in zip(batch, results, strict=True):
            if result.outcome is AmqpOutcome.WRITTEN:
                settled.append(Settled(one.seq, State.SENT))
            elif result.refusal is not None and result.refusal.is_final:
                settled.append(Settled(one.seq, State.GIVEN_UP, result.reason))
            elif result.outcome is AmqpOutcome.REFUSED:
                self._held[one.message.queue] = until_s
                self.trouble.queues[one.message.queue] = result.reason
            else:
                broker = result.reason
                self.repeated += result.outcome is AmqpOutcome.UNCERTAIN
        if settled:
            await self._on_thread(self._store.settle, settled, (self._now() - _EPOCH) // _MICROSECOND)
            self._at("outbox.marked")
        self.trouble.broker = broker
        return not broker and len(self._held) <= HELD_QUEUES_MAX

    def _still_held(self) -> list[str]:
        now_s = asyncio.get_running_loop().time()
        self._held = {queue: until_s for queue, until_s in self._held.items() if until_s > now_s}
        self.trouble.queues = {queue: self.trouble.queues[queue] for queue in self._held}
        return list(self._held)

    async def _prune(self) -> None:
        before = self._now() - timedelta(seconds=self._limits.remembered_s)
        await self._on_thread(self._store.prune, (before - _EPOCH) // _MICROSECOND, PRUNED_AT_ONCE)

    async def _on_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await to_thread.run_sync(work, *arguments, limiter=self._thread)
