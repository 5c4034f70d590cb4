"""Looks at the schedule for people and programs: lists, details, what is to come, what became of it, and why."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import anyio
import anyio.lowlevel

from daemon.clock import SECOND_US, instant
from daemon.desks import NotThere, Unavailable
from daemon.desks.schedule import (
    Arguments,
    EntryDetail,
    EntryRow,
    Fires,
    HeldAll,
    Listing,
    Reason,
    RunRow,
    SortBy,
    Timeline,
    Trial,
    Wanted,
)
from daemon.desks.scheduling import Change
from daemon.errors import DaemonError
from daemon.public import Public
from daemon.scheduler.desk.board import BROKER_LIMIT_S, Board, composed_of
from daemon.scheduler.desk.item import STATES, Item
from daemon.scheduler.desk.picture import MARKS, cell_us_of, draw, rank
from daemon.scheduler.desk.records import Records
from daemon.scheduler.desk.rows import detail_of, fires_of, held_of, row_of, run_row
from daemon.scheduler.desk.told import Stretch, Tally
from daemon.scheduler.desk.trying import tag_of_item, try_out
from daemon.scheduler.history.present import standing
from daemon.scheduler.history.why import LOOK_BACK_US, explain
from daemon.scheduler.layers.hold_note import HoldNote, read_hold
from daemon.scheduler.triggers import last_at_or_before

DIGEST_EVERY_S = 15.0
BREATHER = 100
"""Entries looked at until whatever else waits for the event loop gets its turn."""

KEPT_PAGES = 4
"""So many pages of places are kept while one is looked for; those of all entries would keep the cycle collector busy."""

_NEVER_US = 2**62
_NOTHING = Tally()


class Gates(Protocol):
    """Where it is kept that all schedules are held."""

    async def held(self) -> str | None:
        """Say why they are; ``None`` if they are not."""
        ...

    async def hold(self, why: str | None, *, for_us: int | None = None) -> None:
        """Hold them, or let them go on with ``None``."""
        ...


class ScheduleReading:
    """Answers questions; see ``daemon.desks.scheduling.ScheduleView``."""

    def __init__(
        self,
        board: Board,
        records: Records,
        gates: Gates | None,
        zone: Public,
        places: Mapping[tuple[str, str], str],
    ) -> None:
        """Keep the collaborators; ``gates`` are missing where the broker keeps no changes."""
        self._board = board
        self._records = records
        self._gates = gates
        self._zone = zone
        self._places = places
        self._digest: Mapping[str, Tally] = {}
        self._digest_at_us = 0
        self._digesting = anyio.Lock()

    # -- lists ---------------------------------------------------------------------------------------------------------

    async def listing(self, wanted: Wanted) -> Listing:
        """Give a page of the entries."""
        now_us = await self._board.look()
        if wanted.sort in (SortBy.LATENESS, SortBy.FAILURES):
            await self._look_at_all(now_us)
        counts = dict.fromkeys(("all", *STATES, "trouble", "changed"), 0)
        found: list[tuple[str | int, str]] = []
        total, choice, keyed = 0, wanted.choice, self._key(wanted.sort)
        pick = heapq.nlargest if wanted.descending else heapq.nsmallest
        after, most = wanted.after, wanted.limit + 1
        items = self._board.items
        for number, item in enumerate(items.values(), 1):
            state = item.state(now_us)
            counts["all"] += 1
            counts[state] += 1
            counts["trouble"] += item.is_in_trouble(state)
            counts["changed"] += item.is_changed
            if item.fits(choice, state, now_us):
                total += 1
                place = keyed(item), item.id
                if after is None or (place < after if wanted.descending else place > after):
                    found.append(place)
                if len(found) >= KEPT_PAGES * most:
                    found = pick(most, found)
            if number % BREATHER == 0:
                await anyio.lowlevel.checkpoint()
        page = pick(most, found)
        rows = await self._rows([items[key] for _, key in page[: wanted.limit]], now_us)
        return Listing(
            rows,
            page[wanted.limit - 1] if len(page) > wanted.limit else None,
            total,
            counts,
            await self._held_or_none(),
            self._gates is not None,
            instant(now_us),
            self._board.is_complete,
        )

    def _key(self, sort: SortBy) -> Callable[[Item], str | int]:
        def last(item: Item) -> int:
            return 0 if item.last is None else item.last.occurrence_us

        def coming(item: Item) -> int:
            return _NEVER_US if item.next_us is None else item.next_us

        def lateness(item: Item) -> int:
            return self._digest.get(item.id, _NOTHING).late_p95_us or 0

        def failures(item: Item) -> int:
            return self._digest.get(item.id, _NOTHING).failures

        def name(item: Item) -> str:
            return item.name

        keys: dict[SortBy, Callable[[Item], str | int]] = {
            SortBy.NAME: name,
            SortBy.NEXT: coming,
            SortBy.LAST: last,
            SortBy.LATENESS: lateness,
            SortBy.FAILURES: failures,
        }
        return keys[sort]

    async def _look_at_all(self, now_us: int) -> None:
        async with self._digesting:
            if now_us - self._digest_at_us > DIGEST_EVERY_S * SECOND_US:
                self._digest = await self._records.digest(now_us)
                self._digest_at_us = now_us

    async def _rows(self, items: Sequence[Item], now_us: int) -> list[EntryRow]:
        tallies = await self._records.tallies([one.id for one in items], now_us)
        rows = []
        for number, item in enumerate(items, 1):
            composed = composed_of(item, self._zone, now_us)
            rows.append(
                row_of(item, composed, tallies.get(item.id, _NOTHING), now_us, can_change=self._gates is not None)
            )
            if number % 20 == 0:
                await anyio.lowlevel.checkpoint()
        return rows

    async def find(self, entry: str) -> tuple[Item, int]:
        """Give an entry by its id, or by the name it has in the site file.

        Raises:
            NotThere: there is none.
        """
        now_us = await self._board.look()
        item = self._board.items.get(entry)
        if item is None:
            item = next((one for one in self._board.items.values() if one.name == entry), None)
        if item is None:
            message = "no such entry"
            raise NotThere(message, hint="GET /api/schedule lists all")
        return item, now_us

    async def row(self, entry: str) -> EntryRow:
        """Give an entry as lists have it."""
        item, now_us = await self.find(entry)
        return (await self._rows([item], now_us))[0]

    async def detail(self, entry: str) -> tuple[EntryDetail, str]:
        """Give an entry by itself, and the tag of what can be changed of it."""
        item, now_us = await self.find(entry)
        [row] = await self._rows([item], now_us)
        composed = composed_of(item, self._zone, now_us)
        if composed is None:
            message = "there is no such entry; something was changed of it before it went"
            raise NotThere(message, hint="DELETE …/override takes that away")
        return detail_of(item, composed, row, now_us, self._places), tag_of_item(item)

    async def arguments(self, entry: str) -> Arguments:
        """Give what its tasks are given."""
        item, now_us = await self.find(entry)
        composed = composed_of(item, self._zone, now_us)
        data = {} if composed is None else composed.data
        canvas = {key: data[key] for key in ("chain", "group", "chord") if key in data}
        return Arguments(data.get("args", []), data.get("kwargs", {}), canvas or None)

    # -- what is to come -----------------------------------------------------------------------------------------------

    async def fires(self, entry: str, count: int, until_us: int | None) -> Fires:
        """Give coming occurrences."""
        item, now_us = await self.find(entry)
        if item.entry is None:
            return Fires((), is_over=True)
        found = fires_of(item.entry, item.horizon, now_us, count + 1, until_us)
        return Fires(found[:count], is_over=len(found) <= count)

    async def trial(self, entry: str | None, change: Change) -> Trial:
        """Say what a change would make of an entry."""
        if entry is None:
            return try_out(None, change, self._zone, await self._board.look())
        item, now_us = await self.find(entry)
        return try_out(item, change, self._zone, now_us)

    async def timeline(self, from_us: int, to_us: int, limit: int) -> Timeline:
        """Draw entries on one axis of time."""
        now_us = await self._board.look()
        places, total = [], 0
        items = self._board.items
        for number, item in enumerate(items.values(), 1):
            place = rank(item, item.state(now_us))
            if place is not None:
                total += 1
                places.append(place)
                if len(places) >= KEPT_PAGES * limit:
                    places = heapq.nsmallest(limit, places)
            if number % BREATHER == 0:
                await anyio.lowlevel.checkpoint()
        chosen = [items[key] for *_, key in heapq.nsmallest(limit, places)]
        cell_us = cell_us_of(from_us, to_us)
        stretches = await self._records.stretches([one.id for one in chosen], from_us, to_us, cell_us, MARKS)
        rows = []
        for item in chosen:
            past = stretches.get(item.id, Stretch())
            rows.append(draw(item, item.state(now_us), past, from_us, to_us, now_us, cell_us))
            await anyio.lowlevel.checkpoint()
        ends = [instant(at_us) for at_us in (from_us, to_us, now_us)]
        return Timeline(ends[0], ends[1], ends[2], cell_us // SECOND_US, total - len(chosen), rows)

    # -- what became of it ---------------------------------------------------------------------------------------------

    async def history(
        self, entry: str, limit: int, before: tuple[int, str] | None, states: Sequence[str], *, with_asked: bool
    ) -> list[tuple[RunRow, str]]:
        """Give what is recorded of its occurrences, each with its key."""
        key = await self._identity(entry)
        runs = await self._records.runs(key, limit, before, states, with_asked=with_asked)
        return [(run_row(run), f"{run.occurrence_us}:{run.key}") for run in runs]

    async def _identity(self, entry: str) -> str:
        try:
            return (await self.find(entry))[0].id
        except NotThere:
            if await self._records.runs(entry, 1, None, (), with_asked=False):
                return entry  # it was there once
            raise

    async def handed_over(self, limit: int, before: int | None) -> list[tuple[RunRow, int]]:
        """Give what was handed over last, each with its number."""
        return [(run_row(run), number) for number, run in await self._records.lately(limit, before)]

    async def why(self, entry: str, at_us: int | None) -> Reason:
        """Say why an occurrence ran or did not."""
        item, now_us = await self.find(entry)
        composed = composed_of(item, self._zone, now_us)
        trigger = None
        if item.entry is not None:
            begins_us = item.horizon.since_us if item.horizon is not None else item.entry.begins_us
            trigger = item.entry.trigger if begins_us is None else item.entry.trigger.begun(begins_us)
        if at_us is None:
            found_us = None
            if trigger is not None:
                found_us = last_at_or_before(trigger, now_us, after_us=now_us - LOOK_BACK_US)
            at_us = now_us - now_us % SECOND_US if found_us is None else found_us
        known = await self._records.knowledge(item.id, at_us)
        held = await self._held_note()
        stands = None if self._gates is None else standing(composed, item.horizon, held, at_us, now_us)
        told = explain(trigger, at_us, known, now_us, stands)
        return Reason(
            instant(at_us),
            told.finding.value,
            told.text,
            None if told.run is None else run_row(told.run),
            None if told.before_us is None else instant(told.before_us),
            None if told.after_us is None else instant(told.after_us),
        )

    # -- the hold ------------------------------------------------------------------------------------------------------

    async def held(self) -> HeldAll | None:
        """Say whether all schedules are held."""
        with within_limit():
            return held_of(await self._held_note())

    async def _held_note(self) -> HoldNote | None:
        if self._gates is None:
            return None
        text = await self._gates.held()
        return None if text is None else read_hold(text)

    async def _held_or_none(self) -> HeldAll | None:
        """Give what holds all schedules, or nothing if the broker does not say."""
        if self._board.is_away:
            return None
        try:
            return await self.held()
        except DaemonError:
            return None


@contextmanager
def within_limit() -> Iterator[None]:
    """Give a broker a few seconds.

    Raises:
        Unavailable: it does not answer.
    """
    try:
        with anyio.fail_after(BROKER_LIMIT_S):
            yield
    except TimeoutError:
        message = "the broker does not answer"
        raise Unavailable(message, hint="what was asked for may have been done; look again") from None
