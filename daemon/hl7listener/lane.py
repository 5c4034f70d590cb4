"""The ordered way of one feed from the spool to its queues: each message once, whatever the broker does meanwhile.

A message is pushed under a claim on its feed's mark, the sequence number of the last one pushed in its epoch. The broker's
mark and our cursor are compared whenever they may differ:

* the mark is ahead: we stopped between the push and our own note of it; the messages are there, the cursor follows;
* the mark is behind, or gone: the broker lost its last writes. Those messages are looked up in the result back-end and
  pushed again, under the same task ids, unless they are known to have run.

That is done before the first push of each epoch, for it and for the one before it, and again whenever the broker was away; and
for the last epoch pushed from also at the start, for the broker may have forgotten while we were down, and every few seconds,
for a quiet feed would not notice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import anyio
import anyio.lowlevel

from daemon.clock import SECOND_US, Clock
from daemon.errors import BrokerDown, SpoolFailed
from daemon.events import Backlog, MessageParked, MessagesEnqueued, MessagesRepeated, Warned
from daemon.hl7listener.agreement import Foreign, agree, parse_mark
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.order import order_after, work_item
from daemon.hl7listener.spool import Row, Spool
from daemon.hl7listener.tail import BATCH_BYTES, BATCH_ROWS, Tail
from daemon.keys import SEQUENCE_FIELD, feed_ledger, message_id
from daemon.ports import Dispatcher, Emit, FaultPoint, Order, Settled, Settlement
from daemon.public import Public, reason

BREATHER_ROWS = 8
"""After so many messages made ready, whatever else waits for the event loop gets its turn."""

SETTLE_EVERY_S = 0.25
COMPARE_EVERY_S = 5.0
RETRY_FIRST_S, RETRY_MOST_S = 0.1, 5.0
PARKED_KEPT = 1000
NEWEST, UNKNOWN = (1 << 63) - 1, -1


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
        self._suspect_us = suspect_us
        self._at = at
        self._is_stopping = is_stopping
        self._changed = anyio.Event()
        self._progress = anyio.Event()
        self._tail = Tail()
        self._parked: deque[int] = deque(maxlen=PARKED_KEPT)
        self.restart()

    def restart(self) -> None:
        """Forget everything; the disk and the broker know."""
        self._tail.clear()
        self._parked.clear()
        self._is_behind = True
        self._cursor = self._settled = UNKNOWN
        self._settled_at_s = 0.0
        self._compared_at_s: float | None = None
        self._marks: dict[str, int | None] = {}
        self._suspect_until = 0
        self._newest = 0

    @property
    def is_idle(self) -> bool:
        """Say whether everything that was stored has been handed on."""
        return not self._is_behind and (self._tail.last_seq or 0) <= self._cursor

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
        self.wake()

    def wake(self) -> None:
        """Have the lane look again."""
        self._changed.set()

    async def report(self) -> None:
        """Say how much waits, and how old the oldest of it is."""
        if self.is_idle:
            self._emit(Backlog(self.feed.name, 0, 0.0))
            return
        try:
            waiting, oldest_us = await self._spool.reader.waiting_after(self.feed.name, self._cursor)
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
                rows = await self._next_rows()
                self._is_unreadable = False
                if rows:
                    await self._push(rows)
                self.is_away, pause_s = False, RETRY_FIRST_S
                self._progress.set()
                if not rows:
                    await self._idle()
            except (BrokerDown, SpoolFailed) as error:
                if isinstance(error, SpoolFailed) and not self._is_unreadable:
                    self._is_unreadable = True
                    self._emit(Warned(Public("spool-not-readable"), self.feed.name, reason(error)))
                if isinstance(error, BrokerDown):  # it may come back without its last writes, of any epoch
                    self._marks.clear()
                    self._compared_at_s = None
                self.is_away = True
                self._progress.set()
                await self._sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_MOST_S)
        self._settle(now=True)

    # -- what is next --------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        if self._cursor == UNKNOWN:
            self._cursor = self._settled = await self._spool.reader.cursor(self.feed.name)
        now_s = self._clock.monotonic_s()
        if self._compared_at_s is None or now_s - self._compared_at_s >= COMPARE_EVERY_S:
            await self._compare()
            self._compared_at_s = now_s

    async def _next_rows(self) -> list[Row]:
        """Give the next messages of one epoch, from memory or from the disk."""
        if self._is_behind:
            newest = self._newest
            rows = await self._spool.reader.fetch(
                self.feed.name, self._cursor, limit=BATCH_ROWS, limit_bytes=BATCH_BYTES
            )
            if not rows and newest == self._newest:
                self._is_behind = False  # everything that is stored has been read
        else:
            rows = self._tail.batch_after(self._cursor)
        return [row for row in rows if row.epoch == rows[0].epoch]

    async def _idle(self) -> None:
        """Wait for the next message; note on disk how far the feed is once nothing has come for a moment."""
        if self._is_behind or self._is_stopping():
            return
        self._changed = anyio.Event()
        with anyio.move_on_after(COMPARE_EVERY_S if self._cursor == self._settled else SETTLE_EVERY_S):
            await self._changed.wait()
            return
        self._settle(now=True)

    async def _sleep(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            while not self._is_stopping():
                self._changed = anyio.Event()
                await self._changed.wait()

    def _settle(self, *, now: bool = False) -> None:
        """Note on disk how far the feed is, now and then: the broker's mark knows it exactly."""
        now_s = self._clock.monotonic_s()
        if self._cursor > self._settled and (now or now_s - self._settled_at_s >= SETTLE_EVERY_S):
            self._spool.settle(self.feed.name, self._cursor)
            self._settled, self._settled_at_s = self._cursor, now_s

    # -- pushing -------------------------------------------------------------------------------------------------------

    async def _push(self, rows: list[Row]) -> None:
        epoch = rows[0].epoch
        if epoch not in self._marks:
            cursor = self._cursor
            await self._compare()
            if self._cursor == cursor:
                await self._reconcile(epoch)
            return  # the cursor may have moved
        ran = await self._already_ran(rows)
        orders: list[tuple[Row, Order]] = []
        mark, ledger, now_us = self._marks[epoch], feed_ledger(self._site, self.feed.name, epoch), self._clock.now_us()
        for place, row in enumerate(rows):
            if place % BREATHER_ROWS == BREATHER_ROWS - 1:
                await anyio.lowlevel.checkpoint()  # senders come first
            item = work_item(row, self.feed, self._site, now_us)
            if item is None:
                break  # parked below, once everything before it is through
            orders.append((row, order_after(mark, row, None if item.task_id in ran else item, ledger)))
            mark = row.seq
        if not orders:
            why = "no longer a message with a route" if rows[0].is_whole else "its bytes are not what was stored"
            self._park(rows[0], Public(why))
            return
        self._at("push.before")
        settlements = await self._dispatcher.dispatch([order for _, order in orders])
        self._at("push.after")
        await self._apply(orders, settlements)
        self._settle()
        self._at("mark.after")

    async def _apply(self, orders: list[tuple[Row, Order]], settlements: list[Settlement]) -> None:
        pushed = already = again = had_run = 0
        first = orders[0][0]
        problem: Settlement | None = None
        row = first
        for (row, order), settlement in zip(orders, settlements, strict=True):
            if settlement.outcome not in (Settled.ENQUEUED, Settled.ALREADY):
                problem = settlement
                break
            if row.seq <= self._suspect_until:
                again += order.item is not None
                had_run += order.item is None
            else:
                pushed += 1
                already += settlement.outcome is Settled.ALREADY
            self._marks[row.epoch] = self._cursor = row.seq
        waited_s = max(self._clock.now_us() - first.received_us, 0) / SECOND_US
        if again or had_run:
            self._emit(MessagesRepeated(self.feed.name, again, had_run))
        if pushed:
            self._emit(MessagesEnqueued(self.feed.name, pushed, already, waited_s))
        if problem is not None:
            await self._meet(problem, row)

    async def _meet(self, problem: Settlement, row: Row) -> None:
        if problem.outcome is Settled.INVALID:
            self._park(row, Public("no worker could take it"))
        elif problem.outcome is Settled.LOST:
            del self._marks[row.epoch]  # looked at anew before the next push
        elif problem.outcome is Settled.BLOCKED:
            text = Public(f"key {problem.found} in the broker is no queue")
            self._emit(Warned(Public("queue-key-of-wrong-type"), self.feed.name, text))
            raise BrokerDown(text)
        else:
            message = "the broker did not answer"
            raise BrokerDown(message)

    def _park(self, row: Row, reason: Public) -> None:
        self._spool.park(row.seq, reason)
        self._parked.append(row.seq)
        self._cursor = row.seq
        self._emit(MessageParked(self.feed.name, row.seq, reason))

    async def _already_ran(self, rows: list[Row]) -> frozenset[str]:
        suspects = [
            message_id(self._site, self.feed.name, row.epoch, row.seq) for row in rows if row.seq <= self._suspect_until
        ]
        return await self._dispatcher.finished(suspects) if suspects else frozenset()

    # -- after a gap ---------------------------------------------------------------------------------------------------

    async def _compare(self) -> None:
        """Reconcile the epoch that was pushed from last."""
        epoch = await self._spool.reader.last_epoch(self.feed.name, self._cursor)
        if epoch is not None:
            await self._reconcile(epoch)

    async def _reconcile(self, epoch: str) -> None:
        """Move the cursor to where the broker's mark of an epoch and what we have pushed of it agree."""
        name, reader = self.feed.name, self._spool.reader
        ledger = await self._dispatcher.read(feed_ledger(self._site, name, epoch), [SEQUENCE_FIELD])
        mark = parse_mark(ledger.values.get(SEQUENCE_FIELD))
        if isinstance(mark, Foreign):
            raise self._foreign(mark)
        repeat_from = 0
        if mark is None:
            repeat_from = await reader.last_before(name, self._clock.now_us() - self._suspect_us)
        agreement = agree(
            mark,
            cursor=self._cursor,
            pushed=await self._last_pushed(epoch, self._cursor),
            newest=await reader.last_pushed(name, epoch, NEWEST),
            repeat_from=repeat_from,
        )
        if isinstance(agreement, Foreign):
            raise self._foreign(agreement)
        told = max(self._cursor, self._suspect_until)  # what is suspect was told of when it was pushed first
        if agreement.cursor > told:
            await self._tell_of(told, agreement.cursor)
        self._cursor = agreement.cursor
        if agreement.suspect_until is not None:
            self._suspect_until = max(self._suspect_until, agreement.suspect_until)
            self._marks.clear()  # earlier epochs are passed through again, and each has a mark of its own
            self.read_again()
        self._marks[epoch] = mark

    async def _last_pushed(self, epoch: str, up_to_seq: int) -> int | None:
        """Ask the disk for the last message that became a task; a note that one was parked may not have got there yet."""
        while True:
            seq = await self._spool.reader.last_pushed(self.feed.name, epoch, up_to_seq)
            if seq is None or seq not in self._parked:
                return seq
            up_to_seq = seq - 1

    async def _tell_of(self, cursor: int, mark: int) -> None:
        """Say how many messages turned out to be in their queues already."""
        before, oldest_us = await self._spool.reader.waiting_after(self.feed.name, cursor)
        behind, _ = await self._spool.reader.waiting_after(self.feed.name, mark)
        if before > behind and oldest_us is not None:
            waited_s = max(self._clock.now_us() - oldest_us, 0) / SECOND_US
            self._emit(MessagesEnqueued(self.feed.name, before - behind, before - behind, waited_s))

    def _foreign(self, mark: Foreign) -> BrokerDown:
        text = Public(f"{mark.what}; nothing is handed on")
        self._emit(Warned(mark.code, self.feed.name, text))
        return BrokerDown(text)
