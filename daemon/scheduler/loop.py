"""The scheduler at work: look what is due, have it enqueued, sleep until the next instant or until told.

There is no leader and no lock. Each daemon of a site offers every occurrence; the broker's compare-and-set lets one in.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import anyio

from daemon.clock import SECOND_US, Clock
from daemon.errors import BrokerDown
from daemon.events import (
    EntryPlanned,
    EntrySuperseded,
    OccurrenceBlocked,
    OccurrenceEnqueued,
    OccurrenceInvalid,
    OccurrenceRepeated,
    OccurrencesSkipped,
    OccurrenceTaken,
)
from daemon.keys import entries_ledger
from daemon.ports import Dispatcher, Emit, FaultPoint, Order, Settlement, Ticket, no_fault
from daemon.public import Public
from daemon.scheduler.evaluate import GRACE_US, Verdict, evaluate
from daemon.scheduler.model import Entry, Horizon
from daemon.scheduler.standing import Move, Standing, adopt, apply, plan_orders

LOOK_AGAIN_S = 5.0
"""The longest sleep: a wall clock that was set, or a machine that slept, is noticed within it."""

ROUND_LIMIT = 500
"""Entries offered in one go; the rest of a burst follows at once."""

READ_LIMIT = 1000
RETRY_FIRST_S, RETRY_MOST_S = 0.1, 2.0
BLOCKED_US = 5 * SECOND_US
SUSPECT_US = 3600 * SECOND_US
"""How far back an occurrence is pushed again after the broker forgot everything."""


@dataclass(slots=True)
class _Offer:
    standing: Standing
    verdict: Verdict
    orders: list[Order]


class _BrokerForgotError(Exception):
    """The broker lost its ledger; every entry must be adopted again."""


class Scheduler:
    """Fires the entries of a site."""

    name = Public("scheduler")

    def __init__(
        self,
        site: Public,
        entries: Sequence[Entry],
        dispatcher: Dispatcher,
        clock: Clock,
        emit: Emit,
        *,
        at: FaultPoint = no_fault,
    ) -> None:
        """Keep the collaborators; no I/O happens here."""
        self._site = site
        self._ledger = entries_ledger(site)
        self._standings = [Standing.of(entry) for entry in entries]
        self._dispatcher = dispatcher
        self._clock = clock
        self._emit = emit
        self._at = at
        self._heap: list[tuple[int, int]] = []
        self._stop = anyio.Event()
        self._waits_for_broker = True

    async def open(self) -> None:
        """Do nothing: all that is needed was given."""

    async def drain(self) -> None:
        """Stop firing. An order that is under way is finished first."""
        self._stop.set()

    def overdue_s(self) -> float:
        """Say for how long an entry has been due without being looked at; 0 while the broker is away."""
        if self._waits_for_broker or not self._heap:
            return 0.0
        return max(self._clock.now_us() - self._heap[0][0], 0) / SECOND_US

    async def serve(self) -> None:
        """Fire entries until drained; while the broker is away, wait for it."""
        pause_s = RETRY_FIRST_S
        while not self._stop.is_set():
            try:
                await self._adopt()
                self._waits_for_broker, pause_s = False, RETRY_FIRST_S
                await self._fire()
            except _BrokerForgotError:
                continue
            except BrokerDown:
                self._waits_for_broker = True
                await self._sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_MOST_S)

    # -- adopting ------------------------------------------------------------------------------------------------------

    async def _adopt(self) -> None:
        """Learn from the broker how each entry stands, and give a horizon to those that have none."""
        for start in range(0, len(self._standings), READ_LIMIT):
            pending = [one for one in self._standings[start : start + READ_LIMIT] if not one.is_superseded]
            while pending:
                pending = await self._adopt_some(pending)
        self._heap = [(0, place) for place, standing in enumerate(self._standings) if not standing.is_superseded]

    async def _adopt_some(self, standings: Sequence[Standing]) -> list[Standing]:
        names = [str(standing.entry.name) for standing in standings]
        ledger = await self._dispatcher.read(self._ledger, names)
        asked: list[tuple[Standing, Order]] = []
        for standing, name in zip(standings, names, strict=True):
            adoption = adopt(standing, self._ledger, ledger.values.get(name), ledger.broker_us, SUSPECT_US)
            for at_us in adoption.enqueued_us:
                self._enqueued(standing, at_us)
            if adoption.order is not None:
                asked.append((standing, adoption.order))
            elif standing.is_superseded:
                self._emit(EntrySuperseded(standing.entry.name))
        settlements = await self._dispatcher.dispatch([order for _, order in asked])
        again = []
        for (standing, order), settlement in zip(asked, settlements, strict=True):
            move = apply(standing, order, settlement)
            if move is Move.BROKER_AWAY:
                message = "the broker went away"
                raise BrokerDown(message)
            if move not in (Move.ENQUEUED, Move.TAKEN):
                standing.is_superseded = False  # another daemon adopted it in between: look again
                again.append(standing)
        return again

    # -- firing --------------------------------------------------------------------------------------------------------

    async def _fire(self) -> None:
        while not self._stop.is_set():
            now_us = self._clock.now_us()
            offers: list[_Offer] = []
            places: list[int] = []
            while self._heap and self._heap[0][0] <= now_us and len(offers) < ROUND_LIMIT:
                _, place = heapq.heappop(self._heap)
                offer = self._look(place, now_us)
                if offer is not None:
                    offers.append(offer)
                    places.append(place)
            if offers:
                await self._offer(offers, places, now_us)
            elif not self._heap or self._heap[0][0] > now_us:
                wait_s = (self._heap[0][0] - now_us) / SECOND_US if self._heap else LOOK_AGAIN_S
                await self._sleep(min(max(wait_s, 0.001), LOOK_AGAIN_S))

    def _look(self, place: int, now_us: int) -> _Offer | None:
        standing = self._standings[place]
        assert standing.horizon is not None  # adopted before
        verdict = evaluate(standing.entry, standing.horizon.at_us, now_us)
        if verdict.settled_us is None:
            self._plan(place, verdict.wake_us)
            return None
        return _Offer(standing, verdict, [])

    def _plan(self, place: int, wake_us: int | None) -> None:
        if wake_us is not None:
            heapq.heappush(self._heap, (wake_us, place))
        self._emit(EntryPlanned(self._standings[place].entry.name, wake_us))

    async def _offer(self, offers: list[_Offer], places: list[int], now_us: int) -> None:
        ran = await self._already_ran(offers)
        orders: list[Order] = []
        for offer in offers:
            offer.orders = plan_orders(offer.standing, offer.verdict, self._ledger, self._site, now_us, ran=ran)
            orders += offer.orders
        self._at("claim.before")
        settlements = await self._dispatcher.dispatch(orders)
        self._at("claim.after")
        answers = iter(settlements)
        is_away = forgot = False
        for offer, place in zip(offers, places, strict=True):
            answered = [(order, next(answers)) for order in offer.orders]
            moves = []
            for order, settlement in answered:
                move = apply(offer.standing, order, settlement)
                moves.append(move)
                self._report(offer, move, order, settlement)
            is_away = is_away or Move.BROKER_AWAY in moves
            forgot = forgot or Move.BROKER_FORGOT in moves
            await self._plan_after(offer, place, moves, answered, now_us)
        if forgot:
            raise _BrokerForgotError
        if is_away:
            message = "the broker went away"
            raise BrokerDown(message)

    async def _already_ran(self, offers: list[_Offer]) -> frozenset[str]:
        """Look up suspect occurrences in the result back-end."""
        suspects = []
        for offer in offers:
            if offer.verdict.due and offer.verdict.due[0] <= offer.standing.suspect_until_us:
                orders = plan_orders(offer.standing, offer.verdict, self._ledger, self._site, 0, ran=frozenset())
                suspects += [order.item.task_id for order in orders if order.item is not None]
        return await self._dispatcher.finished(suspects) if suspects else frozenset()

    def _enqueued(self, standing: Standing, at_us: int) -> None:
        late_us = self._clock.now_us() - at_us
        self._emit(OccurrenceEnqueued(standing.entry.name, at_us, late_us / SECOND_US, late_us > GRACE_US))

    def _report(self, offer: _Offer, move: Move, order: Order, settlement: Settlement) -> None:
        entry, at_us = offer.standing.entry, order.ticket.not_before_us
        if move is Move.ENQUEUED and offer.verdict.due:
            if at_us <= offer.standing.suspect_until_us:
                self._emit(OccurrenceRepeated(entry.name, at_us, had_run=order.item is None))
            if order.item is not None:
                self._enqueued(offer.standing, at_us)
        elif move is Move.TAKEN and order.item is not None:
            self._emit(OccurrenceTaken(entry.name, at_us))
        elif move is Move.BLOCKED:
            self._emit(OccurrenceBlocked(entry.name, at_us, Public(settlement.found or "")))
        elif move is Move.SUPERSEDED:
            self._emit(EntrySuperseded(entry.name))

    async def _plan_after(
        self, offer: _Offer, place: int, moves: list[Move], answered: list[tuple[Order, Settlement]], now_us: int
    ) -> None:
        verdict, entry = offer.verdict, offer.standing.entry
        if all(move in (Move.ENQUEUED, Move.TAKEN) for move in moves):
            skipped = verdict.skipped
            if skipped is not None and Move.ENQUEUED in moves:
                self._emit(
                    OccurrencesSkipped(entry.name, skipped.first_us, skipped.last_us, skipped.count, skipped.reason)
                )
            self._plan(place, verdict.wake_us)
        elif Move.INVALID in moves:
            await self._pass_over(offer, place)
        elif Move.WAIT in moves:
            order, settlement = answered[moves.index(Move.WAIT)]
            self._plan(place, now_us + max(order.ticket.not_before_us - settlement.broker_us, 1000))
        elif Move.BLOCKED in moves:
            self._plan(place, now_us + BLOCKED_US)
        elif Move.SUPERSEDED not in moves:
            self._plan(place, now_us)

    async def _pass_over(self, offer: _Offer, place: int) -> None:
        """Advance past an occurrence no worker could take, so that it is reported once and not for ever."""
        standing, order = offer.standing, offer.orders[0]
        at_us = order.ticket.not_before_us
        reason = Public("its message would be malformed")
        self._emit(OccurrenceInvalid(standing.entry.name, at_us, reason))
        assert standing.horizon is not None
        advanced = str(Horizon(standing.revision, at_us))
        ticket = Ticket(self._ledger, str(standing.entry.name), str(standing.horizon), advanced)
        [settlement] = await self._dispatcher.dispatch([Order(ticket, None)])
        apply(standing, Order(ticket, None), settlement)
        self._plan(place, self._clock.now_us())

    async def _sleep(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._stop.wait()
