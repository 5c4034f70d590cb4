"""Reads a daemon's copy of the history, beside the daemon or without one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from daemon.clock import SECOND_US
from daemon.errors import HistoryFailed
from daemon.keys import ASKED_KINDS, asked_prefix
from daemon.scheduler.history.schema import COLUMNS, FILE, connect_reader, run_of
from daemon.scheduler.history.why import Knowledge
from daemon.scheduler.model import How
from daemon.scheduler.run import Run, RunState

AROUND = 3
"""Runs shown before and after an instant."""

SPANS_LIMIT = 10_000
_COLUMNS = ", ".join(COLUMNS)


_ASKED = f"AND how IN ('{How.MANUAL.value}', '{How.BACKFILL.value}', '{How.MESSAGE.value}')"


def _asked_ranges(entry: str) -> Iterator[tuple[str, str]]:
    """Give between which ids those of runs of an entry lie that someone asked for."""
    for kind in ASKED_KINDS:
        prefix = asked_prefix(entry, kind)
        yield prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1)


class HistoryReader:
    """Looks into ``history.sqlite``. Every method may raise ``HistoryFailed``."""

    def __init__(self, folder: Path) -> None:
        """Open the file of a state folder.

        Raises:
            HistoryFailed: there is none, or it cannot be read.
        """
        path = folder / FILE
        if not path.is_file():
            message = f"{path}: no daemon has kept a history here"
            raise HistoryFailed(message, hint="it begins when the daemon of this state_dir runs")
        self._path = path
        with self._failing():
            self._db = connect_reader(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def runs(self, entry: str, *, count: int, states: Iterable[RunState] = (), with_asked: bool = False) -> list[Run]:
        """Give the latest runs of an entry, those in certain states if any are named, the latest first.

        ``with_asked`` adds the runs of it that someone asked for.
        """
        wanted = [state.value for state in states]
        where = f"AND state IN ({', '.join('?' * len(wanted))})" if wanted else ""
        found = self._runs(f"entry = ? {where} ORDER BY occurrence_us DESC LIMIT ?", (entry, *wanted, count))
        for low, high in _asked_ranges(entry) if with_asked else ():
            found += self._runs(
                f"entry > ? AND entry < ? {_ASKED} {where} ORDER BY occurrence_us DESC LIMIT ?",
                (low, high, *wanted, count),
            )
        return sorted(found, key=lambda run: -run.occurrence_us)[:count]

    def knows(self, entry: str) -> bool:
        """Say whether anything is recorded of an entry."""
        return bool(self._runs("entry = ? LIMIT 1", (entry,)))

    def named(self, name: str) -> str | None:
        """Give the id of the entry that was called so last: of one whose name the site file does not tell."""
        found = self._runs("name = ? AND how = ? ORDER BY id DESC LIMIT 1", (name, How.CLOCK.value))
        return found[0].entry if found else None

    def last(self, entries: Iterable[str]) -> dict[str, Run]:
        """Give the latest run of each entry, passed over ones included."""
        found = {}
        for entry in entries:
            if runs := self.runs(entry, count=1):
                found[entry] = runs[0]
        return found

    def around(self, entry: str, at_us: int) -> list[Run]:
        """Give the runs of an entry at an instant and next to it, oldest first, then those of it someone asked for."""
        before = self._runs(
            "entry = ? AND occurrence_us <= ? ORDER BY occurrence_us DESC LIMIT ?", (entry, at_us, AROUND)
        )
        after = self._runs("entry = ? AND occurrence_us > ? ORDER BY occurrence_us LIMIT ?", (entry, at_us, AROUND))
        asked = [
            run
            for low, high in _asked_ranges(entry)
            for run in self._runs(
                f"entry > ? AND entry < ? {_ASKED} AND occurrence_us / 1000000 = ? LIMIT ?",
                (low, high, at_us // SECOND_US, AROUND),
            )
        ]
        return [*before[::-1], *after, *asked]

    def knowledge(self, entry: str, at_us: int) -> Knowledge:
        """Give what the history holds about an instant of an entry, and what it cannot hold."""
        with self._failing():
            [[first_us]] = self._db.execute("SELECT min(settled_us) FROM run")
            [[entry_us]] = self._db.execute("SELECT min(occurrence_us) FROM run WHERE entry = ?", (entry,))
            watches = self._db.execute("SELECT began_us, seen_us FROM watch ORDER BY id LIMIT ?", (SPANS_LIMIT,))
            spans = tuple((began_us, seen_us) for began_us, seen_us in watches)
            gaps = self._db.execute("SELECT from_us, until_us FROM gap ORDER BY id LIMIT ?", (SPANS_LIMIT,))
            holes = tuple((from_us, until_us) for from_us, until_us in gaps)
        return Knowledge(tuple(self.around(entry, at_us)), first_us, entry_us, spans, holes)

    def _runs(self, where: str, values: tuple[object, ...]) -> list[Run]:
        with self._failing():
            found = self._db.execute(f"SELECT {_COLUMNS} FROM run WHERE {where}", values)  # noqa: S608 - our own words
            return [run_of(row) for row in found]

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError) as error:
            message = f"{self._path}: the history cannot be read ({type(error).__name__})"
            raise HistoryFailed(
                message, hint="if it is damaged, the daemon puts it aside and begins a new one"
            ) from None
