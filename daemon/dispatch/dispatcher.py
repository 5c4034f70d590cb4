"""The way from the daemon to the Celery queues.

Orders become messages pushed under a claim. Nothing is sent twice by itself: an order without an answer comes back as
``UNAVAILABLE``, and whoever gave it gives it again when the broker answers; the claim keeps it from happening twice.
"""

from __future__ import annotations

import itertools
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

import anyio

from daemon.clock import SECOND_US, Clock, instant
from daemon.dispatch.celery_side import CelerySide
from daemon.dispatch.gating import Gating, with_queues
from daemon.dispatch.kept_results import KeptResults
from daemon.dispatch.messages import MessageMaker, Routes
from daemon.dispatch.revoking import Revoker
from daemon.dispatch.run_gates import RunGates
from daemon.errors import BrokerDown
from daemon.events import (
    BrokerAnswered,
    BrokerEvicting,
    BrokerHistoryChanged,
    BrokerKeeping,
    BrokerLost,
    BrokerUp,
    ClockOffset,
)
from daemon.ports import Emit, Ledger, Order, RunningTask, Settled, Settlement, WorkItem
from daemon.public import Public
from daemon.tracing import Tracer
from shim.app import AppError, AppRouter, RouteUndecided
from shim.broker_facts import BrokerFacts
from shim.claim import Claim, Outcome, Write, WriteResult, check_writes
from shim.client.carriers import redis_transport
from shim.client.conf import redis_broker
from shim.envelope import Envelope
from shim.errors import BrokerRefused, RequestInvalid, ShimError
from shim.link import Link
from shim.publisher import Publisher
from shim.results import TaskMeta

LOOK_EVERY_S = 2.0
"""How often the broker is asked what it is: a fail-over, an eviction policy or a role change shows within it."""

SETTLED = {
    Outcome.WRITTEN: Settled.ENQUEUED,
    Outcome.ALREADY: Settled.ALREADY,
    Outcome.LOST: Settled.LOST,
    Outcome.EARLY: Settled.EARLY,
    Outcome.FULL: Settled.FULL,
    Outcome.THROTTLED: Settled.THROTTLED,
    Outcome.HELD: Settled.HELD,
    Outcome.WRONG_TYPE: Settled.BLOCKED,
    Outcome.NOT_WRITTEN: Settled.NOT_SENT,
    Outcome.UNCERTAIN: Settled.UNAVAILABLE,
}

_UNASKED: tuple[None] = (None,)
"""Where the one item of an order goes is for its route to say."""


