"""All entries of a site at hand: what is kept in the broker is read again when it was changed, and no oftener than needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import anyio
import anyio.lowlevel

from daemon.clock import Clock
from daemon.errors import BrokerDown
from daemon.public import Public
from daemon.scheduler.desk.item import Item
from daemon.scheduler.layers.added import read_added
from daemon.scheduler.layers.compose import Composed, Definition, compose, compose_added, definition_of
from daemon.scheduler.layers.override import read_override
from daemon.scheduler.layers.ports import RuntimeStore, Table
from daemon.scheduler.model import Entry, Horizon, parse_horizon
from daemon.scheduler.run import Run
from daemon.scheduler.runs.book import RunBook
from daemon.scheduler.standing import Standing

READ_EVERY_S = 20.0
"""How often what is kept is read again though nobody told of a change."""

REST_S = 1.0
"""How long it is not read again though somebody did: one after the other may change it."""

ADDED_LIMIT = 20_000
"""Entries that were added at run time and are shown."""

FRESH_S = 0.2
"""For so long what was made serves all who ask."""

RETRY_S = 2.0
"""How long a broker that did not answer is left alone."""

BREATHER = 4
"""Entries made or planned anew until whatever else waits for the event loop gets its turn."""

WORK = 40
"""How many looks at an entry take as long as making one."""

BROKER_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the board looks.

    Attributes:
        definitions: what the layers below say, as it is now.
        entries: those of them that nobody changed at run time, ready made.
        changes: counts what was changed at run time, as far as this daemon has heard.
        standing: how the scheduler stands with an entry.
        book: the recent runs.
    """

    definitions: Callable[[], Mapping[str, Definition]]
    entries: Callable[[], Mapping[str, Entry]]
    changes: Callable[[], int]
    standing: Callable[[str], Standing | None]
    book: RunBook


