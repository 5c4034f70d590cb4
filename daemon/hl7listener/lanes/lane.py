"""The ordered way of one feed from the spool to its queues: each message once, whatever the broker does meanwhile.

A message is pushed under a claim on its feed's mark, the sequence number of the last one pushed in its epoch. The broker's
mark and our cursor are compared whenever they may differ (``reconciling``): before the first push of each epoch, for it and
for the one before it; again whenever the broker was away; and for the last epoch pushed from also at the start, for the broker
may have forgotten while we were down, and every few seconds, for a quiet feed would not notice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import anyio
import anyio.lowlevel

from daemon.clock import SECOND_US, Clock
from daemon.errors import BrokerDown, SpoolFailed
from daemon.events import Backlog, MessageParked, MessagesEnqueued, MessagesRepeated, Warned
from daemon.hl7listener.ack.handover import Handover
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.lanes.holding import Holding
from daemon.hl7listener.lanes.order import Work, order_after, work_of
from daemon.hl7listener.lanes.reconciling import UNKNOWN, Place, Reconciler
from daemon.hl7listener.lanes.tail import BATCH_BYTES, BATCH_ROWS, Tail
from daemon.hl7listener.spool import Row, Spool
from daemon.keys import feed_ledger
from daemon.ports import Bell, Dispatcher, Emit, FaultPoint, Order, Settled, Settlement
from daemon.public import Public, reason

BREATHER_ROWS = 16
"""After so many messages made ready, whatever else waits for the event loop gets its turn."""

PACE_S = 0.005
"""Between the beginnings of two pushes, unless so much waits that a push is full: one costs as much as thirty messages."""

SETTLE_EVERY_S = 0.25
COMPARE_EVERY_S = 5.0
RETRY_FIRST_S, RETRY_MOST_S = 0.1, 5.0
NOTE_LIMIT_S = 10.0
"""How long a note may take to be on the disk."""


class Ready(NamedTuple):
    """A message, what is to be done with it, and once it is known the order for that."""

    row: Row
    work: Work


class Lane:
    """The ordered way of one feed."""

    def __init__(
        self,
        site: Public,
        feed: Feed,
        spool: Spool,
        dispatcher: Dispatcher,
        clock: Clock,
        emit: Emit,
        suspect_us: int,
        at: FaultPoint,
        is_stopping: Callable[[], bool],
        bell: Bell | None = None,
        handover: Handover | None = None,
    ) -> None:
        """Keep the collaborators."""
        self.feed = feed
        self.is_away = False
        self._is_unreadable = False
        self._site = site
        self._spool = spool
        self._dispatcher = dispatcher
        self._clock = clock
        self._emit = emit
        self._at = at
        self._is_stopping = is_stopping
        self._bell = bell
        self._handover = handover
        self._reconciler = Reconciler(site, feed.name, spool, dispatcher, clock, emit, suspect_us)
        self._holding = Holding(feed, site, spool)
        self._changed = anyio.Event()
        self._progress = anyio.Event()
        self._tail = Tail()
        self._is_pacing = False
        self.restart()

    def restart(self) -> None:
        """Forget everything; the disk and the broker know."""
        self._tail.clear()
        self._holding.forget()
        self._is_behind = True
        self._place = Place()
        self._settled_at_s = self._pushed_at_s = 0.0
        self._compared_at_s: float | None = None
        self._newest = 0
        self._told_empty = False

    @property
    def is_idle(self) -> bool:
        """Say whether everything that was stored has been handed on."""
        return not self._is_behind and (self._tail.last_seq or 0) <= self._place.cursor

    async def wait_idle(self) -> None:
        """Wait until everything at hand has been handed on, or the broker is away."""
        while not self.is_idle and not self.is_away:
            self._progress = anyio.Event()
            await self._progress.wait()

    def read_again(self) -> None:
        """Go on from the disk instead of from memory."""
        self._is_behind = True
        self._tail.clear()
        self.wake()

    def take(self, rows: list[Row]) -> None:
        """Take messages that were just stored."""
        self._newest = rows[-1].seq
        if not self._is_behind and not self._tail.extend(rows):
            self._is_behind = True
        if not self._is_pacing or self._is_behind or len(self._tail) >= BATCH_ROWS:
            self.wake()

    def wake(self) -> None:
        """Have the lane look again."""
        self._changed.set()

    async def report(self) -> None:
        """Say how much waits, and how old the oldest of it is; that nothing waits, once."""
        if self.is_idle:
            if not self._told_empty:
                self._told_empty = True
                self._emit(Backlog(self.feed.name, 0, 0.0))
            return
        self._told_empty = False
        try:
            waiting, oldest_us = await self._spool.reader.waiting_after(self.feed.name, self._place.cursor)
        except SpoolFailed:
            return
        oldest_s = max(self._clock.now_us() - oldest_us, 0) / SECOND_US if oldest_us is not None else 0.0
        self._emit(Backlog(self.feed.name, waiting, oldest_s))

    async def run(self) -> None:
        """Hand messages on until stopped; while the broker or the spool is away, wait for it."""
        pause_s = RETRY_FIRST_S
        while not self._is_stopping():
            try:
                await self._begin()
                await self._pace()
                rows = await self._next_rows()
                self._is_unreadable = False
                if rows:
                    await self._push(rows)
                if self._handover is not None:
                    self._handover.enqueued(self._place.cursor)
                self.is_away, pause_s = False, RETRY_FIRST_S
                self._progress.set()
                is_done = not rows
                del rows  # they may be large
                if is_done:
                    await self._idle()
            except (BrokerDown, SpoolFailed) as error:
                if isinstance(error, SpoolFailed) and not self._is_unreadable:
                    self._is_unreadable = True
                    self._emit(Warned(Public("spool-not-readable"), self.feed.name, reason(error)))
                if isinstance(error, BrokerDown):  # it may come back without its last writes, of any epoch
                    self._place.marks.clear()
                    self._compared_at_s = None
                self.is_away = True
                self._progress.set()
                await self._sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_MOST_S)
        self._settle(now=True)

    # -- what is next --------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        place = self._place
        if place.cursor == UNKNOWN:
            place.cursor = place.settled = await self._spool.reader.cursor(self.feed.name)
        now_s = self._clock.monotonic_s()
        if self._compared_at_s is None or now_s - self._compared_at_s >= COMPARE_EVERY_S:
            await self._agree(self._reconciler.compare(place))
            self._compared_at_s = now_s
        if self._holding.wants_load(now_s):
            await self._holding.load(place.cursor, now_s)

    async def _agree(self, reconciling: Awaitable[bool]) -> None:
        cursor = self._place.cursor
        if await reconciling:
            self.read_again()
        if self._place.cursor != cursor:
            self._holding.forget()  # what was passed over may have been copies

    async def _next_rows(self) -> list[Row]:
        """Give the next messages of one epoch, from memory or from the disk."""
        cursor = self._place.cursor
        if self._is_behind:
            newest = self._newest
            rows = await self._spool.reader.fetch(self.feed.name, cursor, limit=BATCH_ROWS, limit_bytes=BATCH_BYTES)
            if not rows and newest == self._newest:
                self._is_behind = False  # everything that is stored has been read
        else:
            rows = self._tail.batch_after(cursor)
        return [row for row in rows if row.epoch == rows[0].epoch]

    async def _idle(self) -> None:
        """Wait for the next message; note on disk how far the feed is once nothing has come for a moment."""
        if self._is_behind or self._is_stopping():
            return
        self._changed = anyio.Event()
        is_settled = self._place.cursor == self._place.settled
        with anyio.move_on_after(COMPARE_EVERY_S if is_settled else SETTLE_EVERY_S):
            await self._changed.wait()
            return
        self._settle(now=True)

    async def _pace(self) -> None:
        """Let messages gather while they come faster than pushes are worth; nobody must wait for the push itself."""
        left_s = self._pushed_at_s + PACE_S - self._clock.monotonic_s()
        if left_s <= 0 or self._is_behind or len(self._tail) >= BATCH_ROWS or self._handover is not None:
            return
        self._changed, self._is_pacing = anyio.Event(), True
        try:
            with anyio.move_on_after(left_s):
                await self._changed.wait()
        finally:
            self._is_pacing = False

    async def _sleep(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            while not self._is_stopping():
                self._changed = anyio.Event()
                await self._changed.wait()

    def _settle(self, *, now: bool = False) -> None:
        """Note on disk how far the feed is, now and then: the broker's mark knows it exactly."""
        place, now_s = self._place, self._clock.monotonic_s()
        if place.cursor > place.settled and (now or now_s - self._settled_at_s >= SETTLE_EVERY_S):
            self._spool.settle(self.feed.name, place.cursor)
            place.settled, self._settled_at_s = place.cursor, now_s

    # -- pushing -------------------------------------------------------------------------------------------------------

    async def _push(self, rows: list[Row]) -> None:
        epoch, place = rows[0].epoch, self._place
        if epoch not in place.marks:
            cursor = place.cursor
            await self._agree(self._reconciler.compare(place))
            if place.cursor == cursor:
                await self._agree(self._reconciler.reconcile(place, epoch))
            return  # the cursor may have moved
        ready = await self._make_ready(rows)
        if not ready:
            return
        ran = await self._already_ran(ready)
        elsewhere: frozenset[int] = frozenset()
        if self._handover is not None:
            elsewhere = await self._handover.owned_elsewhere([row for row, _ in ready])
            ran |= {item.task_id for row, work in ready if row.seq in elsewhere for item in work.items}
        mark, ledger = place.marks[epoch], feed_ledger(self._site, self.feed.name, epoch)
        orders: list[Order] = []
        for row, work in ready:
            orders.append(order_after(mark, row, work, ledger, ran))
            mark = row.seq
        rings = [ring for row, work in ready if row.seq not in elsewhere for ring in work.rings]
        if rings and self._bell is not None:
            await self._bell.ring(rings)
        self._pushed_at_s = self._clock.monotonic_s()
        self._at("push.before")
        settlements = await self._dispatcher.dispatch(orders)
        self._at("push.after")
        await self._apply(ready, orders, settlements)
        self._settle()
        self._at("mark.after")

    async def _make_ready(self, rows: list[Row]) -> list[Ready]:
        """Make messages ready, up to the first that cannot go on; that one is parked once everything before it is through."""
        ready: list[Ready] = []
        now_us = self._clock.now_us()
        for number, row in enumerate(rows):
            if number % BREATHER_ROWS == BREATHER_ROWS - 1:
                await anyio.lowlevel.checkpoint()  # senders come first
            work = work_of(row, self.feed, self._site, now_us)
            why = self._holding.why_not(row, work)
            if why is None and work is not None:
                ready.append(Ready(row, work))
                continue
            if not ready and why is not None:
                await self._park(row, work, why)
            break
        return ready

    async def _apply(self, ready: list[Ready], orders: list[Order], settlements: list[Settlement]) -> None:
        pushed = already = again = had_run = 0
        place, first = self._place, ready[0].row
        problem: tuple[Settlement, Ready] | None = None
        for one, order, settlement in zip(ready, orders, settlements, strict=True):
            row = one.row
            if settlement.outcome not in (Settled.ENQUEUED, Settled.ALREADY):
                problem = (settlement, one)
                break
            if row.seq <= place.suspect_until:
                again += order.item is not None
                had_run += order.item is None
            else:
                pushed += 1
                already += settlement.outcome is Settled.ALREADY
            place.marks[row.epoch] = place.cursor = row.seq
            self._holding.passed(row)
        self._tail.forget(place.cursor)
        waited_s = max(self._clock.now_us() - first.received_us, 0) / SECOND_US
        if again or had_run:
            self._emit(MessagesRepeated(self.feed.name, again, had_run))
        if pushed:
            self._emit(MessagesEnqueued(self.feed.name, pushed, already, waited_s))
        if problem is not None:
            await self._meet(*problem)

    async def _meet(self, problem: Settlement, one: Ready) -> None:
        if problem.outcome is Settled.INVALID:
            await self._park(one.row, one.work, Public("no worker could take it"))
        elif problem.outcome is Settled.LOST:
            del self._place.marks[one.row.epoch]  # looked at anew before the next push
        elif problem.outcome is Settled.BLOCKED:
            text = Public(f"key {problem.found} in the broker is no queue")
            self._emit(Warned(Public("queue-key-of-wrong-type"), self.feed.name, text))
            raise BrokerDown(text)
        else:
            message = "the broker did not answer"
            raise BrokerDown(message)

    async def _park(self, row: Row, work: Work | None, why: Public) -> None:
        """Keep a message back. That is on the disk before the feed goes on: the broker's mark will tell nothing of it."""
        why = self._holding.reason_for(row, why)
        await self._noted(row.seq, why)
        self._holding.parked(row, work, why)
        if self._handover is not None:
            self._handover.parked(row.seq)
        self._place.cursor = row.seq
        self._emit(MessageParked(self.feed.name, row.seq, why))

    async def _noted(self, seq: int, why: Public) -> None:
        is_noted = False
        told = anyio.Event()

        def done(is_on_disk: bool) -> None:  # noqa: FBT001 - a callback with one meaning
            nonlocal is_noted
            is_noted = is_on_disk
            told.set()

        self._spool.park(seq, why, done)
        with anyio.move_on_after(NOTE_LIMIT_S):
            await told.wait()
        if not is_noted:
            message = "it could not be noted that a message is parked"
            raise SpoolFailed(message)

    async def _already_ran(self, ready: list[Ready]) -> frozenset[str]:
        suspects = [item.task_id for row, work in ready if row.seq <= self._place.suspect_until for item in work.items]
        return await self._dispatcher.finished(suspects) if suspects else frozenset()
