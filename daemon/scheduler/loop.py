"""The scheduler at work: look what is due, have it enqueued, sleep until the next instant or until told.

There is no leader and no lock. Each daemon of a site offers every occurrence; the broker's compare-and-set lets one in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import anyio.lowlevel

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
from daemon.ports import Dispatcher, Emit, FaultPoint, Order, Settlement, no_fault
from daemon.public import Public
from daemon.scheduler.agenda import Agenda
from daemon.scheduler.evaluate import GRACE_US, Skipped, Verdict, evaluate
from daemon.scheduler.model import Entry
from daemon.scheduler.pace import Pace
from daemon.scheduler.standing import Move, Standing, adopt, apply, plan_orders

LOOK_AGAIN_S = 5.0
"""The longest sleep: a wall clock that was set, or a machine that slept, is noticed within it."""

READ_AGAIN_S = 60.0
"""How often the broker is asked what it remembers: what a fail-over lost is noticed within it, however rare the entry."""

ROUND_LIMIT = 500
"""Occurrences after which no further entry is offered in the same go; the rest of a burst follows at once."""

BREATHER_LOOKS = 8
"""After so many entries looked at, whatever else waits for the event loop gets its turn."""

READ_LIMIT = 1000
RETRY_FIRST_S, RETRY_MOST_S = 0.1, 2.0
BLOCKED_US = 5 * SECOND_US
EARLY_US = 1000
SUSPECT_US = 3600 * SECOND_US
"""How far back an occurrence is pushed again after the broker forgot everything."""


@dataclass(slots=True)
class _Offer:
    place: int
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
        self._agenda = Agenda(len(entries))
        self._pace = Pace(clock)
        self._pause_s = RETRY_FIRST_S
        self._stop = anyio.Event()
        self._waits_for_broker = True

    async def open(self) -> None:
        """Begin anew after a drain; all else that is needed was given."""
        self._stop = anyio.Event()

    async def drain(self) -> None:
        """Stop firing. An order that is under way is finished first."""
        self._stop.set()

    def overdue_s(self) -> float:
        """Say for how long an entry has been due without being looked at; 0 while the broker is away."""
        first_us = self._agenda.first_us()
        if self._waits_for_broker or first_us is None:
            return 0.0
        return max(self._pace.now_us() - first_us, 0) / SECOND_US

    async def serve(self) -> None:
        """Fire entries until drained; while the broker is away, wait for it."""
        while not self._stop.is_set():
            try:
                await self._adopt()
                self._waits_for_broker = False
                await self._fire()
            except _BrokerForgotError:
                self._agenda.clear()
            except BrokerDown:
                self._agenda.clear()
                self._waits_for_broker = True
                await self._sleep(self._pause_s)
                self._pause_s = min(self._pause_s * 2, RETRY_MOST_S)

    # -- adopting ------------------------------------------------------------------------------------------------------

    async def _adopt(self) -> None:
        """Learn from the broker how each entry stands, give a horizon to those that have none, look at what changed."""
        for start in range(0, len(self._standings), READ_LIMIT):
            pending = self._standings[start : start + READ_LIMIT]
            before = [standing.horizon for standing in pending]
            while pending := [standing for standing in pending if not standing.is_superseded]:
                pending = await self._adopt_some(pending)
            for place, horizon in enumerate(before, start):
                if self._standings[place].horizon != horizon or not self._agenda.is_planned(place):
                    self._plan(place, self._pace.now_us())

    async def _adopt_some(self, standings: Sequence[Standing]) -> list[Standing]:
        names = [str(standing.entry.name) for standing in standings]
        asked_us = self._clock.now_us()
        ledger = await self._dispatcher.read(self._ledger, names)
        self._pace.hear(asked_us, ledger.broker_us)
        asked: list[tuple[Standing, Order]] = []
        for standing, name in zip(standings, names, strict=True):
            adoption = adopt(standing, self._ledger, ledger.values.get(name), ledger.broker_us, SUSPECT_US)
            for at_us in adoption.enqueued_us:
                self._enqueued(standing, at_us)
            self._skipped(standing, adoption.skipped)
            if adoption.order is not None:
                asked.append((standing, adoption.order))
            elif standing.is_superseded:
                self._emit(EntrySuperseded(standing.entry.name))
        settlements = await self._dispatch([order for _, order in asked]) if asked else []
        again = []
        for (standing, order), settlement in zip(asked, settlements, strict=True):
            move = apply(standing, order, settlement)
            if move is Move.BROKER_AWAY:
                message = "the broker went away"
                raise BrokerDown(message)
            if move in (Move.ENQUEUED, Move.TAKEN):
                continue
            # Found as expected and not equal: it is no text, so that no claim can name it.
            standing.is_superseded = settlement.found is not None and settlement.found == order.ticket.expect
            if standing.is_superseded:
                self._emit(EntrySuperseded(standing.entry.name))
            else:
                again.append(standing)  # another daemon adopted it in between: look again
        return again

    async def _dispatch(self, orders: Sequence[Order]) -> list[Settlement]:
        asked_us = self._clock.now_us()
        settlements = await self._dispatcher.dispatch(orders)
        self._pace.hear(asked_us, next((one.broker_us for one in settlements if one.broker_us), 0))
        return settlements

    def _plan(self, place: int, wake_us: int | None) -> None:
        self._agenda.plan(place, None if self._standings[place].is_superseded else wake_us)

    # -- firing --------------------------------------------------------------------------------------------------------

    async def _fire(self) -> None:
        """Fire what is due, until it is time to ask the broker again what it remembers."""
        until_s = self._clock.monotonic_s() + READ_AGAIN_S
        while not self._stop.is_set() and (left_s := until_s - self._clock.monotonic_s()) > 0:
            if self._pace.was_set_back():
                for each in range(len(self._standings)):
                    self._plan(each, self._pace.now_us())  # what was planned by a wrong clock is worth nothing
            now_us = self._pace.now_us()
            offers = await self._look_round(now_us)
            if offers:
                await self._offer(offers, now_us)
            else:
                first_us = self._agenda.first_us()
                wait_s = LOOK_AGAIN_S if first_us is None else (first_us - now_us) / SECOND_US
                await self._sleep(min(max(wait_s, 0.001), LOOK_AGAIN_S, left_s))

    async def _look_round(self, now_us: int) -> list[_Offer]:
        """Look at the entries that are due for it, as many as one round takes."""
        offers: list[_Offer] = []
        looks = occurrences = 0
        while occurrences < ROUND_LIMIT and (place := self._agenda.take(now_us)) is not None:
            for offer in self._look(place, now_us):
                offers.append(offer)
                occurrences += max(len(offer.verdict.due), 1)
            looks += 1
            if looks % BREATHER_LOOKS == 0:
                await anyio.lowlevel.checkpoint()
        return offers

    def _look(self, place: int, now_us: int) -> list[_Offer]:
        standing = self._standings[place]
        assert standing.horizon is not None  # adopted before
        verdict = evaluate(standing.entry, standing.horizon.at_us, now_us)
        if verdict.settled_us is not None:
            return [_Offer(place, standing, verdict, [])]
        self._emit(EntryPlanned(standing.entry.name, verdict.wake_us))
        self._plan(place, verdict.wake_us)
        return []

    async def _offer(self, offers: list[_Offer], now_us: int) -> None:
        ran = await self._already_ran(offers)
        orders: list[Order] = []
        for offer in offers:
            offer.orders = plan_orders(offer.standing, offer.verdict, self._ledger, self._site, now_us, ran=ran)
            orders += offer.orders
        self._at("claim.before")
        settlements = await self._dispatch(orders)
        self._at("claim.after")
        answers = iter(settlements)
        seen: set[Move] = set()
        for offer in offers:
            moves = [self._settle(offer, order, next(answers)) for order in offer.orders]
            if Move.INVALID in moves:
                moves.append(await self._pass_over(offer, offer.orders[moves.index(Move.INVALID)]))
            self._plan_after(offer, moves)
            seen.update(moves)
        if Move.BROKER_FORGOT in seen:
            raise _BrokerForgotError
        if Move.BROKER_AWAY in seen:
            message = "the broker went away"
            raise BrokerDown(message)
        self._pause_s = RETRY_FIRST_S

    async def _already_ran(self, offers: list[_Offer]) -> frozenset[str]:
        """Look up suspect occurrences in the result back-end."""
        suspects = []
        for offer in offers:
            if offer.verdict.due and offer.verdict.due[0] <= offer.standing.suspect_until_us:
                orders = plan_orders(offer.standing, offer.verdict, self._ledger, self._site, 0, ran=frozenset())
                suspects += [order.item.task_id for order in orders if order.item is not None]
        return await self._dispatcher.finished(suspects) if suspects else frozenset()

    def _settle(self, offer: _Offer, order: Order, settlement: Settlement) -> Move:
        """Take note of an answer, and tell what it means."""
        standing, entry, at_us = offer.standing, offer.standing.entry, order.ticket.not_before_us
        move = apply(standing, order, settlement)
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

    def _enqueued(self, standing: Standing, at_us: int) -> None:
        late_us = self._pace.now_us() - at_us
        self._emit(OccurrenceEnqueued(standing.entry.name, at_us, late_us / SECOND_US, late_us > GRACE_US))

    def _skipped(self, standing: Standing, one: Skipped | None) -> None:
        if one is not None:
            self._emit(OccurrencesSkipped(standing.entry.name, one.first_us, one.last_us, one.count, one.reason))

    def _plan_after(self, offer: _Offer, moves: list[Move]) -> None:
        wake_us: int | None = self._pace.now_us()
        if all(move in (Move.ENQUEUED, Move.TAKEN) for move in moves):
            wake_us = offer.verdict.wake_us
            self._emit(EntryPlanned(offer.standing.entry.name, wake_us))
        elif Move.WAIT in moves:
            wake_us = self._pace.now_us() + EARLY_US
        elif Move.BLOCKED in moves:
            wake_us = self._pace.now_us() + BLOCKED_US
        self._plan(offer.place, wake_us)

    async def _pass_over(self, offer: _Offer, order: Order) -> Move:
        """Advance past an occurrence no worker could take, so that it is reported once and not for ever."""
        standing, at_us = offer.standing, order.ticket.not_before_us
        assert standing.horizon is not None
        if standing.invalid_us != at_us:
            standing.invalid_us = at_us
            self._emit(OccurrenceInvalid(standing.entry.name, at_us, Public("its message would be malformed")))
        bare = Order(order.ticket._replace(expect=str(standing.horizon)), None)
        [settlement] = await self._dispatch([bare])
        move = apply(standing, bare, settlement)
        if move is Move.ENQUEUED and order is offer.orders[0]:
            self._skipped(standing, offer.verdict.skipped)
        elif move is Move.SUPERSEDED:
            self._emit(EntrySuperseded(standing.entry.name))
        return move

    async def _sleep(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._stop.wait()
