"""The way from the daemon to the queues of RabbitMQ.

RabbitMQ cannot compare and push in one step. Tickets are checked against a ledger on this machine's disk, messages wait in
an outbox beside it until RabbitMQ has confirmed them, and one daemon of a site at a time runs its schedule.
"""

from __future__ import annotations

import itertools
import os
import secrets
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
from anyio import lowlevel

from daemon.clock import Clock, instant
from daemon.dispatch.booking import Booking
from daemon.dispatch.celery_side import CelerySide
from daemon.dispatch.dispatcher import LOOK_EVERY_S, BrokerSeen, untold
from daemon.dispatch.kept_results import KeptResults
from daemon.dispatch.ledger import NOT_SENT, Offer
from daemon.dispatch.ledger_file import FILE as LEDGER_FILE
from daemon.dispatch.messages import MessageMaker
from daemon.dispatch.revoking import revoke_by_amqp
from daemon.dispatch.site_lock import SiteLock
from daemon.dispatch.site_turn import SiteTurn
from daemon.errors import BrokerDown, LedgerFailed, unwrapped
from daemon.events import Warned
from daemon.keys import entries_ledger
from daemon.ports import Emit, FaultPoint, Ledger, Order, RunningTask, Settled, Settlement, no_fault
from daemon.public import Public
from daemon.tracing import Tracer
from shim.amqp.outbox import Outbox, OutboxTrouble
from shim.amqp.outbox_store import OutboxFailed
from shim.amqp.outcome import AmqpResult
from shim.amqp.publisher import AmqpPublisher
from shim.amqp.wire import AmqpMessage
from shim.app import AppError, AppRouter, RouteUndecided
from shim.client.amqp_carrier import amqp_connector, amqp_maker
from shim.client.amqp_maker import AmqpMaker, Made
from shim.client.amqp_queues import ladder_type, missing_declaration, queue_declarations
from shim.errors import RequestInvalid, ShimError
from shim.results import TaskMeta

OUTBOX_FILE = "outbox.sqlite"
FINISH_LIMIT_S = 5.0
FINISH_LOOK_S = 0.05
LEAVE_LIMIT_S = 2.0
EVENTS_LIMIT = 1000
"""``task-sent`` events that wait to be told; beyond it the oldest are dropped, and Flower hears of those tasks from workers."""

EVENTS_AT_ONCE = 100
NOT_COUNTED = "runs are not counted on RabbitMQ: overlap and limits need Redis or Valkey"
NOT_TOGETHER = "several tasks of one message are enqueued together, which needs Redis or Valkey"
QUIET_S = 60.0
"""How long the same trouble is not reported again."""


class _Publisher(AmqpPublisher):
    """Tells of each message that RabbitMQ will never take."""

    given_up: Callable[[AmqpMessage, AmqpResult], None]

    async def publish(self, messages: Sequence[AmqpMessage]) -> list[AmqpResult]:
        results = await super().publish(messages)
        for message, result in zip(messages, results, strict=True):
            if result.refusal is not None and result.refusal.is_final:
                self.given_up(message, result)
        return results


