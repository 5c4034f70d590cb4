"""What changing a schedule at run time needs of the broker: two tables of texts, an index of instants, and a count.

Texts are JSON (``override.py``, ``added.py``); the store neither reads nor makes them. ``daemon/dispatch`` stands behind it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from daemon.scheduler.model import Entry


class Table(Enum):
    """What is kept of entries at run time, by their ids."""

    OVERRIDES = "overrides"
    """Fields that someone changed."""
    ADDED = "added"
    """Whole entries that someone added."""


class Anything(Enum):
    """Stands where it does not matter what is there."""

    ANYTHING = "anything"


ANYTHING = Anything.ANYTHING


class Edit(NamedTuple):
    """One change. The text is left out of the representation, for it may hold arguments.

    Attributes:
        expect: the text as it was read; ``None`` if nothing may be there.
        text: the new one; ``None`` takes it away.
        look_us: of an entry that is added: when to look at it first; never after its next occurrence.
    """

    id: str
    expect: str | Anything | None
    text: str | None
    look_us: int = 0

    def __repr__(self) -> str:
        """Show which entry it concerns."""
        return f"Edit(id={self.id!r})"


class Edited(NamedTuple):
    """What became of changes.

    Attributes:
        lost: ids that stood otherwise than expected; nothing was changed of them.
        changes: how many there have been of the site.
        heard: how many daemons were listening.
        broker_us: the broker's clock.
    """

    lost: tuple[str, ...]
    changes: int
    heard: int
    broker_us: int


class Look(NamedTuple):
    """When to look at an added entry, as it was read: earlier than its next occurrence, or then."""

    id: str
    at_us: int


class Later(NamedTuple):
    """When to look at an added entry next, provided that nothing was changed of it since it was read.

    Attributes:
        seen_us: the instant that was read.
        at_us: the next; ``None`` if it will never be due again.
        is_spent: whether to remove the entry itself.
    """

    id: str
    seen_us: int
    at_us: int | None
    is_spent: bool = False


class Seen(NamedTuple):
    """How many changes there have been, and the broker's clock."""

    changes: int
    broker_us: int


class Told(NamedTuple):
    """An announcement: how many changes there have been with this one, and the ids it concerned."""

    changes: int
    table: Table
    ids: tuple[str, ...]


class RuntimeStore(Protocol):
    """Where changes at run time are kept. Every call raises ``BrokerDown`` if the broker does not answer."""

    async def seen(self) -> Seen:
        """Count the changes there have been."""
        ...

    async def read(self, table: Table, ids: Sequence[str]) -> Mapping[str, str]:
        """Read texts; absent ones are missing."""
        ...

    def pages(self, table: Table) -> AsyncIterator[Mapping[str, str]]:
        """Read a whole table, some hundred texts at a time; what is changed meanwhile may be missing or come twice."""
        ...

    async def edit(self, table: Table, edits: Sequence[Edit]) -> Edited:
        """Change texts, all in one step, and tell all daemons; at most ``EDITS_LIMIT``."""
        ...

    async def looks(self, within_us: int, most: int) -> tuple[list[Look], int]:
        """Give the added entries to be looked at by so long after the broker's now, earliest first, and the broker's now."""
        ...

    async def looks_of(self, ids: Sequence[str]) -> list[Look]:
        """Give when to look at these; those that will never be due are missing."""
        ...

    async def postpone(self, laters: Sequence[Later]) -> list[str]:
        """Note when to look next; give the ids of those that were changed meanwhile, of which nothing was noted."""
        ...

    async def listen(self, told: Callable[[Told], None], joined: Callable[[], Awaitable[None]]) -> None:
        """Hand on announcements until cancelled; ``joined`` is called whenever some may have been missed."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


EDITS_LIMIT = 1000


class Schedule(Protocol):
    """The scheduler, as far as its entries come and go."""

    def put(self, entries: Iterable[Entry]) -> None:
        """Add entries, or replace those of the same id."""
        ...

    def drop(self, ids: Iterable[str]) -> None:
        """Take entries out."""
        ...

    def shut(self, ids: Iterable[str]) -> None:
        """Take entries out that someone disabled: enabled again, they are counted from then."""
        ...
