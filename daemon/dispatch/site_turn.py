"""Whose turn it is to run the schedule of a site on RabbitMQ, and how the broker stands."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from daemon.clock import Clock
from daemon.dispatch.booking import Booking
from daemon.dispatch.dispatcher import LOOK_EVERY_S, BrokerSeen, BrokerState
from daemon.dispatch.ledger import inherit, read_estate, write_estate
from daemon.dispatch.site_lock import SiteLock
from daemon.errors import LedgerFailed
from daemon.events import BrokerLost, BrokerUp, Warned
from daemon.ports import Emit
from daemon.public import Public
from shim.amqp.outcome import AmqpOutcome, AmqpResult
from shim.amqp.publisher import AmqpPublisher
from shim.errors import BrokerRefused, BrokerUnavailable, ShimError

HOLD_LIMIT_S = 10.0
"""How long a look at the lock counts. RabbitMQ takes it from a holder it does not hear of after twenty seconds at least."""

SITE_TAKEN = Public("site-taken")


class SiteTurn:
    """Looks at the broker again and again: whether it answers, and whether this daemon is the one that runs the schedule.

    Orders of the entries' ledger are carried out by the holder of the lock alone. Those of a feed concern nobody else, for
    a message lies in one spool; they are carried out whoever holds it.
    """

    def __init__(
        self,
        lock: SiteLock,
        publisher: AmqpPublisher,
        *,
        ledger: Public,
        address: Public,
        new_id: Callable[[], str],
        clock: Clock,
        emit: Emit,
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        Args:
            lock: of the site.
            publisher: for what is left to the next holder; it declares ``lock.estate_queue``.
            ledger: that of the site's entries.
            address: of the broker, for events.
            new_id: gives a text that no other message has.
            clock: for what is known since when.
            emit: takes events.
        """
        self._lock = lock
        self._publisher = publisher
        self._ledger = ledger
        self._address = address
        self._new_id = new_id
        self._clock = clock
        self._emit = emit
        self._held_at_s: float | None = None
        self._trouble = ""
        self._left_changes = -1
        self._has_warned = False
        self.seen = BrokerSeen(BrokerState.UNKNOWN, None, clock.monotonic_s())
        self.is_up = anyio.Event()
        self.booking: Booking | None = None

    @property
    def is_ours(self) -> bool:
        """Say whether the schedule is this daemon's to run, as far as a look of the last seconds tells."""
        held_at_s = self._held_at_s
        return (
            held_at_s is not None and self._lock.is_connected and self._clock.monotonic_s() - held_at_s <= HOLD_LIMIT_S
        )

    @property
    def is_connected(self) -> bool:
        """Say whether the broker can be reached, as far as is known."""
        return self._lock.is_connected

    def may_enter(self, ledger: str) -> bool:
        """Say whether orders of a ledger may be carried out now."""
        return self.is_ours if ledger == self._ledger else self._lock.is_connected

    def why_not(self) -> str:
        """Say why orders are not carried out."""
        return self._trouble or "the broker has not answered yet"

    async def keep(self) -> None:
        """Look every two seconds, and at once when the connection is lost."""
        while True:
            await self._lock.wait(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """See whether the broker answers, and take or confirm the lock; take over if it has just become ours."""
        if not self._lock.is_connected:
            self._held_at_s = None
        asked_at_s = self._clock.monotonic_s()
        try:
            is_held = await self._lock.look()
            self.is_up.set()
            if is_held and self._held_at_s is None:
                await self._take_over()
        except (ShimError, LedgerFailed) as error:
            self._held_at_s = None
            await self._lock.close()
            code = error.server_code if isinstance(error, BrokerRefused) else error.code
            self._lost(Public(code), Public(f"{error}; {error.hint}" if error.hint else str(error)))
            return
        if is_held:
            self._held_at_s = asked_at_s
            self._found()
        else:
            self._held_at_s = None
            text = "another daemon runs the schedule of this site; this one stands by and hands on its own messages"
            self._lost(SITE_TAKEN, Public(text))

    async def keep_leaving(self) -> None:
        """Leave the schedule's ledger to the next holder every two seconds, if it has changed."""
        while True:
            await anyio.sleep(LOOK_EVERY_S)
            await self.leave()

    async def leave(self) -> AmqpResult | None:
        """Leave the schedule's ledger to the next holder; ``None`` if it is there already, or is not ours to leave."""
        booking = self.booking
        if booking is None or not self.is_ours or booking.changes == self._left_changes:
            return None
        return await self._leave(booking)

    async def close(self) -> None:
        """Give the lock back."""
        self._held_at_s = None
        await self._lock.close()

    async def _take_over(self) -> None:
        booking = self.booking
        if booking is None:
            message = "the ledger is not open"
            raise LedgerFailed(message)
        body = await self._lock.read_estate()
        left = None if body is None else read_estate(body)
        if body is not None and left is None:
            text = Public("what the last daemon left there cannot be read; entries go on from what this one knows")
            self._emit(Warned(Public("handover-unreadable"), Public(self._lock.estate_queue.name), text))
        await booking.adopt(self._ledger, inherit(booking.estate(self._ledger), left))
        # Before anything is done in this term, so that whoever was there before finds a later one than its own.
        result = await self._leave(booking)
        if result.outcome in (AmqpOutcome.NOT_WRITTEN, AmqpOutcome.UNCERTAIN):
            raise BrokerUnavailable(result.reason)

    async def _leave(self, booking: Booking) -> AmqpResult:
        changes, estate = booking.changes, booking.estate(self._ledger)
        message = self._lock.estate_message(write_estate(estate), self._new_id())
        [result] = await self._publisher.publish([message])
        if result.outcome is AmqpOutcome.WRITTEN:
            self._left_changes = changes
        elif result.outcome is AmqpOutcome.REFUSED and not self._has_warned:
            self._has_warned = True
            text = Public(f"{result.reason}; a daemon that takes over will begin the entries anew")
            self._emit(Warned(Public("handover-refused"), Public(self._lock.estate_queue.name), text))
        return result

    # -- what is told --------------------------------------------------------------------------------------------------

    def _found(self) -> None:
        if self.seen.state is BrokerState.UP:
            return
        now_s = self._clock.monotonic_s()
        down_s = now_s - self.seen.since_s if self.seen.state is BrokerState.DOWN else 0.0
        self.seen = BrokerSeen(BrokerState.UP, None, now_s)
        self._trouble = ""
        self._emit(BrokerUp(self._address, Public(self._lock.server_version), down_s))

    def _lost(self, code: Public, text: Public) -> None:
        if self.seen.state is not BrokerState.DOWN:
            self.seen = BrokerSeen(BrokerState.DOWN, None, self._clock.monotonic_s())
            self._trouble = ""
        if code != self._trouble.partition(":")[0]:
            self._emit(BrokerLost(self._address, code, text))
        self._trouble = f"{code}: {text}"
