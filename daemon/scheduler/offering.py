"""Has what is due enqueued, and takes note of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from daemon.clock import SECOND_US, Clock
from daemon.errors import BrokerDown
from daemon.keys import overlap_scope
from daemon.ports import Dispatcher, Emit, FaultPoint, Order, Settlement
from daemon.public import Public
from daemon.schedule_events import (
    EntryAhead,
    EntrySuperseded,
    OccurrenceBlocked,
    OccurrenceEnqueued,
    OccurrenceInvalid,
    OccurrenceRepeated,
    OccurrencesSkipped,
    OccurrenceTaken,
    OccurrenceWaiting,
)
from daemon.scheduler.evaluate import GRACE_US, Skipped, SkipReason, Verdict
from daemon.scheduler.gating import parse_full, parse_throttled
from daemon.scheduler.model import OverlapPolicy
from daemon.scheduler.pace import Pace
from daemon.scheduler.recording import skip_record
from daemon.scheduler.standing import Adoption, Move, Standing, Station, apply, plan_orders

BLOCKED_US = 5 * SECOND_US
EARLY_US = 1000
HOLD = "hold"

_REFUSALS = (Move.INVALID, Move.FULL, Move.THROTTLED, Move.HELD)
_REPLACES = {OverlapPolicy.CANCEL_OTHER: False, OverlapPolicy.TERMINATE_OTHER: True}


class BrokerForgot(Exception):
    """The broker lost its ledger; every entry must be adopted again."""


@dataclass(slots=True)
class Offer:
    """An entry of which something is due, and the orders that say so."""

    standing: Standing
    verdict: Verdict
    orders: list[Order] = field(default_factory=list)


class Wait(NamedTuple):
    """When an entry is to be looked at again; whether all that was offered is settled."""

    wake_us: int | None
    is_settled: bool = False


class Offering:
    """Offers occurrences to the broker."""

    def __init__(
        self,
        site: Public,
        dispatcher: Dispatcher,
        pace: Pace,
        clock: Clock,
        emit: Emit,
        *,
        station: Station,
        at: FaultPoint,
    ) -> None:
        """Keep the collaborators."""
        self._site = site
        self._dispatcher = dispatcher
        self._pace = pace
        self._clock = clock
        self._emit = emit
        self._station = station
        self._at = at
        self._seen: set[Move] = set()
        self.waiting: set[str] = set()
        """Ids of entries of which an occurrence waits for a place, a rate or the end of a hold."""

    async def dispatch(self, orders: Sequence[Order]) -> list[Settlement]:
        """Give orders and compare clocks."""
        asked_us = self._clock.now_us()
        settlements = await self._dispatcher.dispatch(orders)
        self._pace.hear(asked_us, next((one.broker_us for one in settlements if one.broker_us), 0))
        return settlements

    async def offer(self, offers: list[Offer], now_us: int) -> list[Wait]:
        """Offer what is due and say of each entry when to look at it again."""
        ran = await self._already_ran(offers)
        orders: list[Order] = []
        for offer in offers:
            offer.orders = self._plan(offer, now_us, ran)
            orders += offer.orders
        self._at("claim.before")
        settlements = await self.dispatch(orders)
        self._at("claim.after")
        answers = iter(settlements)
        self._seen = set()
        waits = []
        for offer in offers:
            found = [next(answers) for _ in offer.orders]
            moves = [self._settle(offer, order, one) for order, one in zip(offer.orders, found, strict=True)]
            self._seen.update(moves)
            waits.append(await self._after(offer, moves, found))
        return waits

    def check_broker(self) -> None:
        """Judge the last answers.

        Raises:
            BrokerForgot: the broker lost its ledger.
            BrokerDown: it did not answer.
        """
        if Move.BROKER_FORGOT in self._seen:
            raise BrokerForgot
        if Move.BROKER_AWAY in self._seen:
            message = "the broker went away"
            raise BrokerDown(message)

    def tell_adopted(self, standing: Standing, adoption: Adoption) -> None:
        """Tell what an adoption found to be enqueued or passed over."""
        for at_us in adoption.enqueued_us:
            self._enqueued(standing, at_us)
        self._skipped(standing, adoption.skipped)
        if adoption.ahead_us is not None:
            self._emit(EntryAhead(standing.entry.name, adoption.ahead_us))

    def _plan(self, offer: Offer, now_us: int, ran: frozenset[str]) -> list[Order]:
        return plan_orders(offer.standing, offer.verdict, self._site, now_us, ran=ran, station=self._station)

    async def _already_ran(self, offers: list[Offer]) -> frozenset[str]:
        """Look up suspect occurrences in the result back-end."""
        suspects = []
        for offer in offers:
            if offer.verdict.due and offer.verdict.due[0] <= offer.standing.suspect_until_us:
                orders = self._plan(offer, 0, frozenset())
                suspects += [order.item.task_id for order in orders if order.item is not None]
        return await self._dispatcher.finished(suspects) if suspects else frozenset()

    # -- answers -------------------------------------------------------------------------------------------------------

    def _settle(self, offer: Offer, order: Order, settlement: Settlement) -> Move:
        """Take note of an answer, and tell what it means."""
        standing, entry, at_us = offer.standing, offer.standing.entry, order.ticket.not_before_us
        move = apply(standing, order, settlement)
        if standing.waits_us is None:
            self.waiting.discard(str(entry.id))
        skipped = offer.verdict.skipped if order is offer.orders[0] else None
        if move is Move.BROKER_AWAY:
            standing.skip_in_doubt = skipped or standing.skip_in_doubt
        elif move is Move.ENQUEUED:
            self._skipped(standing, skipped)
            if offer.verdict.due and at_us <= standing.suspect_until_us:
                self._emit(OccurrenceRepeated(entry.name, at_us, had_run=order.item is None))
            if order.item is not None:
                self._enqueued(standing, at_us)
        elif move is Move.TAKEN and order.item is not None:
            self._emit(OccurrenceTaken(entry.name, at_us))
        elif move is Move.BLOCKED:
            self._emit(OccurrenceBlocked(entry.name, at_us, Public(settlement.found or "")))
        elif move is Move.SUPERSEDED:
            self._emit(EntrySuperseded(entry.name))
        return move

    async def _after(self, offer: Offer, moves: list[Move], found: list[Settlement]) -> Wait:
        """Do what the answers ask for, and say when to look again."""
        for place, move in enumerate(moves):
            if move in _REFUSALS:
                return Wait(await self._refused(offer, move, offer.orders[place], found[place]))
        now_us = self._pace.now_us()
        if all(move in (Move.ENQUEUED, Move.TAKEN) for move in moves):
            if len(moves) < len(offer.verdict.due):
                return Wait(now_us)
            return Wait(offer.verdict.wake_us, is_settled=True)
        if Move.WAIT in moves:
            return Wait(now_us + EARLY_US)
        return Wait(now_us + BLOCKED_US if Move.BLOCKED in moves else now_us)

    async def _refused(self, offer: Offer, move: Move, order: Order, settlement: Settlement) -> int:
        """Pass over an occurrence, or have it wait; say when to look again."""
        if move is Move.INVALID:
            return await self._pass_over(offer, order, SkipReason.INVALID)
        if move is Move.FULL:
            return await self._full(offer, order, settlement)
        now_us = self._pace.now_us()
        if move is Move.THROTTLED:
            self._waits(offer.standing, order, "rate")
            return max(parse_throttled(settlement.found) or now_us + BLOCKED_US, now_us + EARLY_US)
        self._waits(offer.standing, order, HOLD)
        return now_us + BLOCKED_US

    async def _full(self, offer: Offer, order: Order, settlement: Settlement) -> int:
        """Follow the entry's policy: its predecessor, or so many others, still run."""
        standing, entry = offer.standing, offer.standing.entry
        scope, holders = parse_full(settlement.found)
        policy = entry.overlap.policy
        if scope == overlap_scope(entry.kin or entry.id):
            if policy is OverlapPolicy.SKIP:
                detail = holders[0] if holders else ""
                return await self._pass_over(offer, order, SkipReason.OVERLAP, detail)
            if policy in _REPLACES and set(holders) != set(standing.evict):
                await self._dispatcher.revoke(holders, terminate=_REPLACES[policy])
                standing.evict = holders
                return self._pace.now_us()
        self._waits(standing, order, scope.partition(":")[0])
        return self._pace.now_us() + BLOCKED_US

    def _waits(self, standing: Standing, order: Order, what: str) -> None:
        """Tell once that an occurrence is due and waits."""
        at_us = order.ticket.not_before_us
        self.waiting.add(str(standing.entry.id))
        standing.is_held = what == HOLD
        if standing.waits_us != at_us:
            standing.waits_us = at_us
            self._emit(OccurrenceWaiting(standing.entry.name, at_us, Public(what)))

    async def _pass_over(self, offer: Offer, order: Order, why: SkipReason, detail: str = "") -> int:
        """Advance past an occurrence that is not to run; say when to look again, which is now."""
        standing, at_us = offer.standing, order.ticket.not_before_us
        horizon = standing.horizon
        assert horizon is not None
        if why is SkipReason.INVALID and standing.invalid_us != at_us:
            standing.invalid_us = at_us
            self._emit(OccurrenceInvalid(standing.entry.name, at_us, Public("its message would be malformed")))
        one = Skipped(at_us, at_us, 1, why)
        record = skip_record(standing.entry, one, self._station.by, detail)
        earlier = offer.verdict.skipped if order is offer.orders[0] else None
        if earlier is not None:
            record = f"{skip_record(standing.entry, earlier, self._station.by)}\n{record}"
        expect = None if standing.is_unwritten else str(horizon)
        bare = Order(standing.ticket(expect, str(replace(horizon, at_us=at_us)), at_us), None, None, record)
        [settlement] = await self.dispatch([bare])
        move = apply(standing, bare, settlement)
        self._seen.add(move)
        if standing.waits_us is None:
            self.waiting.discard(str(standing.entry.id))
        if move is Move.ENQUEUED:
            self._skipped(standing, earlier)
            if why is not SkipReason.INVALID:
                self._skipped(standing, one)
        elif move is Move.SUPERSEDED:
            self._emit(EntrySuperseded(standing.entry.name))
        return self._pace.now_us()

    # -- telling -------------------------------------------------------------------------------------------------------

    def _enqueued(self, standing: Standing, at_us: int) -> None:
        late_us = self._pace.now_us() - at_us
        self._emit(OccurrenceEnqueued(standing.entry.name, at_us, late_us / SECOND_US, late_us > GRACE_US))

    def _skipped(self, standing: Standing, one: Skipped | None) -> None:
        if one is not None:
            self._emit(OccurrencesSkipped(standing.entry.name, one.first_us, one.last_us, one.count, one.reason))
