"""A live source over the application and the site file: which entries result when its rows change. Pure but for what it keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from daemon.clock import microseconds
from daemon.ports import Emit
from daemon.public import Public
from daemon.scheduler.layers import Layer, merge
from daemon.scheduler.layers.compose import Definition
from daemon.scheduler.layers.ports import Schedule
from daemon.scheduler.model import Entry
from daemon.source_events import EntryUncarried
from daemon.sources.fitting import fitted
from daemon.sources.sourced import SourcedEntry, Unfit

Define: TypeAlias = Callable[[Sequence[Definition], Sequence[Entry], Sequence[str]], None]
"""Takes definitions that are new or different, those of their entries that run, and ids of what is gone."""


class Overlay:
    """Lays the rows of a source over what lower layers say of entries of the same names, field by field.

    An entry of the lower layers keeps what it is known by; without one, a row is known by its own ``id``. When a row goes, the
    lower layers hold again.
    """

    def __init__(self, source: Public, zone: Public, base: Iterable[Definition], define: Define, emit: Emit) -> None:
        """Keep the collaborators.

        Args:
            source: name of the layer.
            zone: of the site.
            base: entries of the application and the site file, disabled ones included.
            define: takes what results.
            emit: hears of rows that can never fire, or do not go with what lies below them.
        """
        self._source = source
        self._zone = zone
        self._base = {one.name: one for one in base}
        self._define = define
        self._emit = emit
        self._ids: dict[Public, str] = {name: one.id for name, one in self._base.items()}

    def __call__(self, changed: Sequence[SourcedEntry], gone: Sequence[Public]) -> None:
        """Take rows that are new or different, and names of those that are gone."""
        definitions: list[Definition] = []
        entries: list[Entry] = []
        left = [(name, None) for name in gone]
        for name, row in [*left, *((row.name, row) for row in changed)]:
            definition, entry = self._below(name) if row is None else self._over(row)
            if definition is not None:
                definitions.append(definition)
            if entry is not None:
                entries.append(entry)
        known = {one.id for one in definitions}
        names = {*gone, *(row.name for row in changed)}
        lost = [self._ids.pop(name) for name in names if name in self._ids]
        self._ids.update({one.name: one.id for one in definitions})
        self._define(definitions, entries, sorted({one for one in lost if one not in known}))

    def _below(self, name: Public) -> tuple[Definition | None, Entry | None]:
        base = self._base.get(name)
        if base is None:
            return None, None
        try:
            return base, self._entry(base)
        except Unfit:
            return base, None  # as ``carillon check`` said

    def _over(self, row: SourcedEntry) -> tuple[Definition | None, Entry | None]:
        base = self._base.get(row.name)
        data = dict(row.data)
        layers: tuple[Layer, ...] = ()
        if base is not None:
            data.pop("id", None)
            layers = base.layers
        definition = Definition(row.name, (*layers, Layer.of(self._source, data)))
        try:
            entry = self._entry(definition)
        except Unfit as error:
            self._emit(EntryUncarried(self._source, Public(row.original), Public(error.reason)))
            return (None, None) if base is None else (definition, None)
        if entry is not None and row.last_run_at is not None:
            entry = replace(entry, begins_us=microseconds(row.last_run_at))
        return definition, entry

    def _entry(self, definition: Definition) -> Entry | None:
        """Give the entry; ``None`` if it is disabled.

        Raises:
            Unfit: it can never fire, or makes no sense.
        """
        data = merge(definition.layers).data
        if data.get("enabled") is False:
            return None
        return replace(fitted(definition.name, data, self._zone), source=definition.source)


class Unchanged:
    """Hands entries straight to the scheduler, where nothing can be changed at run time."""

    def __init__(self, schedule: Schedule) -> None:
        """Keep the scheduler."""
        self._schedule = schedule

    def define(self, definitions: Sequence[Definition], entries: Sequence[Entry], gone: Sequence[str]) -> None:
        """Put in what runs and take out what does not."""
        running = {str(one.id) for one in entries}
        self._schedule.drop(gone)
        self._schedule.shut([one.id for one in definitions if one.id not in running])
        self._schedule.put(entries)
