"""Watching at work: judges occurrences when their time has come, and has what was missed told once for the whole site."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import anyio

from daemon.clock import SECOND_US, Clock
from daemon.errors import BrokerDown
from daemon.ports import Dispatcher, Emit
from daemon.public import Public
from daemon.schedule_events import EntrySuperseded, OccurrenceEnqueued, OccurrenceTaken, OccurrenceWaiting
from daemon.scheduler.model import Entry, Expectation
from daemon.scheduler.run import Run
from daemon.scheduler.watch.claiming import Claiming
from daemon.scheduler.watch.missed import Missed, Telling
from daemon.scheduler.watch.peering import Peering
from daemon.scheduler.watch.pings import after_phase, parse_told, phase_of, ping_url
from daemon.scheduler.watch.ports import Herald, Presence
from daemon.scheduler.watch.telling import Teller, WatchPlan, entry_field, ping_field
from daemon.scheduler.watch.vigil import Vigil
from daemon.watch_events import OccurrenceMissed

LOOK_AGAIN_S = 5.0
"""The longest sleep: a clock that was set, or a machine that slept, is noticed within it."""

JUMP_US = 15 * SECOND_US
GRACE_US = 10 * SECOND_US
"""After a pause of the whole process nothing is judged for so long: what happened meanwhile is heard first."""

HOLD = "hold"
_NOTHING = Expectation()


@dataclass(frozen=True, slots=True)
class Collaborators:
    """Those watching works with.

    Attributes:
        telling: says what is heard of runs at present.
        is_moving: says whether the schedule makes progress.
        may_watch: says whether this daemon sees what happens; one that stands by does not.
        entry_of: gives an entry of the schedule as it is now, by its id.
    """

    dispatcher: Dispatcher
    herald: Herald
    clock: Clock
    emit: Emit
    presence: Presence | None = None
    telling: Callable[[], Telling] = field(default=Telling)
    is_moving: Callable[[], bool] = field(default=lambda: True)
    may_watch: Callable[[], bool] = field(default=lambda: True)
    entry_of: Callable[[str], Entry | None] | None = None


class Watch:
    """Watches the entries of a site, and the other daemons."""

    name = Public("watch")

    def __init__(self, plan: WatchPlan, entries: Iterable[Entry], beside: Collaborators) -> None:
        """Keep the collaborators; no I/O happens here."""
        self._plan = plan
        self._beside = beside
        self._clock = beside.clock
        self._claiming = Claiming(plan.site, beside.dispatcher, beside.clock, beside.emit, settle_s=plan.settle_s)
        self._teller = Teller(plan, self._claiming, beside.herald, beside.clock, beside.emit)
        self._peering = Peering(plan, self._teller, beside.presence, beside.emit, beside.is_moving)
        self._vigil = Vigil()
        self._urls: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._looked_us = 0
        self._judge_from_us = 0
        self._stop = anyio.Event()
        self._told = anyio.Event()
        self.put(entries)

    # -- what is taken in ----------------------------------------------------------------------------------------------

    def put(self, entries: Iterable[Entry]) -> None:
        """Watch entries, or watch them by what they say now."""
        for entry in entries:
            key = str(entry.id)
            self._vigil.put((entry,))
            if entry.expect.ping is not None:
                self._urls[key] = entry.expect.ping
            else:
                self._urls.pop(key, None)
            if self._vigil.entry(key) is not None:
                self._ids[str(entry.name)] = key

    def drop(self, ids: Iterable[str]) -> None:
        """Watch these entries no more."""
        for key in ids:
            entry = self._vigil.entry(key)
            if entry is not None:
                self._ids.pop(str(entry.name), None)
            self._vigil.drop((key,))
            self._urls.pop(key, None)

    def planned(self, key: str, next_us: int | None) -> None:
        """Take in when an entry is due next, as the scheduler tells."""
        entry = None if self._beside.entry_of is None else self._beside.entry_of(key)
        is_known = key in self._urls or self._vigil.entry(key) is not None
        if entry is not None and (is_known or entry.expect != _NOTHING):
            self.put((entry,))
        first_us = self._vigil.first_us()
        self._vigil.planned(key, next_us, self._clock.now_us())
        if self._vigil.first_us() != first_us:
            self._told.set()

    def changed(self, run: Run, before: Run | None) -> None:
        """Take in a run that is new or has come further, as the book of runs tells."""
        first_us = self._vigil.first_us()
        missed = self._vigil.heard(run, self._clock.now_us())
        self._teller.heard(run)
        if missed is not None:
            self._missed(missed)
        if before is None or before.state is not run.state:
            self._ping(run)
        if self._vigil.first_us() != first_us:
            self._told.set()

    def hear(self, event: object) -> None:
        """Take in an event: what waits for the end of a hold is not missed, nor what another daemon runs at other times."""
        if isinstance(event, OccurrenceWaiting) and event.what == HOLD:
            self._vigil.excuse(self._ids.get(str(event.entry), ""), event.occurrence_us)
        elif isinstance(event, (OccurrenceEnqueued, OccurrenceTaken)):
            key = self._ids.get(str(event.entry), "")
            run = self._vigil.enqueued(key, event.occurrence_us, self._clock.now_us())
            if run is not None:
                self._teller.heard(run)
        elif isinstance(event, EntrySuperseded):
            self._vigil.drop((self._ids.get(str(event.entry), ""),))

    # -- life ----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Begin anew after a drain; all that is needed was given."""
        self._stop = anyio.Event()

    async def serve(self) -> None:
        """Watch until drained, then take back the sign of life."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._judge_always)
                tasks.start_soon(self._claim_always)
                tasks.start_soon(self._peering.run)
                await self._stop.wait()
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._peering.leave()

    async def drain(self) -> None:
        """Stop watching."""
        self._stop.set()

    async def _claim_always(self) -> None:
        with suppress(BrokerDown):  # what is not known yet is found when it matters
            await self._claiming.read([entry_field(key) for key in self._ids.values()])
        await self._claiming.run(self._teller.broker_stays_away)

    # -- judging -------------------------------------------------------------------------------------------------------

    async def _judge_always(self) -> None:
        self._expect_all(self._clock.now_us())
        while True:
            self._told = anyio.Event()
            now_us = self._clock.now_us()
            if abs(now_us - self._looked_us) > JUMP_US and self._looked_us:
                self._judge_from_us = now_us + GRACE_US
            self._looked_us = now_us
            if now_us >= self._judge_from_us:
                self._judge(now_us)
            first_us = self._vigil.first_us()
            next_us = now_us + round(LOOK_AGAIN_S * SECOND_US)
            if first_us is not None:
                next_us = min(next_us, max(first_us, self._judge_from_us))
            with anyio.move_on_after(max((next_us - now_us) / SECOND_US, 0)):
                await self._told.wait()

    def _expect_all(self, now_us: int) -> None:
        """Expect what is due next by the rules alone: with the broker away from the start, the scheduler plans nothing."""
        for key in self._ids.values():
            entry = self._vigil.entry(key)
            if entry is not None and entry.trigger.begun(0) == entry.trigger and entry.max_runs is None:
                self._vigil.planned(key, entry.trigger.next_after(now_us), now_us)

    def _judge(self, now_us: int) -> None:
        found = self._vigil.due(now_us, self._beside.telling())
        if self._beside.may_watch():
            for missed in found:
                if self._beside.entry_of is None or self._beside.entry_of(missed.about) is not None:
                    self._missed(missed)
                else:
                    self.drop((missed.about,))

    def _missed(self, missed: Missed) -> None:
        self._beside.emit(OccurrenceMissed(Public(missed.name), missed.at_us, missed.what, missed.since_us))
        self._teller.missed(entry_field(missed.about), missed)

    # -- pings ---------------------------------------------------------------------------------------------------------

    def _ping(self, run: Run) -> None:
        url, phase = self._urls.get(run.entry), phase_of(run)
        if url is None or phase is None or not self._beside.may_watch():
            return
        address = ping_url(url, phase, run.task_id)
        self._teller.once(
            ping_field(run.entry),
            phase.name,
            lambda found: after_phase(parse_told(found), run, phase, str(self._plan.me)),
            lambda: self._beside.herald.ping(address),
        )
