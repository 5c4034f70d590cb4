"""What the API and the commands ask of the schedule: protocols. The values are in ``daemon/desks/schedule.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from daemon.desks.schedule import (
    Arguments,
    Asked,
    Carried,
    Choice,
    EntryDetail,
    EntryRow,
    Fires,
    HeldAll,
    Listing,
    Plan,
    Reason,
    RunRow,
    Timeline,
    Trial,
    Wanted,
)


@dataclass(frozen=True, slots=True)
class Why:
    """Who wants something, why, and until when it lasts (microseconds on our clock)."""

    who: str
    reason: str = ""
    until_us: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Fields to be set or cleared; values are left out of the representation."""

    set: Mapping[str, Any] = field(repr=False)
    clear: Sequence[str] = ()


class ScheduleView(Protocol):
    """The schedule, to be looked at. An entry that is not there is ``NotThere``."""

    async def listing(self, wanted: Wanted) -> Listing:
        """Give a page of the entries."""
        ...

    async def row(self, entry: str) -> EntryRow:
        """Give an entry as lists have it."""
        ...

    async def detail(self, entry: str) -> tuple[EntryDetail, str]:
        """Give an entry by itself, and the tag of what can be changed of it."""
        ...

    async def arguments(self, entry: str) -> Arguments:
        """Give what its tasks are given. Who asks must be allowed to see it, and it must be recorded."""
        ...

    async def fires(self, entry: str, count: int, until_us: int | None) -> Fires:
        """Give coming occurrences."""
        ...

    async def trial(self, entry: str | None, change: Change) -> Trial:
        """Say what a change would make of an entry, or of none: then ``set`` is a whole one."""
        ...

    async def history(
        self, entry: str, limit: int, before: tuple[int, str] | None, states: Sequence[str], *, with_asked: bool
    ) -> list[tuple[RunRow, str]]:
        """Give what is recorded of its occurrences, the latest first, each with its key."""
        ...

    async def why(self, entry: str, at_us: int | None) -> Reason:
        """Say why an occurrence ran or did not; ``None``: the last that was due."""
        ...

    async def timeline(self, from_us: int, to_us: int, limit: int) -> Timeline:
        """Draw entries on one axis of time: those in trouble first, then those that are due next."""
        ...

    async def held(self) -> HeldAll | None:
        """Say whether all schedules are held."""
        ...

    async def handed_over(self, limit: int, before: int | None) -> list[tuple[RunRow, int]]:
        """Give what was handed over last, the latest first, each with its number."""
        ...


class ScheduleSteering(Protocol):
    """The schedule, to be changed.

    An entry that is not there is ``NotThere``, what cannot be is ``DeskRefused``, a broker that keeps no changes ``NotHere``.
    """

    def require(self) -> None:
        """Refuse if the broker cannot keep changes."""
        ...

    async def pause(self, entry: str, why: Why) -> None:
        """Pass over its occurrences from now on."""
        ...

    async def resume(self, entry: str) -> None:
        """Go on with it."""
        ...

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
        ...

    async def edit(self, entry: str, change: Change, why: Why, tag: str) -> None:
        """Set and clear fields, unless it was changed since (``tag``; empty: whatever it is)."""
        ...

    async def revert(self, entry: str, fields: Sequence[str], tag: str) -> None:
        """Take changes of it away; all of them if none is named."""
        ...

    async def add(self, name: str, data: Mapping[str, Any], why: Why) -> None:
        """Add an entry."""
        ...

    async def remove(self, entry: str) -> None:
        """Remove an entry that was added."""
        ...

    async def hold(self, why: Why) -> None:
        """Hold all schedules."""
        ...

    async def release(self) -> HeldAll | None:
        """Let them go on; give what held them."""
        ...

    async def plan(self, action: str, ids: Sequence[str], choice: Choice | None) -> Plan:
        """Freeze a set of entries."""
        ...

    async def plan_backfill(self, entry: str, from_us: int, to_us: int, overlap: str) -> Plan:
        """Freeze the occurrences of a window of the past."""
        ...

    def planned(self, token: str) -> Plan:
        """Give a plan by its token."""
        ...

    async def carry_out(self, token: str, why: Why) -> Carried:
        """Carry out a plan, once."""
        ...
