"""Changing a schedule at run time: what commands do, and whoever else is to. Everything is validated before it is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from daemon.public import Public
from daemon.scheduler.errors import EntryOvertaken, EntryRefused
from daemon.scheduler.layers.added import Added, read_added, write_added
from daemon.scheduler.layers.compose import Composed, Definition, compose, compose_added, definition_of, first_look_us
from daemon.scheduler.layers.layer import OVERRIDE, Layer, Setting
from daemon.scheduler.layers.override import FIXED, OPTIONS, PAUSE, changed, read_override
from daemon.scheduler.layers.ports import ANYTHING, EDITS_LIMIT, Edit, Edited, RuntimeStore, Table
from daemon.scheduler.model import Entry
from daemon.settings import Problem, Severity
from daemon.settings.problems import did_you_mean

SHAPES_LIMIT = 1000
TRIES = 10
"""How often a change is made anew because someone else was faster."""

Check = Callable[[Entry], Sequence[Problem]]
"""Says what else is wrong with an entry: a task nobody knows, a message no worker could take."""


@dataclass(frozen=True, slots=True)
class Known:
    """An entry that can be changed.

    Attributes:
        definition: what the layers below the override say; ``None`` of one that is only in the table of overrides.
        added: the entry as it was added, if it was.
        override: what is laid over it.
        composed: what becomes of it.
    """

    id: str
    definition: Definition | None
    added: Added | None
    override: Layer | None
    composed: Composed | None


@dataclass(frozen=True, slots=True)
class Removed:
    """The ids of entries that were there and are no more, and who heard of it."""

    ids: tuple[str, ...]
    edited: Edited


class ScheduleDesk:
    """Reads and changes what is kept of a site's entries."""

    def __init__(
        self, definitions: Iterable[Definition], store: RuntimeStore, zone: Public, *, check: Check = lambda _: ()
    ) -> None:
        """Keep the collaborators; no I/O happens here."""
        self.definitions = {one.id: one for one in definitions}
        self.store = store
        self._zone = zone
        self._check = check
        self._sound: set[tuple[object, ...]] = set()

    # -- reading -------------------------------------------------------------------------------------------------------

    async def now_us(self) -> int:
        """Give the broker's time, by which settings expire."""
        return (await self.store.seen()).broker_us

    async def find(self, ids: Sequence[str]) -> dict[str, Known]:
        """Look entries up by their ids or, in the site file, names; unknown ones are missing."""
        by_name = {str(one.name): key for key, one in self.definitions.items()}
        keys = {one: by_name.get(one, one) for one in ids}
        overrides = await self.store.read(Table.OVERRIDES, list(keys.values()))
        others = [key for key in keys.values() if key not in self.definitions]
        added = await self.store.read(Table.ADDED, others) if others else {}
        now_us = await self.now_us()
        found = {one: self.known(key, overrides.get(key), added.get(key), now_us) for one, key in keys.items()}
        return {
            one: known for one, known in found.items() if known.definition is not None or known.override is not None
        }

    async def find_all(self, ids: Sequence[str]) -> list[Known]:
        """Look entries up.

        Raises:
            EntryRefused: one of them is not known.
        """
        found = await self.find(ids)
        for one in ids:
            if one not in found or found[one].definition is None:
                message = f'no entry "{one}"'
                raise EntryRefused(
                    message, hint=did_you_mean(one, map(str, self.definitions)) or "entries list shows all"
                )
        return list({known.id: known for known in found.values()}.values())

    def known(self, key: str, override: str | None, added: str | None, now_us: int) -> Known:
        """Make an entry of the texts that are kept of it."""
        layer = None if override is None else read_override(override)
        definition = self.definitions.get(key)
        if definition is not None:
            return Known(key, definition, None, layer, compose(definition, layer, self._zone, now_us))
        one = None if added is None else read_added(key, added)
        if one is None:
            return Known(key, None, None, layer, None)
        return Known(key, definition_of(one), one, layer, compose_added(one, layer, self._zone, now_us))

    async def each(self, *, added_only: bool = False) -> AsyncIterator[Known]:
        """Give all entries: those of the site first, then those that were added, then overrides that apply to nothing."""
        now_us = await self.now_us()
        overrides: dict[str, str] = {}
        async for page in self.store.pages(Table.OVERRIDES):
            overrides |= page
        if not added_only:
            for key in self.definitions:
                yield self.known(key, overrides.pop(key, None), None, now_us)
        async for page in self.store.pages(Table.ADDED):
            for key, text in page.items():
                if key not in self.definitions:
                    yield self.known(key, overrides.pop(key, None), text, now_us)
        if not added_only:
            for key, text in overrides.items():
                yield self.known(key, text, None, now_us)

    # -- overrides -----------------------------------------------------------------------------------------------------

    async def change(
        self,
        entries: Sequence[Known],
        new: Mapping[str, Setting | None],
        *,
        read: Mapping[str, str | None] | None = None,
    ) -> Edited:
        """Set fields of entries, or clear them (``None``).

        Args:
            entries: which.
            new: the fields.
            read: what was kept of each when somebody decided; ``None``: whatever is kept by now.

        Raises:
            EntryOvertaken: something else is kept than was read; nothing was changed.
            EntryRefused: what would come of it is no entry; nothing was changed.
            BrokerDown: the broker does not answer; it may have been changed.
        """
        for name in FIXED & new.keys():
            message = f"{name} cannot be changed: it says which entry is meant"
            raise EntryRefused(message)
        if new.get(OPTIONS) is not None:
            message = "options cannot be changed as a whole"
            raise EntryRefused(message, hint="name each: options.queue, options.headers")
        edited = Edited((), 0, 0, 0)
        waiting = {one.id: one for one in entries}
        tries = 0
        while waiting and tries < TRIES:
            some = dict(list(waiting.items())[:EDITS_LIMIT])
            texts = await self.store.read(Table.OVERRIDES, list(some))
            now_us = await self.now_us()
            if read is not None and any(texts.get(key) != read.get(key) for key in some):
                raise _overtaken()
            edits = [
                Edit(key, texts.get(key), self._laid(one, texts.get(key), new, now_us)) for key, one in some.items()
            ]
            edited = await self.store.edit(Table.OVERRIDES, edits)
            if read is not None and edited.lost:
                raise _overtaken()
            for key in some.keys() - set(edited.lost):
                del waiting[key]
            tries += bool(edited.lost)
        if not waiting:
            return edited
        message = f"{', '.join(list(waiting)[:3])}: someone else keeps changing it"
        raise EntryRefused(message)

    def _laid(self, one: Known, text: str | None, new: Mapping[str, Setting | None], now_us: int) -> str | None:
        """Lay changes over what is kept of an entry, and refuse what would not be one."""
        try:
            after = changed(text, new, now_us)
        except ValueError as error:
            hint = f"carillon entries revert {one.id} --all takes it away"
            raise EntryRefused(f"{one.id}: {error}", hint=hint) from None
        if one.definition is None or set(new) <= {PAUSE}:
            return after
        layer = read_override(after) or Layer(OVERRIDE, {})
        if one.added is not None:
            composed = compose_added(one.added, layer, self._zone, now_us)
        else:
            composed = compose(one.definition, layer, self._zone, now_us)
        if any(setting is not None for setting in new.values()):
            refuse_unsound(composed, self._check)
        return after

    async def forget(self, ids: Sequence[str]) -> Edited:
        """Take all overrides of entries away, whether there are such entries or not."""
        return await self.store.edit(Table.OVERRIDES, [Edit(one, ANYTHING, None) for one in ids])

    # -- entries of their own ------------------------------------------------------------------------------------------

    def edit_of(self, one: Added, now_us: int, *, replace: bool = False) -> Edit:
        """Write the change that adds an entry.

        Raises:
            EntryRefused: it is none, or will never fire.
        """
        edit = self.edit_if_due(one, now_us, replace=replace)
        if edit is None:
            message = f"{one.id} would never fire: all its instants are past"
            raise EntryRefused(message)
        return edit

    def edit_if_due(self, one: Added, now_us: int, *, replace: bool = False) -> Edit | None:
        """Write the change that adds an entry; ``None`` if it will never fire.

        Raises:
            EntryRefused: it is none.
        """
        if one.id in self.definitions:
            message = f'"{one.id}" is an entry of the {self.definitions[one.id].source}'
            raise EntryRefused(message, hint="change its fields with carillon entries set")
        composed = compose_added(one, None, self._zone, now_us)
        refuse_unsound(composed, self._checked)
        look_us = first_look_us(composed, now_us)
        if look_us is None:
            return None
        return Edit(one.id, ANYTHING if replace else None, write_added(one), look_us)

    def _checked(self, entry: Entry) -> Sequence[Problem]:
        """Check an entry, once of all that differ in their arguments and timing alone."""
        shape = (
            entry.task,
            entry.queue,
            entry.priority,
            entry.time_limit_s,
            entry.soft_time_limit_s,
            bool(entry.headers),
        )
        if entry.canvas is None and shape in self._sound and not _has_templates(entry):
            return ()
        problems = self._check(entry)
        if not problems and len(self._sound) < SHAPES_LIMIT:
            self._sound.add(shape)
        return problems

    async def add(self, entries: Sequence[Added], *, replace: bool = False) -> Edited:
        """Add entries.

        Raises:
            EntryRefused: one of them is none, or is there already; then nothing was changed.
            BrokerDown: the broker does not answer; it may have been added.
        """
        now_us = await self.now_us()
        edited = await self.store.edit(Table.ADDED, [self.edit_of(one, now_us, replace=replace) for one in entries])
        if edited.lost:
            message = f'"{edited.lost[0]}" is there already'
            raise EntryRefused(
                message, hint="carillon entries remove takes it away, --replace puts this one in its place"
            )
        return edited

    async def remove(self, ids: Sequence[str]) -> Removed:
        """Remove entries that were added."""
        there = list(await self.store.read(Table.ADDED, ids))
        edited = Edited((), 0, 0, 0)
        for start in range(0, len(there), EDITS_LIMIT):
            edits = [Edit(one, ANYTHING, None) for one in there[start : start + EDITS_LIMIT]]
            edited = await self.store.edit(Table.ADDED, edits)
        return Removed(tuple(there), edited)


def _overtaken() -> EntryOvertaken:
    return EntryOvertaken("it has been changed since it was read", hint="read it again, and decide anew")


def _has_templates(entry: Entry) -> bool:
    return b"{{" in orjson.dumps((entry.args, entry.kwargs), default=str)


def refuse_unsound(composed: Composed, check: Check) -> None:
    """Refuse an entry that cannot be.

    Raises:
        EntryRefused: says the first thing that is wrong, and how many more there are.
    """
    problems = list(composed.problems)
    if composed.entry is not None:
        problems += [one for one in check(composed.entry) if one.severity is Severity.ERROR]
    if problems:
        raise EntryRefused(_told(problems), hint=problems[0].hint)


def _told(problems: Sequence[Problem]) -> str:
    first = problems[0]
    where = ".".join(map(str, first.path[1:]))
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{where}: {first.message}{more}" if where else f"{first.message}{more}"
