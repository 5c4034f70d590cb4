"""Is the spool what it was? Looked at when it is opened, and row by row while it runs."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from daemon.hl7listener.spool.mark import Mark
from daemon.hl7listener.spool.schema import answer_crc, is_row_whole

QUICK_CHECK_LIMIT_BYTES = 4 * 1024**3
"""A larger file that was closed well would keep the feeds waiting; it is looked at while they run."""

FULL_CHECK_LIMIT_BYTES = 64 * 1024**2
"""A smaller file is compared with its indexes too."""


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


CHANGED = "a stored message has changed"
ANSWER = "a stored answer has changed"
_IS_FOUND = (
    "EXISTS (SELECT 1 FROM message INDEXED BY message_order WHERE feed = row.feed AND seq = row.seq)"
    " AND EXISTS (SELECT 1 FROM message INDEXED BY message_identity WHERE identity = row.identity AND seq = row.seq)"
)
_BELOW = (
    "WITH RECURSIVE name (feed) AS (SELECT min(feed) FROM message UNION ALL"
    " SELECT (SELECT min(feed) FROM message WHERE feed > name.feed) FROM name WHERE name.feed IS NOT NULL)"
    " SELECT message.* FROM name JOIN message ON message.feed = name.feed"
    " AND message.seq > coalesce((SELECT seq FROM cursor WHERE cursor.feed = name.feed), 0) AND message.seq <= ?"
)
"""What feeds that are behind the others have still to hand on; one step through the index for each feed."""

INDEX = "an index of the spool does not say what is in it"


def is_sound(connection: sqlite3.Connection, path: Path, *, was_closed: bool) -> bool:
    """Let SQLite look at its own structure, and whether what waits is found through the indexes.

    Raises:
        sqlite3.Error: it cannot even be read.
    """
    size = path.stat().st_size
    if size <= QUICK_CHECK_LIMIT_BYTES or not was_closed:
        check = "integrity_check" if size <= FULL_CHECK_LIMIT_BYTES else "quick_check"
        if [row[0] for row in connection.execute(f"PRAGMA {check}(1)")] != ["ok"]:
            return False
    return is_waiting_indexed(connection)


def is_waiting_indexed(connection: sqlite3.Connection) -> bool:
    """Say whether what lies behind all cursors is the same through the index and without it.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    [[unfound]] = connection.execute(
        f"SELECT count(*) FROM message AS row NOT INDEXED WHERE seq > ? AND NOT ({_IS_FOUND})",  # noqa: S608 - from above
        (_highest_cursor(connection),),
    )
    return not unfound


def missing_by_mark(highest: int, mark: Mark | None) -> Damage | None:
    """Compare the highest sequence number that is there with the one the outside mark says was acknowledged."""
    if mark is None or highest >= mark.sequence:
        return None
    return Damage("acknowledged messages are missing", highest + 1, mark.sequence)


def decayed_rows(connection: sqlite3.Connection) -> list[Damage]:
    """Find messages behind their feed's cursor whose row is no longer what was stored, whatever it says of itself now."""
    top = _highest_cursor(connection)
    rows = connection.execute("SELECT * FROM message NOT INDEXED WHERE seq > ?", (top,))
    found = [row[0] for row in rows if not is_row_whole(row)]
    found += [row[0] for row in connection.execute(_BELOW, (top,)) if not is_row_whole(row)]
    return [Damage(CHANGED, seq, seq) for seq in sorted(set(found))]


def _highest_cursor(connection: sqlite3.Connection) -> int:
    [[top]] = connection.execute("SELECT max(CASE typeof(seq) WHEN 'integer' THEN seq ELSE 0 END) FROM cursor")
    return int(top or 0)


def inspect(connection: sqlite3.Connection, after_seq: int, limit: int) -> tuple[list[Damage], int | None]:
    """Look at some rows and at what the indexes say of them.

    Returns:
        What is not as it was, and the last number looked at; ``None`` at the end.

    Raises:
        sqlite3.Error: they cannot be read.
    """
    rows = connection.execute(
        "SELECT * FROM message NOT INDEXED WHERE seq > ? ORDER BY seq LIMIT ?", (after_seq, limit)
    )
    first = last = 0
    found: list[Damage] = []
    for row in rows:  # one after the other: all of them may be large
        first, last = first or row[0], row[0]
        if not is_row_whole(row):
            found.append(Damage(CHANGED, last, last))
    if not first:
        return [], None
    answers = connection.execute("SELECT seq, ack, crc FROM answer WHERE seq BETWEEN ? AND ?", (first, last))
    found += [
        Damage(ANSWER, seq, seq)
        for seq, ack, crc in answers
        if not isinstance(ack, bytes) or answer_crc(seq, ack) != crc
    ]
    unfound = connection.execute(
        f"SELECT seq FROM message AS row NOT INDEXED WHERE seq BETWEEN ? AND ? AND NOT ({_IS_FOUND})",  # noqa: S608 - from above
        (first, last),
    ).fetchall()
    if unfound:
        found.append(Damage(INDEX, unfound[0][0], unfound[-1][0]))
    return found, last
