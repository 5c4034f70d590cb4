"""Lays what people change at run time over the schedule, and brings in added entries shortly before they are due.

An added entry is held in memory only while it is due within a minute: the index in the broker says which those are. A daemon
that begins reads these and no others. Nothing that must not happen twice depends on the index; claims see to that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import anyio
import anyio.lowlevel

from daemon.clock import SECOND_US, Clock
from daemon.errors import BrokerDown
from daemon.ports import Emit
from daemon.public import Public
from daemon.scheduler.layers.added import read_added
from daemon.scheduler.layers.compose import Definition, compose, compose_added
from daemon.scheduler.layers.ports import Later, RuntimeStore, Schedule, Table, Told
from daemon.scheduler.layers.remarks import Remarks
from daemon.scheduler.model import Entry

AHEAD_US = 60 * SECOND_US
"""Added entries due within so long are held in memory."""

REFILL_S = 20.0
POLL_S = 2.0
"""How often the count of changes is asked for: an announcement that was missed is noticed within it."""

PUT_OFF_S = 1.0
"""How long it takes until it is noted when entries are due next: in a burst others come first."""

HELD_MOST = 50_000
"""Added entries held in memory at once; of more that are due together, the next come when these have fired."""

CHUNK = 500
"""Entries read and made at a time; a change that is announced meanwhile is taken up in between."""

BREATHER = 20
RETRY_FIRST_S, RETRY_MOST_S = 0.1, 2.0
T = TypeVar("T")


@dataclass(slots=True)
class _Held:
    """An added entry in memory: the instant of the index it was read with, and whether it goes when it has fired."""

    seen_us: int
    is_once: bool


class RuntimeLayer:
    """Keeps the scheduler's entries as the layers have them."""

    name = Public("runtime-layer")

    def __init__(
        self,
        zone: Public,
        definitions: Iterable[Definition],
        entries: Iterable[Entry],
        store: RuntimeStore,
        schedule: Schedule,
        clock: Clock,
        emit: Emit,
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        Args:
            zone: the site's time zone.
            definitions: what the lower layers say, of disabled entries too.
            entries: those of them that run if nobody changed anything.
            store: where changes are kept.
            schedule: the scheduler. It gets its first entries once it is known what was changed of them.
            clock: ours.
            emit: takes what happened.
        """
        self._zone = zone
        self._definitions = {one.id: one for one in definitions}
        self._entries = {str(one.id): one for one in entries}
        self._store = store
        self._schedule = schedule
        self._clock = clock
        self._remarks = Remarks(emit)
        self._ahead_us = 0
        self._changes = -1
        self._is_behind = True
        self._changed: dict[str, None] = {}
        self._wanted: dict[str, int] = {}
        self._held: dict[str, _Held] = {}
        self._planned: dict[str, int | None] = {}
        self._expiries: dict[str, int] = {}
        self._poll_at_s = self._refill_at_s = self._put_off_at_s = 0.0
        self._stop = anyio.Event()
        self._work = anyio.Event()

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """What the lower layers say, by id; for reading only."""
        return self._definitions

    @property
    def entries(self) -> Mapping[str, Entry]:
        """What becomes of it if nobody changed anything, by id; for reading only."""
        return self._entries

    @property
    def changes(self) -> int:
        """How many changes there have been, as far as is known here."""
        return self._changes

    # -- what others say -----------------------------------------------------------------------------------------------

    def define(self, definitions: Iterable[Definition], entries: Iterable[Entry], gone: Iterable[str] = ()) -> None:
        """Take over what a live source says: entries new or changed, and ids of those that are gone."""
        for key in gone:
            self._definitions.pop(key, None)
            self._entries.pop(key, None)
            self._changed[key] = None
        for one in definitions:
            self._definitions[one.id] = one
            self._entries.pop(one.id, None)
            self._changed[one.id] = None
        self._entries |= {str(one.id): one for one in entries}
        self._work.set()

    def planned(self, entry_id: str, wake_us: int | None) -> None:
        """Hear when the scheduler will look at an entry next; ``None``: it will never fire again."""
        if entry_id in self._held:
            if not self._planned:
                self._put_off_at_s = self._clock.monotonic_s() + PUT_OFF_S
                self._work.set()
            self._planned[entry_id] = wake_us

    def _told(self, one: Told) -> None:
        if one.changes <= self._changes:
            return
        if one.changes == self._changes + 1:
            self._changed |= dict.fromkeys(one.ids)
        else:
            self._is_behind = True
        self._changes = one.changes
        self._work.set()

    async def _joined(self) -> None:
        self._poll_at_s = 0.0
        self._work.set()

    # -- life ----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Read what was changed, if the broker answers; else that comes first when it does."""
        self._stop = anyio.Event()
        try:
            await self._step()
            while self._changed:
                await self._step()
        except BrokerDown:
            self._is_behind = True

    async def drain(self) -> None:
        """Take over no more changes."""
        self._stop.set()
        self._work.set()

    async def serve(self) -> None:
        """Take over changes until drained."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen)
                await self._keep_up()
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._store.close()

    async def _listen(self) -> None:
        try:
            await self._store.listen(self._told, self._joined)
        except BrokerDown as error:
            self._remarks.unheard(error, POLL_S)

    async def _keep_up(self) -> None:
        pause_s = RETRY_FIRST_S
        while not self._stop.is_set():
            self._work = anyio.Event()
            try:
                is_done = await self._step()
            except BrokerDown as error:
                self._is_behind = True
                self._remarks.unread(error)
                with anyio.move_on_after(pause_s):
                    await self._stop.wait()
                pause_s = min(pause_s * 2, RETRY_MOST_S)
                continue
            pause_s = RETRY_FIRST_S
            self._remarks.was_read()
            if is_done:
                with anyio.move_on_after(self._rest_s()):
                    await self._work.wait()

    def _rest_s(self) -> float:
        now_s = self._clock.monotonic_s()
        rest_s = min(self._poll_at_s, self._refill_at_s) - now_s
        if self._planned:
            rest_s = min(rest_s, self._put_off_at_s - now_s)
        if self._expiries:
            rest_s = min(rest_s, (min(self._expiries.values()) - self._now_us()) / SECOND_US)
        return max(rest_s, 0.001)

    def _now_us(self) -> int:
        """Give the broker's time, by which settings expire on all daemons at once."""
        return self._clock.now_us() + self._ahead_us

    # -- one step ------------------------------------------------------------------------------------------------------

    async def _step(self) -> bool:
        """Do what is next; say whether there is nothing more to do at once."""
        now_s = self._clock.monotonic_s()
        if self._is_behind or now_s >= self._poll_at_s:
            await self._poll()
            self._poll_at_s = now_s + POLL_S
        now_us = self._now_us()
        for key in [key for key, at_us in self._expiries.items() if at_us <= now_us]:
            del self._expiries[key]
            self._changed[key] = None
        if self._changed:
            await self._take_over(list(_taken(self._changed, CHUNK)))
        if now_s >= self._refill_at_s:
            await self._refill()
            self._refill_at_s = now_s + REFILL_S
        if self._wanted:
            await self._bring_in(_taken(self._wanted, CHUNK))
        if self._planned and now_s >= self._put_off_at_s:
            await self._put_off(_taken(self._planned, CHUNK))
        has_planned = self._planned and now_s >= self._put_off_at_s
        return not (self._changed or self._wanted or has_planned or self._is_behind)

    async def _poll(self) -> None:
        """Ask how many changes there were; if some were missed, look at everything."""
        asked_us, count = self._clock.now_us(), self._changes
        seen = await self._store.seen()
        self._ahead_us = seen.broker_us - asked_us
        was_told = self._changes != count  # while the question was under way; the answer may be older
        if seen.changes < count and not was_told:
            self._remarks.lost(count, seen.changes)
        if self._is_behind or (seen.changes != self._changes and not was_told):
            self._changes = seen.changes
            self._is_behind = False
            self._changed |= dict.fromkeys((*self._definitions, *self._held))
            self._refill_at_s = 0.0

    async def _refill(self) -> None:
        """Look which added entries are due soon."""
        looks, _ = await self._store.looks(AHEAD_US, HELD_MOST)
        for look in looks:
            held = self._held.get(look.id)
            if (held is None or held.seen_us != look.at_us) and look.id not in self._definitions:
                self._wanted[look.id] = look.at_us

    async def _take_over(self, keys: list[str]) -> None:
        """Make entries anew whose layers were changed."""
        own = [key for key in keys if key in self._definitions]
        others = [key for key in keys if key not in self._definitions]
        if own:
            await self._lay_over(own, await self._store.read(Table.OVERRIDES, own))
        if others:
            looks = {look.id: look.at_us for look in await self._store.looks_of(others)}
            until_us = self._now_us() + AHEAD_US
            self._leave([key for key in others if looks.get(key, until_us + 1) > until_us])
            await self._bring_in({key: at_us for key, at_us in looks.items() if at_us <= until_us})

    async def _lay_over(self, keys: list[str], overrides: Mapping[str, str]) -> None:
        entries: list[Entry] = []
        gone: list[str] = []
        for number, key in enumerate(keys, 1):
            text, entry, definition = overrides.get(key), self._entries.get(key), self._definitions.get(key)
            if definition is None:
                continue  # gone while it was asked; it is looked at again for that
            if text is None and entry is not None:
                self._expires(key, None)
            else:
                composed = compose(
                    definition, self._remarks.readable(definition.name, text), self._zone, self._now_us()
                )
                self._remarks.composed(definition.name, composed)
                self._expires(key, composed.expires_us)
                entry = composed.entry
            if entry is not None:
                entries.append(entry)
            else:
                gone.append(key)
            if number % BREATHER == 0:
                await anyio.lowlevel.checkpoint()
        self._schedule.put([one for one in entries if one.id in self._definitions])
        self._schedule.shut(gone)

    async def _bring_in(self, looks: Mapping[str, int]) -> None:
        """Read added entries and put them into the schedule. Their instants were read before, so a later change shows."""
        keys = list(looks)
        texts = await self._store.read(Table.ADDED, keys)
        overrides = await self._store.read(Table.OVERRIDES, keys) if texts else {}
        entries: list[Entry] = []
        for number, (key, text) in enumerate(texts.items(), 1):
            one = read_added(key, text)
            if one is None:
                self._remarks.added_unreadable(key)
                continue
            override = self._remarks.readable(one.shown_name, overrides.get(key))
            composed = compose_added(one, override, self._zone, self._now_us())
            self._remarks.composed(one.shown_name, composed)
            self._held[key] = _Held(looks[key], one.is_once and composed.entry is not None)
            self._expires(key, composed.expires_us)
            self._planned.pop(key, None)
            if composed.entry is not None:
                entries.append(composed.entry)
            else:
                self._schedule.shut([key])
                self._planned[key] = None
            if number % BREATHER == 0:
                await anyio.lowlevel.checkpoint()
        self._leave([key for key in keys if key not in texts])
        self._schedule.put(entries)

    async def _put_off(self, planned: Mapping[str, int | None]) -> None:
        """Let go of entries that are not due soon, and note when they are."""
        until_us = self._now_us() + AHEAD_US
        laters: list[Later] = []
        for key, wake_us in planned.items():
            held = self._held.get(key)
            if held is None:
                continue
            at_us = _earlier(wake_us, self._expiries.get(key))
            if at_us is None or at_us > until_us:
                is_over = at_us is None and held.is_once
                laters.append(Later(key, held.seen_us, at_us, is_spent=is_over))
        if not laters:
            return
        changed = set(await self._store.postpone(laters))
        self._leave([one.id for one in laters if one.id not in changed])
        self._changed |= dict.fromkeys(changed)

    def _leave(self, keys: Sequence[str]) -> None:
        """Let go of added entries."""
        for key in keys:
            self._held.pop(key, None)
            self._wanted.pop(key, None)
            self._planned.pop(key, None)
            self._expiries.pop(key, None)
        self._schedule.drop(keys)

    def _expires(self, key: str, at_us: int | None) -> None:
        if at_us is None:
            self._expiries.pop(key, None)
        else:
            self._expiries[key] = at_us


def _earlier(one: int | None, other: int | None) -> int | None:
    return min((at for at in (one, other) if at is not None), default=None)


def _taken(waiting: dict[str, T], most: int) -> dict[str, T]:
    """Take the first few out of what waits: what comes in meanwhile is not lost with them."""
    return {key: waiting.pop(key) for key in list(islice(waiting, most))}