class Board:
    """The entries of a site.

    Attributes:
        items: by id.
        is_complete: whether nothing is missing, and nothing may be older than the broker has it.
        is_away: whether the broker did not answer when it was asked last.
    """

    def __init__(self, zone: Public, sources: Sources, store: RuntimeStore | None, clock: Clock) -> None:
        """Keep the collaborators; nothing is read here."""
        self._zone = zone
        self._sources = sources
        self._store = store
        self._clock = clock
        self._overrides: dict[str, str] = {}
        self._added: dict[str, str] = {}
        self._changes: int | None = None
        self._read_at_s = float("-inf")
        self._is_told = True
        self._retry_at_s = self._made_at_s = float("-inf")
        self._turn = anyio.Lock()
        self._horizons: dict[str, str] = {}
        self.items: dict[str, Item] = {}
        self.is_complete = True
        self.is_away = False
        sources.book.on_change(self._on_run)

    def touch(self) -> None:
        """Hear that something was changed: the next look reads it."""
        self._is_told = True

    @property
    def is_silent(self) -> bool:
        """Say whether the broker has just not answered, so that it is not asked again at once."""
        return self.is_away and self._clock.monotonic_s() < self._retry_at_s

    def now_us(self) -> int:
        """Say what time it is."""
        return self._clock.now_us()

    async def look(self) -> int:
        """Bring all items up to date; give the time they are of."""
        async with self._turn:
            now_s = self._clock.monotonic_s()
            changes = self._sources.changes()
            age_s = now_s - self._read_at_s
            is_due = self._is_told or age_s >= READ_EVERY_S or (changes != self._changes and age_s >= REST_S)
            if is_due and now_s >= self._retry_at_s:
                await self._read(now_s, changes)
            elif now_s - self._made_at_s < FRESH_S:
                return self._clock.now_us()
            now_us = self._clock.now_us()
            await self._make(now_us)
            self._made_at_s = self._clock.monotonic_s()
            return now_us

    # -- reading -------------------------------------------------------------------------------------------------------

    async def _read(self, now_s: float, changes: int) -> None:
        if self._store is None:
            self._read_at_s, self._changes, self._is_told = now_s, changes, False
            return
        self._is_told = False
        try:
            with anyio.fail_after(BROKER_LIMIT_S):
                overrides = {
                    key: text async for page in self._store.pages(Table.OVERRIDES) for key, text in page.items()
                }
                added, is_whole = await self._read_added(self._store)
                self._horizons = dict(await self._read_horizons(added))
        except (BrokerDown, TimeoutError):
            self.is_away, self.is_complete, self._is_told = True, False, True
            self._retry_at_s = (
                self._clock.monotonic_s() + RETRY_S
            )  # of the answer: whoever waited for this does not ask again
            return
        self.is_away = False
        self._overrides, self._added, self.is_complete = overrides, added, is_whole
        self._read_at_s, self._changes = now_s, changes

    async def _read_added(self, store: RuntimeStore) -> tuple[dict[str, str], bool]:
        """Read added entries; those that fire once are runs and held tasks, which are shown elsewhere."""
        found: dict[str, str] = {}
        seen = 0
        async for page in store.pages(Table.ADDED):
            seen += len(page)
            found |= {key: text for key, text in page.items() if '"once":true' not in text}
            if len(found) >= ADDED_LIMIT or seen >= 5 * ADDED_LIMIT:
                return found, False
            await anyio.lowlevel.checkpoint()
        return found, True

    async def _read_horizons(self, added: Mapping[str, str]) -> Mapping[str, str]:
        """Read what is remembered of entries that are not in memory as they are due later."""
        away = [key for key in (*added, *self._overrides) if self._sources.standing(key) is None]
        horizons = getattr(self._store, "horizons", None)
        found: Mapping[str, str] = await horizons(away) if horizons is not None and away else {}
        return found

    # -- making --------------------------------------------------------------------------------------------------------

    async def _make(self, now_us: int) -> None:
        definitions, entries = self._sources.definitions(), self._sources.entries()
        known = self.items
        items: dict[str, Item] = {}
        work = 0
        for key, definition in list(definitions.items()):
            text = self._overrides.get(key)
            item = known.get(key)
            if item is None or not _is_same(item, definition, text, None, entries.get(key), now_us):
                item = self._item(key, definition, text, None, entries.get(key), now_us)
                work += WORK
            items[key] = item
            work += WORK * self._follow(item, now_us) + 1
            if work >= BREATHER * WORK:
                work = 0
                await anyio.lowlevel.checkpoint()
        for key in (*self._added, *(one for one in self._overrides if one not in self._added)):
            if key in definitions:
                continue
            text, added = self._overrides.get(key), self._added.get(key)
            item = known.get(key)
            if item is None or not _is_same(item, None, text, added, None, now_us):
                item = self._item(key, None, text, added, None, now_us)
                work += WORK
            items[key] = item
            work += WORK * self._follow(item, now_us) + 1
            if work >= BREATHER * WORK:
                work = 0
                await anyio.lowlevel.checkpoint()
        self.items = items

    def _follow(self, item: Item, now_us: int) -> int:
        """Take over what the scheduler knows, and work out what has passed; say whether that took work."""
        standing = self._sources.standing(item.id)
        if standing is not None:
            item.waits_us = standing.waits_us
            if standing.horizon is not None and (
                item.horizon is None or standing.horizon.since_us != item.horizon.since_us
            ):
                item.next_us = -1
            item.horizon = standing.horizon
        else:
            item.waits_us = None
        if item.next_us is not None and item.next_us <= now_us:
            item.plan(now_us)
            return 1
        return 0

    def _item(
        self,
        key: str,
        definition: Definition | None,
        override_text: str | None,
        added_text: str | None,
        plain: Entry | None,
        now_us: int,
    ) -> Item:
        override = None if override_text is None else read_override(override_text)
        added = None if added_text is None else read_added(key, added_text)
        composed: Composed | None = None
        if definition is not None and (override is not None or plain is None):
            composed = compose(definition, override, self._zone, now_us)
        elif definition is None and added is not None:
            definition = definition_of(added)
            composed = compose_added(added, override, self._zone, now_us)
        item = Item(
            key,
            definition,
            added,
            override,
            override_text,
            added_text,
            plain if composed is None else composed.entry,
            composed,
            () if composed is None else composed.problems,
            None if composed is None else composed.expires_us,
            self._horizon(key),
        )
        known = self._sources.book.of(key)
        runs = [] if known is None else known.runs()
        item.last = runs[0] if runs else None
        item.plan(now_us)
        return item

    def _horizon(self, key: str) -> Horizon | None:
        standing = self._sources.standing(key)
        if standing is not None:
            return standing.horizon
        text = self._horizons.get(key)
        return None if text is None else parse_horizon(text)

    def _on_run(self, run: Run, before: Run | None) -> None:
        del before
        item = self.items.get(run.entry)
        if item is not None and (item.last is None or run.occurrence_us >= item.last.occurrence_us):
            item.last = run


def _is_same(
    item: Item, definition: Definition | None, override: str | None, added: str | None, plain: Entry | None, now_us: int
) -> bool:
    if item.override_text != override or item.added_text != added:
        return False
    if item.expires_us is not None and item.expires_us <= now_us:
        return False
    if definition is None:
        return True
    return item.definition is definition and (override is not None or plain is None or item.entry is plain)


def composed_of(item: Item, zone: Public, now_us: int) -> Composed | None:
    """Give where the fields of an item come from."""
    if item.composed is None and item.definition is not None:
        item.composed = compose(item.definition, item.override, zone, now_us)
    return item.composed
