"""Carrying a spool over into a new file: all of an older version's, and what can be read of a damaged one."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

from daemon.hl7listener.judging.finding import Disposition
from daemon.hl7listener.spool.check import Damage
from daemon.hl7listener.spool.rows import identity_of
from daemon.hl7listener.spool.schema import SCHEMA_VERSION, connect_reader, is_row_whole, row_crc
from daemon.hl7listener.text.header import HeaderFault, parse_header

_STEP = 256
_COMMIT_EVERY = 16
_LAST_IDENTITY = (1 << 63) - 1
_SMALL_TABLES = {
    "epoch": (1, "?, ?, ?"),
    "cursor": (1, "?, ?"),
    "parked": (1, "?, ?, ?"),
    "pending": (2, "?, ?, ?"),
    "answer": (2, "?, ?, ?"),
    "sequence": (2, "?, ?, ?"),
    "secret": (2, "?, ?"),
}
"""Since which schema there are tables, beside that of messages, and the places of their columns."""

Values: TypeAlias = tuple[Any, ...]


def carry_over(source_path: Path, fresh: sqlite3.Connection, *, highest_seq: int = 0) -> list[Damage]:
    """Copy what can be read of a spool into a fresh one: epochs, sequence numbers and cursors stay what they were.

    It is looked for messages up to ``highest_seq`` at least, in case the file itself does not tell.

    Returns:
        What could not be read.

    Raises:
        sqlite3.Error: the fresh one cannot be written.
    """
    lost: list[Damage] = []
    with closing(connect_reader(source_path)) as source:
        try:
            [[version]] = source.execute("PRAGMA user_version")
            source.execute("SELECT 1 FROM message WHERE seq = 0")
        except sqlite3.Error:
            return [Damage("the damaged spool cannot be read to its end", 0, 0)]
        fresh.execute("BEGIN IMMEDIATE")
        for table, (since, places) in _SMALL_TABLES.items():
            if version < since:
                continue
            rows, is_all = _read_to_error(source, f"SELECT * FROM {table}")  # noqa: S608 - names from above
            fresh.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({places})", rows)  # noqa: S608
            if not is_all:
                lost.append(Damage(f"the table of the spool named {table} cannot be read to its end", 0, 0))
        try:
            [[highest]] = source.execute("SELECT coalesce(max(seq), 0) FROM message")
        except sqlite3.Error:
            highest = 0
        modern = _modern if version < SCHEMA_VERSION else _whole
        for number, start in enumerate(range(1, max(highest, highest_seq) + 1, _STEP), 1):
            good, bad = _readable(source, start, start + _STEP - 1, modern)
            for row in good:
                _insert(fresh, row)
            lost += [Damage("an acknowledged message cannot be read", seq, seq) for seq in bad if seq <= highest]
            if number % _COMMIT_EVERY == 0:
                fresh.execute("COMMIT")
                fresh.execute("BEGIN IMMEDIATE")
        fresh.execute(  # an epoch that cannot be read any more gets a token of its own: its messages must stay reachable
            "INSERT INTO epoch SELECT epoch, 'lost-' || epoch || '-' || hex(randomblob(4)), 0 FROM message"
            " WHERE epoch NOT IN (SELECT id FROM epoch) GROUP BY epoch"
        )
        fresh.execute("COMMIT")
    return lost


def _read_to_error(source: sqlite3.Connection, question: str) -> tuple[list[Values], bool]:
    rows: list[Values] = []
    try:
        rows.extend(source.execute(question))
    except sqlite3.Error:
        return rows, False
    return rows, True


def _readable(
    source: sqlite3.Connection, start: int, end: int, modern: Callable[[Values], Values | None]
) -> tuple[list[Values], list[int]]:
    """Read a range of rows, halving it around what cannot be read; rows with a wrong sum are bad too."""
    try:
        rows = source.execute(
            "SELECT * FROM message NOT INDEXED WHERE seq BETWEEN ? AND ? ORDER BY seq", (start, end)
        ).fetchall()
    except sqlite3.Error:
        if start == end:
            return [], [start]
        middle = (start + end) // 2
        first, first_bad = _readable(source, start, middle, modern)
        second, second_bad = _readable(source, middle + 1, end, modern)
        return first + second, first_bad + second_bad
    read = [(row[0], modern(row)) for row in rows]
    return [row for _, row in read if row is not None], [seq for seq, row in read if row is None]


def _whole(row: Values) -> Values | None:
    return row if is_row_whole(row) else None


def _modern(row: Values) -> Values | None:
    """Give a row of the first schema the form it has today."""
    seq, epoch, feed, received_us, disposition, reason, _, data, ack, crc = row
    if not isinstance(data, bytes) or not isinstance(ack, bytes) or row.count(None) != (reason is None):
        return None
    if zlib.crc32(data, zlib.crc32(f"{seq}\n{feed}\n{received_us}\n".encode("utf-8", "backslashreplace"))) != crc:
        return None
    header = parse_header(data)
    salt = reason if disposition == Disposition.QUARANTINED.value and reason else ""
    identity = identity_of(feed, data, None if isinstance(header, HeaderFault) else header, salt=salt)
    head = (seq, epoch, feed, received_us, disposition, reason, identity, 0, "", 0)
    return (*head, row_crc(head, ack, data), ack, data)


def _insert(fresh: sqlite3.Connection, row: Values) -> None:
    """Insert a row, under the next free identity if its own is taken; leave it out if its number is there already."""
    places = ",".join("?" * len(row))
    while True:
        try:
            fresh.execute(f"INSERT INTO message VALUES ({places})", row)  # noqa: S608 - place holders
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
                return
            if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_UNIQUE:
                raise
            identity = row[6] + 1 if row[6] < _LAST_IDENTITY else -_LAST_IDENTITY - 1
            head = (*row[:6], identity, *row[7:10])
            row = (*head, row_crc(head, row[11], row[12]), *row[11:])
        else:
            return
