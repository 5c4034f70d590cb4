"""django-celery-beat's tables as a live source of entries: the admin goes on being where schedules are edited."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, TypeAlias

import anyio
import anyio.lowlevel

from daemon.clock import Clock, instant
from daemon.errors import SourceDown
from daemon.ports import Emit
from daemon.public import Public, reason
from daemon.source_events import EntryUncarried, SourceLost, SourceUp
from daemon.sources.django_row import DjangoRow, Noted, django_entry
from daemon.sources.sourced import SourcedEntry, Unfit

SCAN_S = 30.0
"""How often all rows are read although no mark moved: bulk updates and raw SQL leave none."""

NOTE_S = 3.0
"""How long runs are gathered before they are written back."""

HANDED_OVER = 50
"""Entries handed over at once; in between the scheduler gets its turn."""

RETRY_FIRST_S, RETRY_MOST_S = 1.0, 60.0
FAREWELL_S = 5.0

Changed: TypeAlias = Callable[[Sequence[SourcedEntry], Sequence[Public]], None]
"""Takes rows that are new or different, disabled ones included, and names of those that are gone; never fails or waits."""


class Store(Protocol):
    """Where the rows are (``DjangoStore``)."""

    @property
    def address(self) -> Public:
        """Say where it is."""
        ...

    async def marks(self) -> tuple[Any, ...]:
        """Give what differs after every save."""
        ...

    async def rows(self) -> Sequence[DjangoRow]:
        """Read everything."""
        ...

    async def note(self, runs: Sequence[Noted]) -> None:
        """Write back what ran."""
        ...

    async def close(self) -> None:
        """Let the connection go."""
        ...


class _Row(NamedTuple):
    pk: int
    is_once: bool


class _Judged(NamedTuple):
    """What a row means, and the entry it is, or else why it is none."""

    meaning: DjangoRow
    entry: SourcedEntry | None
    reason: str


class DjangoBeat:
    """Follows the tables and hands over what changed; writes back when entries ran.

    While the database is away the last known entries go on, and runs are kept to be written later.
    """

    name = Public("django-beat")

    def __init__(
        self,
        store: Store,
        clock: Clock,
        emit: Emit,
        changed: Changed,
        *,
        poll_s: float = 5.0,
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        Args:
            store: the tables.
            clock: of the scheduler.
            emit: takes events.
            changed: takes entries: the uppermost layer but for what is changed at run time (``overlay.py``).
            poll_s: between two looks.
        """
        self._store = store
        self._clock = clock
        self._emit = emit
        self._changed = changed
        self._poll_s = poll_s
        self._stop = anyio.Event()
        self._marks: tuple[Any, ...] | None = None
        self._scanned_s = 0.0
        self._noted_s = 0.0
        self._judged: dict[int, _Judged] = {}
        self._rows: dict[Public, _Row] = {}
        self._left: dict[str, str] = {}
        self._runs: dict[int, Noted] = {}
        self._is_up: bool | None = None

    async def open(self) -> None:
        """Read the tables, so that nothing runs before it is known what they say; if they cannot be read now, go on without."""
        self._stop = anyio.Event()
        try:
            await self._look()
        except SourceDown as error:
            self._lost(error)

    async def serve(self) -> None:
        """Follow the tables until drained."""
        pause_s = RETRY_FIRST_S
        try:
            while not self._stop.is_set():
                try:
                    await self._look()
                    await self._note(self._clock.monotonic_s())
                    wait_s, pause_s = min(self._poll_s, NOTE_S) if self._runs else self._poll_s, RETRY_FIRST_S
                except SourceDown as error:
                    self._lost(error)
                    wait_s, pause_s = pause_s, min(pause_s * 2, RETRY_MOST_S)
                with anyio.move_on_after(wait_s):
                    await self._stop.wait()
            with anyio.move_on_after(FAREWELL_S):
                await self._farewell()
        finally:
            await self._store.close()

    async def drain(self) -> None:
        """Stop following; what ran is written back first."""
        self._stop.set()

    def ran(self, entry: Public) -> None:
        """Note that this daemon has just enqueued an occurrence of ``entry``; entries of other sources are passed over."""
        row = self._rows.get(entry)
        if row is None:
            return
        at, before = instant(self._clock.now_us()), self._runs.get(row.pk)
        if before is not None:
            self._runs[row.pk] = before._replace(at=max(at, before.at), runs=before.runs + 1)
        else:
            self._runs[row.pk] = Noted(row.pk, at, 1, row.is_once)

    # -- reading -------------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        marks = await self._store.marks()
        now_s = self._clock.monotonic_s()
        if self._is_up and marks == self._marks and now_s - self._scanned_s < SCAN_S:
            return
        rows = await self._store.rows()
        self._marks, self._scanned_s = marks, now_s
        await self._take(rows)
        if not self._is_up:
            self._is_up = True
            self._emit(SourceUp(self.name, self._store.address, len(self._rows)))

    async def _take(self, rows: Sequence[DjangoRow]) -> None:
        """Bring over the rows that mean something else than before, and hand them over some at a time."""
        judged: dict[int, _Judged] = {}
        found: dict[Public, _Row] = {}
        changed: list[SourcedEntry] = []
        for row in sorted(rows, key=lambda row: row.pk):
            before = self._judged.get(row.pk)
            if (
                before is not None
                and before.meaning == row.meaning
                and not (before.entry and before.entry.name in found)
            ):
                judged[row.pk] = before
            else:
                judged[row.pk] = self._judge(row, found)
                await anyio.lowlevel.checkpoint()
            entry = judged[row.pk].entry
            if entry is not None:
                found[entry.name] = _Row(row.pk, row.one_off)
                if before is None or _differs(before.entry, entry):
                    changed.append(entry)
        gone = [name for name in self._rows if name not in found]
        self._judged, self._rows = judged, found
        self._report({by.meaning.name: by.reason for by in judged.values() if by.entry is None})
        for start in range(0, max(len(changed), bool(gone)), HANDED_OVER):
            self._changed(changed[start : start + HANDED_OVER], gone if start == 0 else [])
            await anyio.lowlevel.checkpoint()

    def _judge(self, row: DjangoRow, taken: Container[str]) -> _Judged:
        try:
            entry = django_entry(row, taken)
        except Unfit as error:
            return _Judged(row.meaning, None, error.reason)
        told = {"id": f"django-{row.pk}", **entry.data, "enabled": entry.enabled}  # said, so that it wins both ways
        return _Judged(row.meaning, replace(entry, data=told), "")

    def _report(self, reasons: Mapping[str, str]) -> None:
        for original, why in reasons.items():
            if self._left.get(original) != why:
                self._emit(EntryUncarried(self.name, Public(original), Public(why)))
        self._left = dict(reasons)

    def _lost(self, error: SourceDown) -> None:
        if self._is_up is not False:
            self._emit(SourceLost(self.name, Public(error.code), reason(error)))
        self._is_up = False

    # -- writing -------------------------------------------------------------------------------------------------------

    async def _note(self, now_s: float) -> None:
        if self._runs and now_s - self._noted_s >= NOTE_S:
            self._noted_s = now_s
            await self._write()

    async def _write(self) -> None:
        runs, self._runs = self._runs, {}
        try:
            await self._store.note(list(runs.values()))
        except SourceDown:
            self._keep(runs)
            raise

    def _keep(self, runs: Mapping[int, Noted]) -> None:
        """Put runs back that were not written, beside those that came meanwhile."""
        for pk, one in runs.items():
            later = self._runs.get(pk)
            self._runs[pk] = one if later is None else later._replace(runs=later.runs + one.runs)

    async def _farewell(self) -> None:
        if self._runs and self._is_up:
            try:
                await self._write()
            except SourceDown as error:
                self._lost(error)


def _differs(before: SourcedEntry | None, now: SourcedEntry) -> bool:
    """Say whether an entry is another than before; when it ran last is not part of that."""
    return before is None or (before.name, before.data) != (now.name, now.data)
