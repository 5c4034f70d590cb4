"""Changes the schedule for people and programs, at the same desk as the commands do."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from daemon.desks import BadRequest, Changed, DeskRefused, NotHere, NotNow, Unavailable
from daemon.desks.schedule import Asked, Carried, Choice, HeldAll, Plan
from daemon.desks.scheduling import Change, Why
from daemon.public import Public
from daemon.scheduler.desk.asking import BACKFILL_LIMIT, occurrences, run_now, run_past
from daemon.scheduler.desk.board import Board
from daemon.scheduler.desk.item import Item
from daemon.scheduler.desk.plans import Frozen, Plans, shown
from daemon.scheduler.desk.reading import Gates, ScheduleReading, within_limit
from daemon.scheduler.desk.rows import held_of
from daemon.scheduler.desk.trying import tag_of_item
from daemon.scheduler.errors import EntryOvertaken, EntryRefused
from daemon.scheduler.layers import ADDED, Setting
from daemon.scheduler.layers.adding import added_from
from daemon.scheduler.layers.compose import Definition
from daemon.scheduler.layers.desk import Known, ScheduleDesk
from daemon.scheduler.layers.hold_note import HoldNote, read_hold, write_hold
from daemon.scheduler.layers.override import PAUSE
from daemon.scheduler.layers.ports import RuntimeStore, Table

TRIGGERS_LIMIT = 1000
SET_LIMIT = 10_000
AT_ONCE = 25
"""Runs made in one go: what else is due is not kept waiting."""

NO_STORE = "a schedule can be changed at run time on Redis and Valkey only"


class FullStore(RuntimeStore, Protocol):
    """What is kept of a schedule at run time, what the broker remembers of entries, and the hold."""

    @property
    def gates(self) -> Gates:
        """Where it is kept that all schedules are held."""
        ...

    async def horizons(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Read what the broker remembers of entries."""
        ...


