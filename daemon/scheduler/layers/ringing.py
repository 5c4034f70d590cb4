"""Runs of entries that messages ask for: entries that fire once, added like those asked for by hand.

A run is known by its entry, its instant and its request. Asked for again, it is there already, or has been: the ledger of
one-off entries remembers it for a week.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anyio

from daemon.clock import instant
from daemon.events import Warned
from daemon.keys import asked_id, asked_prefix
from daemon.ports import Emit, Ring
from daemon.public import Public, reason
from daemon.scheduler.errors import EntryRefused
from daemon.scheduler.layers.added import Added
from daemon.scheduler.layers.desk import Known, ScheduleDesk
from daemon.scheduler.layers.ports import EDITS_LIMIT, Edit, Table
from daemon.scheduler.model import How

OF_THE_ENTRY = ("task", "chain", "group", "chord", "args", "kwargs", "options", "overlap", "limit")
"""What a run has of its entry."""

_RUN = "run"


class Ringing:
    """Turns rings into entries that fire once."""

    name = Public("ringing")

    def __init__(self, site: Public, desk: ScheduleDesk, emit: Emit) -> None:
        """Keep the collaborators; no I/O happens here."""
        self._site = site
        self._desk = desk
        self._emit = emit
        self._stop = anyio.Event()
        self._refused: set[tuple[Public, str]] = set()

    async def open(self) -> None:
        """Take nothing: the connection is made with the first ring."""
        self._stop = anyio.Event()

    async def serve(self) -> None:
        """Be there until drained; then close the connection."""
        try:
            await self._stop.wait()
        finally:
            with anyio.CancelScope(shield=True):
                await self._desk.store.close()

    async def drain(self) -> None:
        """Close the connection."""
        self._stop.set()

    async def ring(self, rings: Sequence[Ring]) -> None:
        """Have entries run; see ``daemon.ports.Bell``."""
        known = await self._desk.find(sorted({str(one.entry) for one in rings}))
        edits: dict[str, Edit] = {}
        now_us = await self._desk.now_us()
        for one in rings:
            edit = self._edit(one, known.get(str(one.entry)), now_us)
            if edit is not None:
                edits[edit.id] = edit
        waiting = list(edits.values())
        for start in range(0, len(waiting), EDITS_LIMIT):
            await self._desk.store.edit(Table.ADDED, waiting[start : start + EDITS_LIMIT])

    def _edit(self, one: Ring, known: Known | None, now_us: int) -> Edit | None:
        composed = None if known is None else known.composed
        if known is None or composed is None:
            self._refuse(one, Public("there is no such entry"))
            return None
        if composed.entry is None or composed.entry.pause is not None:
            self._refuse(one, Public("the entry is paused, disabled or cannot be"))
            return None
        try:
            return self._desk.edit_of(run_of(one, known, composed.data, composed.entry.zone, self._site), now_us)
        except EntryRefused as error:
            self._refuse(one, reason(error))
            return None

    def _refuse(self, one: Ring, why: Public) -> None:
        if (one.entry, why) not in self._refused:  # once, not for each message
            self._refused.add((one.entry, why))
            self._emit(Warned(Public("entry-not-rung"), one.entry, why))


def run_of(one: Ring, known: Known, data: Mapping[str, Any], zone: str | None, site: Public) -> Added:
    """Make the entry that fires once for a ring."""
    run = {key: data[key] for key in OF_THE_ENTRY if key in data}
    at = instant(one.at_us).isoformat(timespec="microseconds")
    return Added(
        id=f"{asked_prefix(known.id, _RUN)}{one.request}.{one.at_us}",
        name=str(one.entry),
        data={**run, "at": at},
        author=f"feed {one.feed}",
        at_us=one.at_us,
        begins_us=one.at_us - 1,
        how=How.MESSAGE,
        is_once=True,
        task_id=asked_id(site, known.id, one.at_us, one.request),
        zone=zone,
        kin=known.id,
    )
