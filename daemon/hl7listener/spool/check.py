"""Is the spool what it was? Looked at when it is opened, before anything is acknowledged on its strength."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.hl7listener.finding import Disposition
from daemon.hl7listener.spool.mark import Mark
from daemon.hl7listener.spool.schema import connect_reader, is_row_whole

QUICK_CHECK_LIMIT_BYTES = 4 * 1024**3
"""A larger file would keep the feeds waiting; its rows are checked one by one as they are read."""

_SALVAGE_STEP = 256
_SMALL_TABLES = {"epoch": "?, ?, ?", "cursor": "?, ?", "parked": "?, ?, ?"}


@dataclass(frozen=True, slots=True)
class Damage:
    """Acknowledged messages that are not what they were.

    Attributes:
        what: in words.
        first, last: the range of sequence numbers it concerns.
    """

    what: str
    first: int
    last: int


def is_sound(connection: sqlite3.Connection, path: Path) -> bool:
    """Let SQLite look at its own structure.

    Raises:
        sqlite3.Error: it cannot even be read.
    """
    if path.stat().st_size > QUICK_CHECK_LIMIT_BYTES:
        return True
    return [row[0] for row in connection.execute("PRAGMA quick_check(1)")] == ["ok"]


def missing_by_mark(highest: int, mark: Mark | None) -> Damage | None:
    """Compare the highest sequence number that is there with the one the outside mark says was acknowledged."""
    if mark is None or highest >= mark.sequence:
        return None
    return Damage("acknowledged messages are missing", highest + 1, mark.sequence)


def decayed_rows(connection: sqlite3.Connection) -> list[Damage]:
    """Find messages still to be handed on whose bytes are no longer what was stored."""
    rows = connection.execute(
        "SELECT seq, feed, received_us, data, crc FROM message WHERE disposition = ? AND seq > "
        "coalesce((SELECT seq FROM cursor WHERE cursor.feed = message.feed), 0) ORDER BY seq",
        (Disposition.ROUTED.value,),
    )
    return [
        Damage("a stored message has changed", seq, seq)
        for seq, feed, received_us, data, crc in rows
        if not is_row_whole(seq, feed, received_us, data, crc)
    ]


def salvage(damaged: Path, fresh: sqlite3.Connection) -> list[Damage]:
    """Copy what can be read of a damaged spool into a fresh one: epochs, sequence numbers and cursors stay what they were.

    Returns:
        What could not be read.

    Raises:
        sqlite3.Error: the fresh one cannot be written.
    """
    lost: list[Damage] = []
    with closing(connect_reader(damaged)) as source:
        try:
            small = {table: source.execute(f"SELECT * FROM {table}").fetchall() for table in _SMALL_TABLES}  # noqa: S608 - names from above
            [[highest]] = source.execute("SELECT coalesce(max(seq), 0) FROM message")
        except sqlite3.Error:
            return [Damage("the damaged spool cannot be read to its end", 0, 0)]
        for table, rows in small.items():
            fresh.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({_SMALL_TABLES[table]})", rows)  # noqa: S608
        for start in range(1, highest + 1, _SALVAGE_STEP):
            good, bad = _readable(source, start, min(start + _SALVAGE_STEP - 1, highest))
            fresh.executemany("INSERT OR IGNORE INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", good)
            lost += [Damage("an acknowledged message cannot be read", seq, seq) for seq in bad]
    return lost


def _readable(source: sqlite3.Connection, start: int, end: int) -> tuple[list[tuple[Any, ...]], list[int]]:
    """Read a range of rows, halving it around what cannot be read; rows with a wrong sum are bad too."""
    try:
        rows = source.execute("SELECT * FROM message WHERE seq BETWEEN ? AND ?", (start, end)).fetchall()
    except sqlite3.Error:
        if start == end:
            return [], [start]
        middle = (start + end) // 2
        first, first_bad = _readable(source, start, middle)
        second, second_bad = _readable(source, middle + 1, end)
        return first + second, first_bad + second_bad
    good, bad = [], []
    for row in rows:
        seq, _, feed, received_us, _, reason, _, data, _, crc = row
        if is_row_whole(seq, feed, received_us, data, crc) and row.count(None) == (reason is None):
            good.append(row)
        else:
            bad.append(seq)
    return good, bad