class ScheduleChanging:
    """Steers; see ``daemon.desks.scheduling.ScheduleSteering``."""

    def __init__(
        self,
        site: Public,
        desk: ScheduleDesk | None,
        store: FullStore | None,
        board: Board,
        reading: ScheduleReading,
        definitions: Callable[[], Mapping[str, Definition]],
    ) -> None:
        """Keep the collaborators; without a desk nothing can be changed."""
        self._site = site
        self._desk_or_none = desk
        self._store = store
        self._board = board
        self._reading = reading
        self._definitions = definitions
        self._plans = Plans()

    def require(self) -> None:
        """Refuse if the broker cannot keep changes.

        Raises:
            NotHere: it cannot.
        """
        if self._desk_or_none is None or self._store is None:
            raise NotHere(NO_STORE, hint="change the site file and start the daemon again")

    @property
    def _desk(self) -> ScheduleDesk:
        self.require()
        assert self._desk_or_none is not None
        self._desk_or_none.definitions = dict(self._definitions())  # those of a database come and go
        return self._desk_or_none

    # -- one entry -----------------------------------------------------------------------------------------------------

    async def pause(self, entry: str, why: Why) -> None:
        """Pass over its occurrences from now on."""
        with self._changing():
            known = await self._known(entry)
            await self._desk.change([known], {PAUSE: await self._pause_of(why)})

    async def resume(self, entry: str) -> None:
        """Go on with it."""
        with self._changing():
            await self._desk.change([await self._known(entry)], {PAUSE: None})

    async def trigger(
        self,
        entry: str,
        why: Why,
        *,
        overlap: str,
        args: Sequence[Any] | None,
        kwargs: Mapping[str, Any] | None,
        request: str,
    ) -> Asked:
        """Run its task now."""
        changed = {key: value for key, value in (("args", args), ("kwargs", kwargs)) if value is not None}
        with self._changing():
            known = await self._known(entry)
            now_us = await self._desk.now_us()
            one = run_now(
                known, self._site, now_us, request, author=why.who, reason=why.reason, overlap=overlap, changed=changed
            )
            edited = await self._desk.add([one])
            assert one.task_id is not None  # it was asked for by hand
            return Asked(one.task_id, one.id, edited.heard)

    async def edit(self, entry: str, change: Change, why: Why, tag: str) -> None:
        """Set and clear fields."""
        with self._changing():
            item, known = await self._read(entry, tag)
            now_us = await self._desk.now_us()
            new: dict[str, Setting | None] = dict.fromkeys(change.clear)
            new |= {
                name: Setting(value, why.who, now_us, why.reason, why.until_us) for name, value in change.set.items()
            }
            await self._desk.change([known], new, read=_read_of(item, tag))

    async def revert(self, entry: str, fields: Sequence[str], tag: str) -> None:
        """Take changes of it away; a pause is none."""
        with self._changing():
            item, _ = await self._reading.find(entry)
            _check_tag(item, tag)
            read = _read_of(item, tag)
            names = fields or [name for name in (item.override.fields if item.override else ()) if name != PAUSE]
            if item.definition is None or item.override is None:
                await self._desk.forget([item.id])
            elif names:
                await self._desk.change([await self._known(entry)], dict.fromkeys(names), read=read)

    async def add(self, name: str, data: Mapping[str, Any], why: Why) -> None:
        """Add an entry."""
        with self._changing():
            now_us = await self._desk.now_us()
            one = added_from(name, data, author=why.who, reason=why.reason, now_us=now_us)
            if one.id in await self._desk.store.read(Table.ADDED, [one.id]):
                message = f'"{one.id}" is there already'
                raise NotNow(message, hint="remove it first, or edit it")
            await self._desk.add([one])

    async def remove(self, entry: str) -> None:
        """Remove an entry that was added."""
        with self._changing():
            item, _ = await self._reading.find(entry)
            if item.source != ADDED:
                message = f"it was not added: it is an entry of the {item.source or 'past'}"
                raise NotNow(message, hint="set enabled to false, or pause it")
            await self._desk.remove([item.id])
            if item.override is not None:
                await self._desk.forget([item.id])

    # -- all of them ---------------------------------------------------------------------------------------------------

    async def hold(self, why: Why) -> None:
        """Hold all schedules."""
        with self._changing():
            now_us = await self._desk.now_us()
            note = HoldNote(why.reason, why.who, now_us, why.until_us)
            for_us = None if why.until_us is None else why.until_us - now_us
            if for_us is not None and for_us <= 0:
                message = "it would end before it begins"
                raise BadRequest(message, field="until_at")
            await self._gates.hold(write_hold(note), for_us=for_us)

    async def release(self) -> HeldAll | None:
        """Let them go on; give what held them."""
        with self._changing():
            was = await self._gates.held()
            await self._gates.hold(None)
            return None if was is None else held_of(read_hold(was))

    # -- frozen sets ---------------------------------------------------------------------------------------------------

    async def plan(self, action: str, ids: Sequence[str], choice: Choice | None) -> Plan:
        """Freeze a set of entries; what the action does nothing to is not in it."""
        self.require()
        now_us = await self._board.look()
        items = self._board.items
        if choice is not None:
            found = [item for item in items.values() if item.fits(choice, item.state(now_us), now_us)]
        else:
            found = [items[one] for one in dict.fromkeys(ids) if one in items]
        found = [item for item in found if _is_meant(item, action)]
        most = TRIGGERS_LIMIT if action == "trigger" else SET_LIMIT
        if len(found) > most:
            message = f"at most {most} entries at once; these are {len(found)}"
            raise DeskRefused(message, hint="narrow the filter")
        return self._freeze(Frozen(action, tuple(item.id for item in found), now_us), [item.name for item in found])

    async def plan_backfill(self, entry: str, from_us: int, to_us: int, overlap: str) -> Plan:
        """Freeze the occurrences of a window of the past."""
        with self._changing(touches=False):
            known = await self._known(entry)
            now_us = await self._desk.now_us()
            horizon = (await self._full.horizons([known.id])).get(known.id)
            instants = occurrences(known, horizon, from_us, min(to_us, now_us), BACKFILL_LIMIT)
            frozen = Frozen("backfill", (known.id,), self._now_us(), tuple(instants), overlap)
            return self._freeze(frozen, [known.id])

    def _freeze(self, frozen: Frozen, names: Sequence[str]) -> Plan:
        token = secrets.token_urlsafe(18)
        self._plans.keep(token, frozen)
        return shown(token, frozen, names)

    def planned(self, token: str) -> Plan:
        """Give a plan by its token."""
        frozen = self._plans.look(token, self._now_us())
        return shown(token, frozen, frozen.ids)

    async def carry_out(self, token: str, why: Why) -> Carried:
        """Carry out a plan, once."""
        frozen = self._plans.take(token, self._now_us())
        with self._changing():
            await self._board.look()
            items = self._board.items
            known = [
                Known(one.id, one.definition, one.added, one.override, one.composed)
                for key in frozen.ids
                if (one := items.get(key)) is not None and one.definition is not None
            ]
            gone = sorted(set(frozen.ids) - {one.id for one in known})
            match frozen.action:
                case "backfill":
                    return await self._backfill(frozen, why)
                case "trigger":
                    return await self._trigger_all([one.id for one in known], gone, why)
            new = {PAUSE: None if frozen.action == "resume" else await self._pause_of(why)}
            if known:
                await self._desk.change(known, new)
            return Carried(frozen.action, len(known), gone)

    async def _backfill(self, frozen: Frozen, why: Why) -> Carried:
        known = list((await self._desk.find(frozen.ids)).values())
        if not known or not frozen.instants:
            return Carried(frozen.action, 0, frozen.ids)
        now_us = await self._desk.now_us()
        request = secrets.token_hex(6)
        one = run_past(
            known[0], frozen.instants, now_us, request, author=why.who, reason=why.reason, overlap=frozen.overlap
        )
        await self._desk.add([one])
        return Carried(frozen.action, len(frozen.instants), ())

    async def _trigger_all(self, ids: Sequence[str], gone: list[str], why: Why) -> Carried:
        now_us, request = await self._desk.now_us(), secrets.token_hex(6)
        done = 0
        for start in range(0, len(ids), AT_ONCE):
            runs = []
            for one in (await self._desk.find(ids[start : start + AT_ONCE])).values():
                if one.composed is None or one.composed.entry is None:
                    gone.append(one.id)
                else:
                    runs.append(run_now(one, self._site, now_us, request, author=why.who, reason=why.reason))
            if runs:
                await self._desk.add(runs)
            done += len(runs)
        return Carried("trigger", done, gone)

    # -- within --------------------------------------------------------------------------------------------------------

    @property
    def _full(self) -> FullStore:
        self.require()
        assert self._store is not None
        return self._store

    @property
    def _gates(self) -> Gates:
        return self._full.gates

    def _now_us(self) -> int:
        return self._board.now_us()

    async def _known(self, entry: str) -> Known:
        return (await self._read(entry, ""))[1]

    async def _read(self, entry: str, tag: str) -> tuple[Item, Known]:
        item, _ = await self._reading.find(entry)
        _check_tag(item, tag)
        [known] = await self._desk.find_all([item.id])
        return item, known

    async def _pause_of(self, why: Why) -> Setting:
        now_us = await self._desk.now_us()
        return Setting(value=True, author=why.who, at_us=now_us, reason=why.reason, expires_us=why.until_us)

    @contextmanager
    def _changing(self, *, touches: bool = True) -> Iterator[None]:
        """Turn refusals of the schedule into those of a desk, bound the wait, and have the board look again.

        Raises:
            DeskRefused: it cannot be.
        """
        self.require()
        if self._board.is_silent:
            raise Unavailable("the broker does not answer", hint="nothing was changed; try again when it is back")
        try:
            with within_limit():
                yield
        except EntryOvertaken as error:
            raise Changed(str(error), hint=error.hint) from None
        except EntryRefused as error:
            raise DeskRefused(str(error), hint=error.hint) from None
        finally:
            if touches:
                self._board.touch()


def _is_meant(item: Item, action: str) -> bool:
    """Say whether an action would do anything to an entry."""
    if item.entry is None:
        return False
    return action == "trigger" or (item.entry.pause is not None) == (action == "resume")


def _read_of(item: Item, tag: str) -> Mapping[str, str | None] | None:
    """Say what must still be kept of an entry for a change that was decided on what its tag tells."""
    return {item.id: item.override_text} if tag else None


def _check_tag(item: Item, tag: str) -> None:
    if tag and tag_of_item(item) != tag:
        message = "it has been changed since it was read"
        raise Changed(message, hint="read it again, and decide anew")