class OutboxDispatcher:
    """Turns orders into messages for stock Celery workers on RabbitMQ."""

    name = Public("dispatch")

    def __init__(
        self,
        side: CelerySide,
        *,
        site: Public,
        state_dir: Path,
        clock: Clock,
        emit: Emit,
        at: FaultPoint = no_fault,
        tracer: Tracer | None = None,
    ) -> None:
        """Prepare router, connections and publisher; no I/O happens here.

        Raises:
            BrokerUrlInvalid, RequestInvalid: a setting that cannot be; ``check_addresses`` and ``check_items`` find them.
        """
        connector = amqp_connector(side.conf, client_name="carillon")
        self.address = Public(";".join(map(str, connector.urls)))
        lock = SiteLock(amqp_connector(side.conf, client_name="carillon-lock"), site)
        # Unique for each message: 80 random bits for this process, then a count.
        tags = (f"{prefix}-{number:x}" for prefix in (secrets.token_hex(10),) for number in itertools.count())
        origin = f"carillon{os.getpid()}@{socket.gethostname()}"[:255]
        self._items = MessageMaker(side, origin=origin, pid=os.getpid(), tags=tags)
        queues = self._items.router.queues
        self._maker: AmqpMaker = amqp_maker(
            side.conf, queues, origin=origin, pid=os.getpid(), new_id=lambda: next(tags)
        )
        declared = {**queue_declarations(side.conf, queues), lock.estate_queue.name: lock.estate_queue}
        missing = missing_declaration(side.conf, queues)
        self._publisher = _Publisher(connector, queues=declared, missing=missing, ladder_type=ladder_type(side.conf))
        self._publisher.given_up = self._given_up
        self._turn = SiteTurn(
            lock,
            self._publisher,
            ledger=entries_ledger(site),
            address=self.address,
            new_id=lambda: next(tags),
            clock=clock,
            emit=emit,
        )
        self._app = AppRouter(side.app) if side.app is not None else None
        self._results = KeptResults(side.conf)
        self._conf, self._state_dir = side.conf, state_dir
        self._clock = clock
        self._emit = emit
        self._at = at
        self._tracer = tracer
        self._files = AsyncExitStack()
        self._outbox: Outbox | None = None
        self._booking: Booking | None = None
        self._stop = anyio.Event()
        self._is_serving = False
        self._failed_at_s: float | None = None
        self._refused_at_s: dict[str, float] = {}
        self._events: deque[AmqpMessage] = deque(maxlen=EVENTS_LIMIT)
        self._has_events = anyio.Event()
        self.is_up = self._turn.is_up
        """Set once the broker has answered for the first time."""
        self.recorded: Callable[[str, int], None] = untold
        """Told each record of an order that was carried out, and when; there is no stream for them."""

    # -- life ----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open ledger and outbox, and look at the broker once; it may be down.

        Raises:
            LedgerFailed: a file cannot be used.
        """
        self._stop = anyio.Event()
        async with AsyncExitStack() as files:
            try:
                self._outbox = await files.enter_async_context(
                    Outbox.open(
                        self._state_dir / OUTBOX_FILE,
                        self._publisher,
                        now=lambda: instant(self._clock.now_us()),
                        at=self._at,
                    )
                )
            except OutboxFailed as error:
                raise LedgerFailed(str(error), hint=error.hint) from None
            self._booking = await Booking.open(
                self._state_dir / LEDGER_FILE,
                self._outbox,
                self._clock,
                may_enter=self._turn.may_enter,
                failed=self._not_written,
                at=self._at,
            )
            files.push_async_callback(self._booking.close)
            self._turn.booking = self._booking
            await self._turn.look()
            self._files = files.pop_all()

    async def serve(self) -> None:
        """Send what is entered and watch the broker, until drained; then close everything.

        Raises:
            LedgerFailed: a file cannot be used any more.
        """
        assert self._outbox is not None  # opened before
        self._is_serving = True
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._outbox.run)
                tasks.start_soon(self._turn.keep)
                tasks.start_soon(self._turn.keep_leaving)
                tasks.start_soon(self._keep_reporting, self._outbox.trouble)
                tasks.start_soon(self._keep_telling)
                if self._app is not None:
                    tasks.start_soon(self._app.run)
                await self._stop.wait()
                await self._finish(self._outbox)
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            cause = unwrapped(group)
            if isinstance(cause, OutboxFailed):
                raise LedgerFailed(str(cause), hint=cause.hint) from None
            raise
        finally:
            self._is_serving = False
            with anyio.CancelScope(shield=True):
                await self._close()

    async def drain(self) -> None:
        """Take no more orders; send what is at hand, for a moment. The rest stays in the outbox, which is durable."""
        self._stop.set()
        if not self._is_serving:
            await self._close()

    @property
    def seen(self) -> BrokerSeen:
        """What was last known of the broker; a daemon that stands by sees it as down."""
        return self._turn.seen

    async def _finish(self, outbox: Outbox) -> None:
        with anyio.move_on_after(FINISH_LIMIT_S):
            while self._turn.is_connected and not outbox.trouble.queues and (await outbox.counts()).waiting:  # noqa: ASYNC110 - what is waited for is in the file
                await anyio.sleep(FINISH_LOOK_S)
        with anyio.move_on_after(LEAVE_LIMIT_S):
            await self._turn.leave()

    async def _close(self) -> None:
        self._booking = self._outbox = self._turn.booking = None
        await self._turn.close()
        await self._publisher.close()
        await self._results.close()
        await self._files.aclose()

    # -- orders --------------------------------------------------------------------------------------------------------

    async def dispatch(self, orders: Sequence[Order]) -> list[Settlement]:
        """Carry out orders in their order; one settlement each. ``ENQUEUED`` means that the message is in the outbox."""
        booking = self._booking
        if booking is None or not any(self._turn.may_enter(order.ticket.ledger) for order in orders):
            await lowlevel.checkpoint()
            return [NOT_SENT] * len(orders)
        tracer, began_us = self._tracer, 0
        if tracer is not None:
            orders, began_us = [tracer.mark(order) for order in orders], tracer.now_us()
        settlements: list[Settlement | None] = [None] * len(orders)
        offers: list[Offer] = []
        places: list[tuple[int, Made | None]] = []
        for place, order in enumerate(orders):
            try:
                made = await self._made(order)
            except RequestInvalid as error:
                settlements[place] = Settlement(Settled.INVALID, str(error))
            except AppError as error:
                is_final = isinstance(error, RouteUndecided)
                settlements[place] = Settlement(Settled.INVALID if is_final else Settled.NOT_SENT, str(error))
            else:
                offers.append(Offer(order.ticket, None if made is None else made.message))
                places.append((place, made))
        for (place, made), settlement in zip(places, await booking.carry_out(offers), strict=True):
            settlements[place] = settlement
            if tracer is not None and made is not None:
                tracer.told(orders[place], settlement, ((made.message.task_id, made.message.queue),), began_us)
            self._record(orders[place], settlement)
            if made is not None and made.event is not None and settlement.outcome is Settled.ENQUEUED:
                self._tell(made.event)
        return [settlement for settlement in settlements if settlement is not None]

    def _record(self, order: Order, settlement: Settlement) -> None:
        if order.record and settlement.outcome is Settled.ENQUEUED:
            for record in filter(None, order.record.split("\n")):
                self.recorded(record, settlement.broker_us)

    async def _made(self, order: Order) -> Made | None:
        item = order.item
        if order.gate is not None and (order.gate.slots or order.gate.rates):
            raise RequestInvalid(NOT_COUNTED)
        if item is None:
            return None
        if order.more:
            raise RequestInvalid(NOT_TOGETHER)
        routed = None
        if self._app is not None and self._items.asks_app(item):
            routed = await self._items.routed(item, self._app)
        now = instant(self._clock.now_us())
        return self._maker.make(*self._items.asked(item, now, routed), now)

    # -- runs ----------------------------------------------------------------------------------------------------------

    async def release(self, task_ids: Sequence[str]) -> frozenset[str]:
        """Do nothing: no task holds a slot here."""
        del task_ids
        await lowlevel.checkpoint()
        return frozenset()

    async def running(self) -> list[RunningTask]:
        """List nothing: no task holds a slot here."""
        await lowlevel.checkpoint()
        return []

    async def revoke(self, task_ids: Sequence[str], *, terminate: bool) -> None:
        """Keep tasks from starting; with ``terminate`` also stop those that have started.

        Raises:
            BrokerDown: the broker does not answer.
        """
        await revoke_by_amqp(self._conf, task_ids, terminate=terminate)

    # -- reading -------------------------------------------------------------------------------------------------------

    async def read(self, ledger: Public, fields: Sequence[str]) -> Ledger:
        """Read fields of a ledger.

        Raises:
            BrokerDown: the broker does not answer, or another daemon runs the schedule that the ledger is of.
        """
        await lowlevel.checkpoint()
        if self._booking is None or not self._turn.may_enter(ledger):
            raise BrokerDown(self._turn.why_not())
        return Ledger(self._booking.read(ledger, fields), self._clock.now_us())

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

    # -- what is told --------------------------------------------------------------------------------------------------

    def _tell(self, event: AmqpMessage) -> None:
        self._events.append(event)
        self._has_events.set()

    async def _keep_telling(self) -> None:
        while True:
            await self._has_events.wait()
            self._has_events = anyio.Event()
            while self._events:
                some = [self._events.popleft() for _ in range(min(len(self._events), EVENTS_AT_ONCE))]
                await self._publisher.publish(some)

    async def _keep_reporting(self, trouble: OutboxTrouble) -> None:
        """Name each queue that refuses messages, once."""
        while True:
            await anyio.sleep(LOOK_EVERY_S)
            now_s = self._clock.monotonic_s()
            for queue, why in list(trouble.queues.items()):
                if queue not in self._refused_at_s:
                    self._emit(Warned(Public("queue-refuses"), Public(queue), Public(f"{why}; its messages wait here")))
                self._refused_at_s[queue] = now_s
            self._refused_at_s = {queue: at_s for queue, at_s in self._refused_at_s.items() if now_s - at_s < QUIET_S}

    def _given_up(self, message: AmqpMessage, result: AmqpResult) -> None:
        text = Public(f"task {message.task_id} will never be taken: {result.reason}")
        self._emit(Warned(Public("message-given-up"), Public(message.queue), text))

    def _not_written(self, why: str) -> None:
        now_s = self._clock.monotonic_s()
        if self._failed_at_s is None or now_s - self._failed_at_s >= QUIET_S:
            self._failed_at_s = now_s
            self._emit(Warned(Public("outbox-takes-nothing"), self.name, Public(why)))
