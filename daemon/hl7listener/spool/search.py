"""Searching the spool: read-only, beside a daemon or without one.

The index names candidates, the newest first; what is told is what the messages themselves say.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daemon.errors import SpoolFailed
from daemon.hl7listener.judging.finding import Disposition
from daemon.hl7listener.spool.facts import bucket_of, code_of, facts_of, patients_of, term_of
from daemon.hl7listener.spool.index import INDEX_FILE, OTHER
from daemon.hl7listener.spool.opening import FILE
from daemon.hl7listener.spool.query import Found, Page, Query, State, StoredMessage, state_of
from daemon.hl7listener.spool.rows import Flag
from daemon.hl7listener.spool.schema import SCHEMA_VERSION, answer_crc, connect_reader, is_row_whole

MOST_LOOKED_AT = 20_000
"""A page ends after so many candidates, found or not."""

_STEP = 64
_MOST_MERGED = 400
_DISPOSITIONS = {
    State.QUARANTINED: Disposition.QUARANTINED,
    State.FILTERED: Disposition.FILTERED,
    State.WAITING: Disposition.ROUTED,
    State.ENQUEUED: Disposition.ROUTED,
}
_TROUBLE = (State.QUARANTINED, State.PARKED)
_ROW = (
    "SELECT message.*, token, answer.ack, answer.crc, parked.reason, coalesce(cursor.seq, 0), pending.seq IS NOT NULL"
    " FROM message LEFT JOIN epoch ON epoch.id = message.epoch LEFT JOIN answer USING (seq) LEFT JOIN parked USING (seq)"
    " LEFT JOIN pending USING (seq) LEFT JOIN cursor ON cursor.feed = message.feed WHERE message.seq = ?"
)


@contextmanager
def open_search(state_dir: Path) -> Iterator[Search]:
    """Open the spool of a state folder for searching.

    Raises:
        SpoolFailed: there is none, or none of this version, or it cannot be read.
    """
    path = state_dir / FILE
    try:
        db = connect_reader(path)
    except sqlite3.Error as error:
        raise _failed(path, error) from None
    try:
        try:
            [[version]] = db.execute("PRAGMA user_version")
            if version != SCHEMA_VERSION:
                message = f"{path} has schema {version}, this version reads {SCHEMA_VERSION}"
                raise SpoolFailed(message, hint="let a daemon of this version open it once")
            yield Search(db, has_index=_attach(db, state_dir / INDEX_FILE))
        except sqlite3.Error as error:
            raise _failed(path, error) from None
    finally:
        db.close()


def _attach(db: sqlite3.Connection, index: Path) -> bool:
    """Take the index, if there is one that can be read; one that is just being begun has no tables yet."""
    if not index.exists():
        return False
    try:
        db.execute("ATTACH ? AS found", (f"{index.absolute().as_uri()}?mode=ro",))
        return db.execute("SELECT 1 FROM found.sqlite_schema WHERE name = 'term'").fetchone() is not None
    except sqlite3.DatabaseError:
        return False


class Search:
    """Finds messages. What it raises is ``sqlite3.Error``, which ``open_search`` turns into ``SpoolFailed``."""

    def __init__(self, db: sqlite3.Connection, *, has_index: bool) -> None:
        """Search on an open connection."""
        self._db = db
        self._indexed_seq = 0
        self._has_patients = False
        if has_index:
            row = db.execute("SELECT seq, has_patients FROM found.progress").fetchone()
            self._indexed_seq, self._has_patients = (0, False) if row is None else (row[0], bool(row[1]))
        row = db.execute("SELECT key FROM secret").fetchone()
        self._secret = b"" if row is None else row[0]

    def find(self, query: Query, *, before_seq: int | None = None, limit: int = 50, most: int | None = None) -> Page:
        """Find messages, the newest first, among ``most`` candidates; 20,000 if nothing is said."""
        most = MOST_LOOKED_AT if most is None else most
        low, high = self._bounds(query, before_seq)
        found: list[Found] = []
        for looked_at, seq in enumerate(self._candidates(query, low, high), 1):
            one = self._load(seq)
            if one is not None and _fits(query, one):
                found.append(one.found)
            if len(found) >= limit or looked_at >= most:
                return Page(found, seq)
        return Page(found, None)

    def show(self, seq: int) -> Found | None:
        """Give one message without its content."""
        one = self._load(seq)
        return None if one is None else one.found

    def message(self, seq: int) -> StoredMessage | None:
        """Give one message."""
        return self._load(seq)

    def members(self, seq: int) -> list[int]:
        """Give the messages of a batch, and the copies that were made of a message by hand."""
        return [
            one
            for (one,) in self._db.execute(
                "SELECT seq FROM message WHERE origin = ? AND origin <> 0 ORDER BY seq", (seq,)
            )
        ]

    # -- candidates ----------------------------------------------------------------------------------------------------

    def _bounds(self, query: Query, before_seq: int | None) -> tuple[int, int]:
        """Give the lowest sequence number that can fit, and the first behind the highest."""
        [[lowest]] = self._db.execute("SELECT coalesce(min(seq), 0) FROM message")
        [[highest]] = self._db.execute(
            "SELECT coalesce(max(seq), 0) FROM message"
        )  # two questions: together they read all
        low = lowest if query.since_us is None else self._first_from(query.since_us, lowest, highest + 1)
        high = highest + 1 if query.until_us is None else self._first_from(query.until_us, lowest, highest + 1)
        return low, high if before_seq is None else min(high, before_seq)

    def _first_from(self, at_us: int, low: int, high: int) -> int:
        """Find the first message that came at an instant or later, by halving: they are numbered as they came."""
        while low < high:
            middle = (low + high) // 2
            row = self._db.execute(
                "SELECT seq, received_us FROM message WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT 1", (middle, high)
            ).fetchone()
            if row is None or row[1] >= at_us:
                high = middle
            else:
                low = row[0] + 1
        return low

    def _candidates(self, query: Query, low: int, high: int) -> Iterator[int]:
        if query.is_trouble:
            yield from heapq.merge(
                self._aside(Disposition.QUARANTINED, low, high), self._parked(low, high), reverse=True
            )
            return
        if query.state in (State.PARKED, State.BATCH):
            yield from self._parked(low, high)
            return
        yield from self._all(max(low, self._indexed_seq + 1), high)
        high = min(high, self._indexed_seq + 1)
        if low >= high:
            return
        if query.patient and self._has_patients:
            yield from self._term("patient", query.patient.encode(), low, high)
        elif query.control_id:
            yield from self._term("control", query.control_id.encode(), low, high)
        elif query.common or query.state is not None:
            yield from self._of_sources(query, low, high)
        else:
            yield from self._all(low, high)

    def _all(self, low: int, high: int) -> Iterator[int]:
        return self._steps(
            "SELECT seq FROM message WHERE seq >= ? AND seq < ? ORDER BY seq DESC LIMIT ?", (), low, high
        )

    def _term(self, kind: str, value: bytes, low: int, high: int) -> Iterator[int]:
        term = term_of(self._secret, kind, value)
        for bucket in range(bucket_of(high), bucket_of(low) - 1, -1):
            question = (
                "SELECT seq FROM found.term WHERE bucket = ? AND term = ? AND seq >= ? AND seq < ?"
                " ORDER BY seq DESC LIMIT ?"
            )
            yield from self._steps(question, (bucket, term), low, high)

    def _of_sources(self, query: Query, low: int, high: int) -> Iterator[int]:
        wanted: dict[str, object] = dict(query.common)
        if query.state is not None:
            wanted["disposition"] = _DISPOSITIONS[query.state].value
        where = " AND ".join(f"{name} = ?" for name in wanted)
        sources = [
            one
            for (one,) in self._db.execute(f"SELECT id FROM found.source WHERE {where}", (*wanted.values(),))  # noqa: S608 - our names
        ]
        if len(sources) > _MOST_MERGED:
            return self._all(low, high)
        question = "SELECT seq FROM found.entry WHERE source = ? AND seq >= ? AND seq < ? ORDER BY seq DESC LIMIT ?"
        ways = [self._steps(question, (source,), low, high) for source in (OTHER, *sources)]
        return heapq.merge(*ways, reverse=True)

    def _parked(self, low: int, high: int) -> Iterator[int]:
        aside = self._aside(Disposition.PARKED, low, high)
        kept = self._steps("SELECT seq FROM parked WHERE seq >= ? AND seq < ? ORDER BY seq DESC LIMIT ?", (), low, high)
        return heapq.merge(aside, kept, reverse=True)

    def _aside(self, disposition: Disposition, low: int, high: int) -> Iterator[int]:
        question = (
            f"SELECT seq FROM message WHERE disposition = {disposition.value} AND disposition <> 1"  # noqa: S608 - a number
            " AND seq >= ? AND seq < ? ORDER BY seq DESC LIMIT ?"
        )
        return self._steps(question, (), low, high)

    def _steps(self, question: str, values: tuple[object, ...], low: int, high: int) -> Iterator[int]:
        """Ask in steps: no question is left open, which would keep the log from being worked off."""
        while low < high:
            seqs = [seq for (seq,) in self._db.execute(question, (*values, low, high, _STEP))]
            yield from seqs
            if len(seqs) < _STEP:
                return
            high = seqs[-1]

    # -- rows ----------------------------------------------------------------------------------------------------------

    def _load(self, seq: int) -> StoredMessage | None:
        row = self._db.execute(_ROW, (seq,)).fetchone()
        return None if row is None else _message(row)


def _message(row: tuple[Any, ...]) -> StoredMessage:
    seq, _, feed, received_us, disposition, why, _, flags, peer, origin, _, ack, data = row[:13]
    token, late, late_crc, parked_reason, cursor, is_pending = row[13:]
    is_whole = is_row_whole(row[:13])
    data = data if isinstance(data, bytes) else b""
    ack = ack if isinstance(ack, bytes) else b""
    if isinstance(late, bytes) and answer_crc(seq, late) == late_crc:
        ack = late
    facts = facts_of(data)
    marks = Flag(flags) if isinstance(flags, int) and 0 <= flags < 1 << 16 else Flag(0)
    state = state_of(disposition, seq, cursor, parked_reason)
    found = Found(
        seq,
        token or "",
        feed,
        received_us if isinstance(received_us, int) else 0,
        State.BATCH if Flag.CARRIER in marks and state is State.PARKED else state,
        parked_reason or why or "",
        peer,
        facts.type,
        facts.event,
        facts.control_id,
        facts.application,
        facts.facility,
        facts.version,
        code_of(ack),
        len(data),
        marks,
        origin if isinstance(origin, int) else 0,
        is_whole,
        bool(is_pending),
    )
    return StoredMessage(found, data, ack)


def _fits(query: Query, one: StoredMessage) -> bool:
    found = one.found
    return (
        all(getattr(found, name) == value for name, value in query.common.items())
        and query.control_id in ("", found.control_id)
        and (query.state is None or query.state is found.state)
        and (not query.is_trouble or found.state in _TROUBLE)
        and (query.since_us is None or found.received_us >= query.since_us)
        and (query.until_us is None or found.received_us < query.until_us)
        and (not query.patient or query.patient.encode() in patients_of(one.data))
    )


def _failed(path: Path, error: sqlite3.Error) -> SpoolFailed:
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    message = f"{path} cannot be read ({name})"
    return SpoolFailed(message, hint="is site.state_dir right, and may this user read it?")