class BrokerState(Enum):
    """Whether the broker can be used."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class BrokerSeen:
    """What was last known of the broker."""

    state: BrokerState
    facts: BrokerFacts | None
    since_s: float


def untold(record: str, at_us: int) -> None:
    """Tell nobody of a record."""
    del record, at_us


class CeleryDispatcher:
    """Turns orders into messages for stock Celery workers."""

    name = Public("dispatch")

    def __init__(
        self, side: CelerySide, clock: Clock, emit: Emit, *, site: Public, tracer: Tracer | None = None
    ) -> None:
        """Prepare router, connections and publisher; no I/O happens here.

        Raises:
            BrokerUrlInvalid, RequestInvalid: a setting that cannot be; ``check_addresses`` and ``check_items`` find them.
        """
        broker = redis_broker(side.conf)
        transport = redis_transport(side.conf)
        self.address = Public(broker.shown)
        self._transport = transport
        self._prefix = transport.key_prefix
        self._link = Link(broker, client_name="carillon")
        self._watch = Link(broker, client_name="carillon-watch")
        self._publisher = Publisher(self._link, transport)
        self._gating = Gating(site, transport.key_prefix)
        self._gates = RunGates(self._link, prefix=transport.key_prefix, site=site)
        self._revoker = Revoker(self._link, transport, side.conf)
        # Unique for each message: 80 random bits for this process, then a count.
        tags = (f"{prefix}-{number:x}" for prefix in (secrets.token_hex(10),) for number in itertools.count())
        origin = f"carillon{os.getpid()}@{socket.gethostname()}"[:255]
        self._messages = MessageMaker(side, origin=origin, pid=os.getpid(), tags=tags)
        self._limits = side.limits
        self._app = AppRouter(side.app) if side.app is not None else None
        self._results = KeptResults(side.conf)
        self._clock = clock
        self._emit = emit
        self._tracer = tracer
        self._seen = BrokerSeen(BrokerState.UNKNOWN, None, clock.monotonic_s())
        self._stop = anyio.Event()
        self._look_now = anyio.Event()
        self.recorded: Callable[[str, int], None] = untold
        """Never called: records are in the stream."""
        self.is_up = anyio.Event()
        """Set once the broker has answered for the first time."""

    # -- life ----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Look at the broker once; it may be down."""
        await self._look()

    async def serve(self) -> None:
        """Publish what is ordered and watch the broker, until drained; then close the connections."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._publisher.run)
                if self._app is not None:
                    tasks.start_soon(self._app.run)
                tasks.start_soon(self._look_always)
                await self._stop.wait()
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._link.close()
                await self._watch.close()
                await self._results.close()

    async def drain(self) -> None:
        """Stop publishing."""
        self._stop.set()

    @property
    def seen(self) -> BrokerSeen:
        """What was last known of the broker."""
        return self._seen

    async def _look_always(self) -> None:
        while True:
            await self._look()
            self._look_now = anyio.Event()
            with anyio.move_on_after(LOOK_EVERY_S):
                await self._look_now.wait()

    async def _look(self) -> None:
        began_s = self._clock.monotonic_s()
        try:
            facts = await self._watch.facts()
            [seconds, micros] = await self._watch.call("TIME")
        except ShimError as error:
            self._lost(error)
            return
        self._emit(BrokerAnswered(self._clock.monotonic_s() - began_s))
        self._emit(ClockOffset((int(seconds) * SECOND_US + int(micros) - self._clock.now_us()) / SECOND_US))
        if facts.role not in ("master", "") or facts.loading:
            self._lost(BrokerRefused(f"{self.address}: the server is a {facts.role}", server_code="READONLY"))
            return
        self._found(facts)

    def _found(self, facts: BrokerFacts) -> None:
        before = self._seen.facts
        if before is not None and before.replication_id != facts.replication_id:
            self._emit(BrokerHistoryChanged(self.address, Public("another replication history")))
        elif before is not None and before.run_id != facts.run_id and not facts.append_only:
            self._emit(BrokerHistoryChanged(self.address, Public("restarted without a log")))
        was_evicting = before is not None and before.is_evicting
        if facts.is_evicting and not was_evicting:
            self._emit(BrokerEvicting(self.address, Public(facts.eviction_policy)))
        elif was_evicting and not facts.is_evicting:
            self._emit(BrokerKeeping(self.address))
        self.is_up.set()
        now_s = self._clock.monotonic_s()
        if self._seen.state is not BrokerState.UP:
            down_s = now_s - self._seen.since_s if self._seen.state is BrokerState.DOWN else 0.0
            self._emit(BrokerUp(self.address, Public(facts.version), down_s))
            self._seen = BrokerSeen(BrokerState.UP, facts, now_s)
        else:
            self._seen = BrokerSeen(BrokerState.UP, facts, self._seen.since_s)

    def _lost(self, error: ShimError) -> None:
        if self._seen.state is not BrokerState.DOWN:
            self._seen = BrokerSeen(BrokerState.DOWN, self._seen.facts, self._clock.monotonic_s())
            code = error.server_code if isinstance(error, BrokerRefused) else error.code
            text = f"{error}; {error.hint}" if error.hint else str(error)
            self._emit(BrokerLost(self.address, Public(code), Public(text)))

    # -- orders --------------------------------------------------------------------------------------------------------

    async def dispatch(self, orders: Sequence[Order]) -> list[Settlement]:
        """Carry out orders in their order; one settlement each."""
        tracer, began_us = self._tracer, 0
        if tracer is not None:
            orders, began_us = [tracer.mark(order) for order in orders], tracer.now_us()
        settlements: list[Settlement | None] = [None] * len(orders)
        writes: list[Write] = []
        places: list[int] = []
        now = instant(self._clock.now_us())
        for place, order in enumerate(orders):
            try:
                if order.item is not None and order.item.canvas is not None:
                    settlements[place] = await self._prepare(order, order.item)
                if settlements[place] is None:
                    routed = _UNASKED if self._app is None and not order.more else await self._routed(order)
                    writes.append(self._write(order, now, routed))
                    places.append(place)
            except RequestInvalid as error:
                settlements[place] = Settlement(Settled.INVALID, str(error))
            except AppError as error:
                is_final = isinstance(error, RouteUndecided)
                settlements[place] = Settlement(Settled.INVALID if is_final else Settled.NOT_SENT, str(error))
        for place, result in zip(places, await self._publish(writes), strict=True):
            settlements[place] = Settlement(SETTLED[result.outcome], result.found, result.server_us)
        if tracer is not None:
            for place, write in zip(places, writes, strict=True):
                settled = settlements[place]
                assert settled is not None  # written above
                sent = [(one.task_id, one.target.queue) for one in write.envelopes]
                tracer.told(orders[place], settled, sent, began_us)
        return [settlement for settlement in settlements if settlement is not None]

    async def _prepare(self, order: Order, item: WorkItem) -> Settlement | None:
        """Have the result back-end know what a workflow counts by, before any of its tasks can end; say if that cannot be."""
        store = self._messages.store_of(item)
        if not store:
            return None
        try:
            found = await self._link.call("HGET", self._prefix + order.ticket.ledger, order.ticket.field)
        except ShimError:
            return Settlement(Settled.NOT_SENT)
        if found == order.ticket.advance_to.encode():
            return None  # it was carried out before, and what it counts by is in use
        try:
            await self._results.prepare(store)
        except ShimError:
            return Settlement(Settled.BLOCKED, "the result back-end does not answer")
        return None

    async def _routed(self, order: Order) -> Sequence[Routes | None]:
        """Say where each item goes of which a function of the application decides."""
        if self._app is None or order.item is None:
            return (None,) * (1 + len(order.more))
        return [
            await self._messages.routed(item, self._app) if self._messages.asks_app(item) else None
            for item in (order.item, *order.more)
        ]

    async def _publish(self, writes: list[Write]) -> list[WriteResult]:
        try:
            results = await self._publisher.write(writes, are_checked=True)
        except BrokerRefused as error:
            self._lost(error)
            return [WriteResult(Outcome.UNCERTAIN)] * len(writes)
        answered = not results or results[-1].outcome not in (Outcome.NOT_WRITTEN, Outcome.UNCERTAIN)
        if answered != (self._seen.state is BrokerState.UP):
            self._look_now.set()  # what is known of the broker is out of date
        return results

    def _write(self, order: Order, now: datetime, routed: Sequence[Routes | None]) -> Write:
        ticket = order.ticket
        claim = Claim(
            self._prefix + ticket.ledger,
            ticket.field,
            ticket.expect,
            ticket.advance_to,
            ticket.not_before_us,
            ticket.ttl_s,
        )
        messages: tuple[Envelope, ...] = () if order.item is None else self._messages.make(order.item, now, routed[0])
        for item, its in zip(order.more, routed[1:], strict=True):
            messages += self._messages.make(item, now, its)
        gate = order.gate
        if gate is not None and self._limits and order.item is not None:
            has_end = order.item.canvas is None or order.item.canvas["kind"] != "group"
            gate = with_queues(gate, (one.target.queue for one in messages), self._limits, has_end=has_end)
        write = Write(claim, messages, self._gating.guard(gate), self._gating.records(order.record))
        check_writes((write,))  # alone: what is wrong with one is told of that one
        return write

    # -- runs ----------------------------------------------------------------------------------------------------------

    async def release(self, task_ids: Sequence[str]) -> frozenset[str]:
        """Let go whatever the tasks hold; see ``Runs``."""
        return await self._gates.release(task_ids)

    async def running(self) -> list[RunningTask]:
        """List the tasks that hold slots; see ``Runs``."""
        return await self._gates.running()

    async def revoke(self, task_ids: Sequence[str], *, terminate: bool) -> None:
        """Keep tasks from starting; with ``terminate`` also stop those that have started.

        Raises:
            BrokerDown: the broker does not answer.
        """
        await self._revoker.revoke(task_ids, terminate=terminate)

    # -- reading -------------------------------------------------------------------------------------------------------

    async def read(self, ledger: Public, fields: Sequence[str]) -> Ledger:
        """Read fields of a ledger.

        Raises:
            BrokerDown: the broker does not answer.
        """
        try:
            [seconds, micros] = await self._link.call("TIME")
            found = await self._link.call("HMGET", self._prefix + ledger, *fields) if fields else []
        except ShimError as error:
            self._lost(error)
            raise BrokerDown(str(error), hint=error.hint) from None
        values = {
            name: value.decode(errors="replace")  # anyone may have written there
            for name, value in zip(fields, found, strict=True)
            if value is not None
        }
        return Ledger(values, int(seconds) * SECOND_US + int(micros))

    async def finished(self, task_ids: Sequence[str]) -> frozenset[str]:
        """Say which of the tasks have a final result stored.

        Raises:
            BrokerDown: the result back-end does not answer.
        """
        metas = await self.results(task_ids)
        return frozenset(task_id for task_id, meta in metas.items() if meta.is_ready)

    async def results(self, task_ids: Sequence[str]) -> dict[str, TaskMeta]:
        """Read stored results; empty without a result back-end.

        Raises:
            BrokerDown: the result back-end does not answer.
        """
        try:
            return await self._results.fetch(task_ids)
        except ShimError as error:
            raise BrokerDown(str(error), hint=error.hint) from None
