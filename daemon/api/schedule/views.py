"""What answers about the schedule look like, and what of it a caller may do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from daemon.api.http.caller import Caller, Role
from daemon.api.roles import feeds_seen
from daemon.desks.schedule import ArgumentNames, EntryDetail, EntryRow, HeldAll

NEEDED = {"delete": Role.ADMIN, "add": Role.ADMIN, "hold": Role.ADMIN}
"""Actions that take more than an operator."""

RESERVED = frozenset(("timeline", "hold", "release", "preview", "bulk", "plans"))
MARK = "~"


@dataclass(frozen=True, slots=True)
class EntryPage:
    """A page of entries.

    Attributes:
        total: how many the filter leaves.
        counts: of all entries: by state, ``trouble``, ``changed`` and ``all``.
        can_change: whether this site's broker keeps changes.
        is_complete: whether nothing that was added at run time is missing, or older than the broker has it.
    """

    items: Sequence[EntryRow]
    next: str | None
    total: int
    counts: Mapping[str, int]
    held: HeldAll | None
    can_change: bool
    as_of_at: datetime
    is_complete: bool
    allowed_actions: Sequence[str]


@dataclass(frozen=True, slots=True)
class Held:
    """Whether all schedules are held."""

    held: HeldAll | None


@dataclass(frozen=True, slots=True)
class Released:
    """What held all schedules; ``None``: nothing did."""

    was: HeldAll | None


@dataclass(frozen=True, slots=True)
class RemovedEntries:
    """The entries that are no more."""

    removed: Sequence[str]


def permitted(actions: Iterable[str], caller: Caller) -> tuple[str, ...]:
    """Leave out what the caller may not do."""
    return tuple(one for one in actions if may(caller, one))


def may(caller: Caller, action: str) -> bool:
    """Say whether a caller may do something to an entry."""
    if action == "reveal":
        return caller.may(Role.VIEWER) and feeds_seen(caller) is None  # an entry is of no feed
    return caller.may(NEEDED.get(action, Role.OPERATOR))


def row_for(row: EntryRow, caller: Caller) -> EntryRow:
    """Write a row with what its reader may do."""
    return replace(row, allowed_actions=permitted(row.allowed_actions, caller))


def detail_for(detail: EntryDetail, caller: Caller) -> EntryDetail:
    """Write a detail with what its reader may do."""
    return replace(detail, row=row_for(detail.row, caller))


def emptied(row: EntryRow) -> EntryDetail:
    """Write what is left of an entry that was no more and of which changes were taken away: nothing."""
    nothing = replace(row, allowed_actions=(), is_changed=False)
    return EntryDetail(nothing, (), (), ArgumentNames(0, ()), (), "", None, "", None, None, None, None, None)


def entry_id(part: str) -> str:
    """Read the id in a path: a mark before it tells it from our own words."""
    return part.removeprefix(MARK)
