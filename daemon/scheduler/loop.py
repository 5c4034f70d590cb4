"""The scheduler at work: look what is due, have it enqueued, sleep until the next instant or until told.

There is no leader and no lock. Each daemon of a site offers every occurrence; the broker's compare-and-set lets one in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import anyio
import anyio.lowlevel

from daemon.clock import SECOND_US, Clock
from daemon.errors import BrokerDown
from daemon.keys import entries_ledger
from daemon.ports import Dispatcher, Emit, FaultPoint, Order, Settled, no_fault
from daemon.public import Public
from daemon.schedule_events import EntryPlanned, EntrySuperseded, ScheduleForgotten, ZonesChanged
from daemon.scheduler.agenda import Agenda
from daemon.scheduler.evaluate import evaluate
from daemon.scheduler.item import NO_RUNS, LastRuns
from daemon.scheduler.model import Entry
from daemon.scheduler.offering import BrokerForgot, Offer, Offering
from daemon.scheduler.pace import Pace
from daemon.scheduler.standing import Move, Standing, Station, adopt, apply, shut
from daemon.scheduler.triggers.zone_files import ZoneWatch

LOOK_AGAIN_S = 5.0
"""The longest sleep: a wall clock that was set, or a machine that slept, is noticed within it."""

READ_AGAIN_S = 60.0
"""How often the broker is asked what it remembers: what a fail-over lost is noticed within it, however rare the entry."""

ROUND_LIMIT = 500
"""Occurrences after which no further entry is offered in the same go; the rest of a burst follows at once."""

BREATHER_LOOKS = 8
"""After so many entries looked at, whatever else waits for the event loop gets its turn."""

READ_LIMIT = 1000
READ_AMONG = 100
"""Entries of which the broker is asked again after a round: some 2 ms, by which an occurrence may be late for it."""

RETRY_FIRST_S, RETRY_MOST_S = 0.1, 2.0
SUSPECT_US = 3600 * SECOND_US
"""How far back an occurrence is pushed again after the broker forgot everything."""

Planned = Callable[[str, int | None], None]


def _nobody(entry: str, wake_us: int | None) -> None:
    del entry, wake_us


class Scheduler:
    """Fires the entries of a site. Entries come and go while it runs."""

    name = Public("scheduler")

    def __init__(
        self,
        site: Public,
        entries: Iterable[Entry],
        dispatcher: Dispatcher,
        clock: Clock,
        emit: Emit,
        *,
        by: str = "",
        runs: LastRuns = NO_RUNS,
        counts_queues: bool = False,
        planned: Planned = _nobody,
        at: FaultPoint = no_fault,
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        Args:
            site: the site's name.
            entries: those it begins with.
            dispatcher: the way to the broker.
            clock: ours; the broker's is heard of with every answer.
            emit: takes what happened.
            by: which daemon this is, for the history.
            runs: what is known of earlier runs, for templates.
            counts_queues: whether queues have limits.
            planned: told when an entry will be looked at next; ``None``: it will never fire again.
            at: named points.
        """
        self._site = site
        self._standings: dict[str, Standing] = {}
        self._fresh: dict[str, None] = {}
        self._shut: dict[str, None] = {}
        self._dispatcher = dispatcher
        self._clock = clock
        self._emit = emit
        self._planned = planned
        self._agenda = Agenda()
        self._pace = Pace(clock)
        station = Station(by, runs, counts_queues)
        self._offering = Offering(site, dispatcher, self._pace, clock, emit, station=station, at=at)
        self._zones = ZoneWatch()
        self._forgotten_at_s: float | None = None
        self._pause_s = RETRY_FIRST_S
        self._stop = anyio.Event()
        self._told = anyio.Event()
        self._waits_for_broker = True
        self.put(entries)

    # -- entries come and go -------------------------------------------------------------------------------------------

    def put(self, entries: Iterable[Entry]) -> None:
        """Add entries, or replace those of the same id. What the broker remembers of them is read before they fire."""
        for entry in entries:
            key = str(entry.id)
            self._shut.pop(key, None)
            standing = self._standings.get(key)
            if standing is None or not standing.heard(entry):
                self._standings[key] = Standing.of(entry, self._site)
                self._agenda.plan(key, None)
                self._fresh[key] = None
            elif self._agenda.is_planned(key) or standing.horizon is not None:
                self._agenda.plan(key, self._pace.now_us())
        self._told.set()

    def drop(self, ids: Iterable[str]) -> None:
        """Take entries out of the schedule."""
        for key in ids:
            self._standings.pop(key, None)
            self._fresh.pop(key, None)
            self._offering.waiting.discard(key)
            self._agenda.plan(key, None)

    def shut(self, ids: Iterable[str]) -> None:
        """Take entries out that someone disabled: what passes meanwhile is not missed, and enabled again they are counted from then."""
        some = list(ids)
        self.drop(some)
        self._shut.update(dict.fromkeys(some))
        self._told.set()

    def look_again(self, ids: Iterable[str]) -> None:
        """Look at entries now: what they waited for may be there."""
        for key in ids:
            if self._agenda.is_planned(key):
                self._agenda.plan(key, self._pace.now_us())
        self._told.set()

    def look_at_waiting(self) -> None:
        """Look at every entry of which an occurrence waits: a place that several share may be free."""
        self.look_again(sorted(self._offering.waiting))

    def __len__(self) -> int:
        """Count the entries."""
        return len(self._standings)

    def entry(self, key: str) -> Entry | None:
        """Give an entry by its id."""
        standing = self._standings.get(key)
        return None if standing is None else standing.entry

    def standing(self, key: str) -> Standing | None:
        """Give how an entry stands, by its id; for reading only."""
        return self._standings.get(key)

    # -- life ----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Begin anew after a drain; all else that is needed was given."""
        self._stop = anyio.Event()

    async def drain(self) -> None:
        """Stop firing. An order that is under way is finished first."""
        self._stop.set()
        self._told.set()

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
                await self._adopt(list(self._standings))
                self._waits_for_broker = False
                await self._fire()
            except BrokerForgot:
                self._agenda.clear()
            except BrokerDown:
                self._agenda.clear()
                self._waits_for_broker = True
                with anyio.move_on_after(self._pause_s):
                    await self._stop.wait()
                self._pause_s = min(self._pause_s * 2, RETRY_MOST_S)

    # -- adopting ------------------------------------------------------------------------------------------------------

    async def _adopt(self, keys: Sequence[str]) -> None:
        """Learn from the broker how entries stand, give a horizon to those that have none, look at what changed."""
        for start in range(0, len(keys), READ_LIMIT):
            some = [(key, self._standings[key]) for key in keys[start : start + READ_LIMIT] if key in self._standings]
            before = [standing.horizon for _, standing in some]
            pending = [standing for _, standing in some]
            while pending:
                pending = await self._adopt_some(pending)
            for (key, standing), horizon in zip(some, before, strict=True):
                self._fresh.pop(key, None)
                if self._standings.get(key) is not standing:
                    if key in self._standings:
                        self._fresh[key] = None  # replaced meanwhile
                elif standing.horizon != horizon or not self._agenda.is_planned(key):
                    self._plan(key, self._pace.now_us())

    async def _read(self, standings: Sequence[Standing]) -> list[tuple[Standing, Order]]:
        """Compare entries with what the broker remembers; give those it must be asked to adopt."""
        asked: list[tuple[Standing, Order]] = []
        by_ledger = defaultdict(list)
        for standing in standings:
            by_ledger[standing.ledger].append(standing)
        for ledger, some in by_ledger.items():
            names = [str(standing.entry.id) for standing in some]
            asked_us = self._clock.now_us()
            read = await self._dispatcher.read(ledger, names)
            self._pace.hear(asked_us, read.broker_us)
            for standing, name in zip(some, names, strict=True):
                order = self._compare(standing, read.values.get(name), read.broker_us)
                if order is not None:
                    asked.append((standing, order))
        return asked

    def _compare(self, standing: Standing, found: str | None, broker_us: int) -> Order | None:
        was_superseded, was_known = standing.is_superseded, standing.horizon is not None
        adoption = adopt(standing, found, broker_us, SUSPECT_US)
        self._offering.tell_adopted(standing, adoption)
        if adoption.order is not None and was_known and found is None:
            self._forgotten(standing)
        if standing.is_superseded and not was_superseded and not adoption.is_shut:
            self._emit(EntrySuperseded(standing.entry.name))
        return adoption.order

    async def _adopt_some(self, standings: Sequence[Standing]) -> list[Standing]:
        asked = await self._read(standings)
        settlements = await self._offering.dispatch([order for _, order in asked]) if asked else []
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

    def _forgotten(self, standing: Standing) -> None:
        """Tell, once for all entries, that the broker lost its memory."""
        now_s = self._clock.monotonic_s()
        if self._forgotten_at_s is None or now_s - self._forgotten_at_s >= READ_AGAIN_S:
            self._emit(ScheduleForgotten(standing.entry.name))
        self._forgotten_at_s = now_s

    async def _close_off(self, keys: Sequence[str]) -> None:
        """Have the broker remember which entries are disabled."""
        ledger = entries_ledger(self._site)
        read = await self._dispatcher.read(ledger, keys)
        asked = [(key, order) for key in keys if (order := shut(ledger, key, read.values.get(key))) is not None]
        settlements = await self._offering.dispatch([order for _, order in asked]) if asked else []
        again = {key for (key, _), one in zip(asked, settlements, strict=True) if one.outcome is Settled.LOST}
        if any(one.outcome in (Settled.NOT_SENT, Settled.UNAVAILABLE) for one in settlements):
            message = "the broker went away"
            raise BrokerDown(message)
        for key in keys:
            if key not in again:
                self._shut.pop(key, None)

    def _plan(self, key: str, wake_us: int | None) -> None:
        standing = self._standings.get(key)
        self._agenda.plan(key, None if standing is None or standing.is_superseded else wake_us)

    # -- firing --------------------------------------------------------------------------------------------------------

    async def _fire(self) -> None:
        """Fire what is due; every minute ask the broker again what it remembers, a few entries after each round."""
        again_s = self._clock.monotonic_s() + READ_AGAIN_S
        unread: list[str] = []
        self._look_at_zones()
        while not self._stop.is_set():
            self._told = anyio.Event()  # what is told from here on ends the sleep
            if self._shut:
                await self._close_off(list(self._shut)[:READ_LIMIT])
                continue
            if self._fresh:
                await self._adopt(list(self._fresh))
                continue
            if not unread and (now_s := self._clock.monotonic_s()) >= again_s:
                again_s = now_s + READ_AGAIN_S
                unread = list(self._standings)
                self._look_at_zones()
            await self._round(again_s, may_sleep=not unread)
            if unread:
                some = unread[-READ_AMONG:]
                del unread[-READ_AMONG:]
                await self._adopt(some)

    async def _round(self, again_s: float, *, may_sleep: bool) -> None:
        """Have enqueued what is due now; if nothing is, sleep until something will be, at most until ``again_s``."""
        if self._pace.was_set_back():
            for key in self._standings:
                self._plan(key, self._pace.now_us())  # what was planned by a wrong clock is worth nothing
        now_us = self._pace.now_us()
        offers = await self._look_round(now_us)
        if offers:
            await self._offer(offers, now_us)
        elif may_sleep:
            first_us = self._agenda.first_us()
            wait_s = LOOK_AGAIN_S if first_us is None else (first_us - now_us) / SECOND_US
            await self._sleep(max(min(wait_s, LOOK_AGAIN_S, again_s - self._clock.monotonic_s()), 0.001))

    def _look_at_zones(self) -> None:
        """Plan anew what a time zone of other rules than before may have moved."""
        changed = self._zones.changed()
        if changed:
            self._emit(ZonesChanged(tuple(map(Public, changed))))
            for key in self._standings:
                self._plan(key, self._pace.now_us())

    async def _look_round(self, now_us: int) -> list[Offer]:
        """Look at the entries that are due for it, as many as one round takes."""
        offers: list[Offer] = []
        looks = occurrences = 0
        while occurrences < ROUND_LIMIT and (key := self._agenda.take(now_us)) is not None:
            offer = self._look(key, now_us)
            if offer is not None:
                offers.append(offer)
                occurrences += max(len(offer.verdict.due), 1)
            looks += 1
            if looks % BREATHER_LOOKS == 0:
                await anyio.lowlevel.checkpoint()
        return offers

    def _look(self, key: str, now_us: int) -> Offer | None:
        standing = self._standings[key]
        assert standing.horizon is not None  # adopted before
        verdict = evaluate(standing.entry, standing.horizon.at_us, now_us, standing.past)
        if verdict.settled_us is not None:
            return Offer(standing, verdict)
        self._plan_next(key, standing, verdict.wake_us)
        return None

    def _plan_next(self, key: str, standing: Standing, wake_us: int | None) -> None:
        self._emit(EntryPlanned(standing.entry.name, wake_us))
        self._plan(key, wake_us)
        self._planned(key, wake_us)

    async def _offer(self, offers: list[Offer], now_us: int) -> None:
        waits = await self._offering.offer(offers, now_us)
        for offer, wait in zip(offers, waits, strict=True):
            key = str(offer.standing.entry.id)
            if self._standings.get(key) is not offer.standing:
                continue  # replaced or dropped meanwhile
            if wait.is_settled:
                self._plan_next(key, offer.standing, wait.wake_us)
            else:
                self._plan(key, wait.wake_us)
        self._offering.check_broker()
        self._pause_s = RETRY_FIRST_S

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but not on when something was told."""
        with anyio.move_on_after(seconds):
            await self._told.wait()
