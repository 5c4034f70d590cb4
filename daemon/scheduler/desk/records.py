"""What the history tells of many entries at once, read in threads: recent outcomes, lateness, what lies in a stretch of time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import anyio
from anyio import to_thread

from daemon.clock import SECOND_US
from daemon.errors import HistoryFailed
from daemon.keys import ASKED_KINDS, asked_prefix
from daemon.scheduler.desk.told import Stretch, Tally
from daemon.scheduler.history import HistoryReader
from daemon.scheduler.history.schema import COLUMNS, FILE, connect_reader, run_of
from daemon.scheduler.history.why import Knowledge
from daemon.scheduler.run import Run, RunState

T = TypeVar("T")
RECENT = 20
DAY_US = 86_400 * SECOND_US
READERS = 2
_COLUMNS = ", ".join(COLUMNS)
_FAILED = f"('{RunState.FAILED.value}', '{RunState.LOST.value}')"
_LATE = "state <> 'skipped' AND settled_us > 0"


class Records:
    """Asks ``history.sqlite``. What cannot be read is taken for nothing, but for ``HistoryFailed`` where that is said."""

    def __init__(self, folder: Path) -> None:
        """Open nothing yet."""
        self._folder = folder
        self._threads = anyio.CapacityLimiter(READERS)

    async def tallies(self, entries: Sequence[str], now_us: int) -> Mapping[str, Tally]:
        """Give what the last runs of entries come to."""
        return await self._ask(lambda db: {one: _tally(db, one, now_us - DAY_US) for one in entries}, {})

    async def digest(self, now_us: int) -> Mapping[str, Tally]:
        """Give lateness and failures of all entries in the last day."""
        return await self._ask(lambda db: _digest(db, now_us - DAY_US), {})

    async def stretches(
        self, entries: Sequence[str], from_us: int, to_us: int, cell_us: int, most: int
    ) -> Mapping[str, Stretch]:
        """Give what entries have in a stretch of time, at most so many runs of each."""
        return await self._ask(
            lambda db: {one: _stretch(db, one, from_us, to_us, cell_us, most) for one in entries}, {}
        )

    async def runs(
        self, entry: str, limit: int, before: tuple[int, str] | None, states: Sequence[str], *, with_asked: bool
    ) -> list[Run]:
        """Give the runs of an entry, the latest first; ``before`` is instant and key of the last one that is known."""
        return await self._ask(lambda db: _runs(db, entry, limit, before, states, with_asked=with_asked), [])

    async def lately(self, limit: int, before: int | None) -> list[tuple[int, Run]]:
        """Give what was handed over last, each with its number."""
        return await self._ask(lambda db: _lately(db, limit, before), [])

    async def knowledge(self, entry: str, at_us: int) -> Knowledge:
        """Give what is known about an instant of an entry."""

        def read() -> Knowledge:
            try:
                with HistoryReader(self._folder) as reader:
                    return reader.knowledge(entry, at_us)
            except HistoryFailed:
                return Knowledge(())

        return await to_thread.run_sync(read, limiter=self._threads)

    async def _ask(self, question: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        def ask() -> T:
            path = self._folder / FILE
            if not path.is_file():
                return nothing
            try:
                with closing(connect_reader(path)) as db:
                    return question(db)
            except (sqlite3.Error, ValueError):
                return nothing

        return await to_thread.run_sync(ask, limiter=self._threads)


def _tally(db: sqlite3.Connection, entry: str, since_us: int) -> Tally:
    recent = db.execute(
        "SELECT state FROM run WHERE entry = ? ORDER BY occurrence_us DESC LIMIT ?", (entry, RECENT)
    ).fetchall()
    where = "FROM run WHERE entry = ? AND occurrence_us >= ?"
    [[failures]] = db.execute(f"SELECT count(*) {where} AND state IN {_FAILED}", (entry, since_us))
    [[count]] = db.execute(f"SELECT count(*) {where} AND {_LATE}", (entry, since_us))
    late_us = None
    if count:
        [[late_us]] = db.execute(
            f"SELECT max(settled_us - occurrence_us, 0) {where} AND {_LATE} ORDER BY 1 LIMIT 1 OFFSET ?",
            (entry, since_us, (count * 95 + 99) // 100 - 1),
        )
    return Tally(tuple(state for (state,) in reversed(recent)), late_us, failures)


def _digest(db: sqlite3.Connection, since_us: int) -> dict[str, Tally]:
    failures = dict(
        db.execute(
            f"SELECT entry, count(*) FROM run WHERE settled_us >= ? AND state IN {_FAILED} GROUP BY entry",  # noqa: S608 - our own words
            (since_us,),
        ).fetchall()
    )
    late = dict(
        db.execute(
            f"""
            SELECT entry, late FROM (
                SELECT entry, max(settled_us - occurrence_us, 0) AS late,
                    row_number() OVER (PARTITION BY entry ORDER BY max(settled_us - occurrence_us, 0)) AS place,
                    count(*) OVER (PARTITION BY entry) AS many
                FROM (SELECT entry, settled_us, occurrence_us FROM run WHERE settled_us >= ? AND {_LATE}
                      ORDER BY settled_us DESC LIMIT 300000)
            ) WHERE place = (many * 95 + 99) / 100
            """,  # noqa: S608 - as above
            (since_us,),
        ).fetchall()
    )
    return {entry: Tally((), late.get(entry), failures.get(entry, 0)) for entry in late.keys() | failures.keys()}


def _stretch(db: sqlite3.Connection, entry: str, from_us: int, to_us: int, cell_us: int, most: int) -> Stretch:
    where = "entry = ? AND occurrence_us >= ? AND occurrence_us < ?"
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM run WHERE {where} ORDER BY occurrence_us LIMIT ?",  # noqa: S608 - our own words
        (entry, from_us, to_us, most + 1),
    ).fetchall()
    if len(rows) <= most:
        return Stretch(tuple(map(run_of, rows)))
    late = f"CASE WHEN {_LATE} AND settled_us - occurrence_us > 60000000 THEN 'late' ELSE state END"
    cells = db.execute(
        f"SELECT (occurrence_us - ?) / ?, {late}, sum(times) FROM run WHERE {where} GROUP BY 1, 2",  # noqa: S608 - as above
        (from_us, cell_us, entry, from_us, to_us),
    ).fetchall()
    return Stretch((), tuple(cells))


def _runs(
    db: sqlite3.Connection,
    entry: str,
    limit: int,
    before: tuple[int, str] | None,
    states: Sequence[str],
    *,
    with_asked: bool,
) -> list[Run]:
    places: list[tuple[str, tuple[object, ...]]] = [("entry = ?", (entry,))]
    if with_asked:
        for kind in ASKED_KINDS:
            low = asked_prefix(entry, kind)
            high = low[:-1] + chr(ord(low[-1]) + 1)
            asked = "entry > ? AND entry < ? AND how IN ('manual', 'backfill', 'message')"
            places.append((asked, (low, high)))
    more, values = _narrowed(before, states)
    found: list[Run] = []
    for where, given in places:
        query = f"SELECT {_COLUMNS} FROM run WHERE {where}{more} ORDER BY occurrence_us DESC, key DESC LIMIT ?"  # noqa: S608 - as above
        found += map(run_of, db.execute(query, (*given, *values, limit)))
    return sorted(found, key=lambda run: (run.occurrence_us, run.key), reverse=True)[:limit]


def _narrowed(before: tuple[int, str] | None, states: Iterable[str]) -> tuple[str, tuple[object, ...]]:
    where = ""
    values: list[object] = []
    wanted = list(states)
    if wanted:
        where += f" AND state IN ({', '.join('?' * len(wanted))})"
        values += wanted
    if before is not None:
        where += " AND (occurrence_us, key) < (?, ?)"
        values += before
    return where, tuple(values)


def _lately(db: sqlite3.Connection, limit: int, before: int | None) -> list[tuple[int, Run]]:
    where = "" if before is None else "WHERE id < ?"
    query = f"SELECT id, {_COLUMNS} FROM run {where} ORDER BY id DESC LIMIT ?"  # noqa: S608 - as above
    rows = db.execute(query, (limit,) if before is None else (before, limit)).fetchall()
    return [(number, run_of(tuple(row))) for number, *row in rows]
