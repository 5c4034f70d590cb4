"""The search index: a file beside the spool that is made from it, off the way of the messages, and made anew if it is lost.

source  each combination of what few messages differ in: feed, type, event, sender, answer, peer, disposition
entry   the messages of each source
term    control ids and patients' numbers, as keyed hashes, in buckets of messages that came together
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from daemon.hl7listener.spool.facts import bucket_of, code_of, cut_at_segments, facts_of, patients_in, term_of
from daemon.hl7listener.spool.schema import BUSY_MS

INDEX_FILE = "spool.search"
STEP_BYTES = 4 * 1024 * 1024
"""After so much of messages a step ends: one of them may be as large as all others together."""

LARGE_BYTES = 1024 * 1024
"""A larger message is read in pieces of this size: whole it would be in memory beside what hands it on, and twice."""

MOST_SOURCES = 20_000
OTHER = 0
"""The source of all that are too many."""

_SCHEMA = 1
_PARTS = ("", "-wal", "-shm")
_TABLES = """
    CREATE TABLE progress (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, epoch TEXT NOT NULL, has_patients INTEGER NOT NULL);
    INSERT INTO progress VALUES (1, 0, '', 0);
    CREATE TABLE source (
        id INTEGER PRIMARY KEY, feed TEXT, type TEXT, event TEXT, application TEXT, facility TEXT, code TEXT, peer TEXT,
        disposition INTEGER, UNIQUE (feed, type, event, application, facility, code, peer, disposition)
    );
    CREATE TABLE entry (source INTEGER, seq INTEGER, PRIMARY KEY (source, seq)) WITHOUT ROWID;
    CREATE TABLE term (bucket INTEGER, term INTEGER, seq INTEGER, PRIMARY KEY (bucket, term, seq)) WITHOUT ROWID;
"""


class SearchIndex:
    """Writes the index. Everything here runs on one thread at a time."""

    def __init__(self, folder: Path, spool_file: str, *, has_patients: bool) -> None:
        """Open the index, or begin it anew if it is not one, not of this spool, or of another kind.

        Raises:
            sqlite3.Error: the spool cannot be read, or the disk does not work.
        """
        self._path = folder / INDEX_FILE
        self._spool = folder / spool_file
        self._has_patients = has_patients
        db: sqlite3.Connection | None = None
        with suppress(sqlite3.DatabaseError):
            db = self._open()
        if db is None or not self._is_usable(db):
            if db is not None:
                db.close()
            for part in _PARTS:
                self._path.with_name(f"{INDEX_FILE}{part}").unlink(missing_ok=True)
            db = self._open()
        self._db = db
        self._inode = self._path.stat().st_ino
        db.execute("UPDATE progress SET has_patients = ?", (int(has_patients),))
        [[self._secret]] = db.execute("SELECT key FROM spool.secret")
        [[self._seq]] = db.execute("SELECT seq FROM progress")
        self._sources: dict[tuple[Any, ...], int] = {
            tuple(row[1:]): row[0] for row in db.execute("SELECT * FROM source")
        }

    def close(self) -> None:
        """Close the index."""
        self._db.close()

    def is_in_place(self) -> bool:
        """Say whether the file is still where searches look for it."""
        try:
            return self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def advance(self, limit: int) -> int:
        """Take in the next messages; say how many.

        Raises:
            sqlite3.Error: the spool cannot be read, or the index not written.
        """
        self._db.execute("BEGIN IMMEDIATE")  # what is read in pieces is not pruned meanwhile
        rows = self._next(limit)
        if not rows:
            self._db.execute("ROLLBACK")
            return 0
        entries: list[tuple[int, int]] = []
        terms: list[tuple[int, int, int]] = []
        for seq, feed, disposition, peer, ack, data, whole_bytes, _ in rows:
            if not isinstance(data, bytes) or not isinstance(ack, bytes):
                continue  # it has decayed, and is found by nothing but its number
            facts = facts_of(data)
            source = (
                feed,
                facts.type,
                facts.event,
                facts.application,
                facts.facility,
                code_of(ack),
                peer,
                disposition,
            )
            entries.append((self._source(source), seq))
            bucket = bucket_of(seq)
            if facts.control_id:
                terms.append((bucket, term_of(self._secret, "control", facts.control_id.encode()), seq))
            if self._has_patients:
                patients = patients_in((data,) if whole_bytes == len(data) else self._pieces(seq))
                terms += ((bucket, term_of(self._secret, "patient", one), seq) for one in patients)
        self._db.executemany("INSERT OR IGNORE INTO entry VALUES (?, ?)", sorted(entries))
        self._db.executemany("INSERT OR IGNORE INTO term VALUES (?, ?, ?)", sorted(terms))
        self._db.execute("UPDATE progress SET seq = ?, epoch = ?", (rows[-1][0], rows[-1][7]))
        self._db.execute("COMMIT")
        self._seq = rows[-1][0]
        return len(rows)

    def _next(self, limit: int) -> list[tuple[Any, ...]]:
        """Read the next messages: ``limit`` of them, or so many as hold ``STEP_BYTES``; of large ones no more than the front."""
        found = self._db.execute(
            "SELECT seq, feed, disposition, peer, ack,"
            " CASE WHEN typeof(data) = 'blob' AND length(data) > ? THEN NULL ELSE data END, length(data), token"
            " FROM spool.message JOIN spool.epoch ON epoch.id = message.epoch WHERE seq > ? ORDER BY seq LIMIT ?",
            (LARGE_BYTES, self._seq, limit),
        )
        rows: list[tuple[Any, ...]] = []
        size_bytes = 0
        with closing(found):
            for seq, *some, data, whole_bytes, token in found:
                front = self._front(seq) if data is None and whole_bytes else data
                rows.append((seq, *some, front, whole_bytes, token))
                size_bytes += whole_bytes or 0
                if size_bytes >= STEP_BYTES:
                    break
        return rows

    def _front(self, seq: int) -> bytes:
        """Read as much of a large message as has its header."""
        with self._db.blobopen("message", "data", seq, readonly=True, name="spool") as blob:
            front = blob.read(LARGE_BYTES)
            return front if b"\r" in front else front + blob.read()

    def _pieces(self, seq: int) -> Iterator[bytes]:
        with self._db.blobopen("message", "data", seq, readonly=True, name="spool") as blob:
            yield from cut_at_segments(iter(lambda: blob.read(LARGE_BYTES), b""), LARGE_BYTES)

    def trim(self) -> None:
        """Forget the messages that the spool no longer has: all up to its oldest, but for what is kept longer.

        Raises:
            sqlite3.Error: the spool cannot be read, or the index not written.
        """
        row = self._db.execute("SELECT seq FROM spool.message WHERE disposition <> 3 ORDER BY seq LIMIT 1").fetchone()
        oldest = self._seq if row is None else row[0]
        gone = "seq < ? AND NOT EXISTS (SELECT 1 FROM spool.message WHERE message.seq = {}.seq)"
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute(f"DELETE FROM term WHERE bucket <= ? AND {gone.format('term')}", (bucket_of(oldest), oldest))  # noqa: S608 - names
        for source in (OTHER, *self._sources.values()):
            self._db.execute(f"DELETE FROM entry WHERE source = ? AND {gone.format('entry')}", (source, oldest))  # noqa: S608 - names
        self._db.execute("COMMIT")

    def _source(self, source: tuple[Any, ...]) -> int:
        known = self._sources.get(source)
        if known is None:
            if len(self._sources) >= MOST_SOURCES:
                return OTHER
            self._db.execute("INSERT INTO source VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", source)
            [[known]] = self._db.execute("SELECT last_insert_rowid()")
            self._sources[source] = known
        return int(known)

    def _open(self) -> sqlite3.Connection:
        self._path.touch(0o600)
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, uri=True)
        try:
            for pragma in (
                f"busy_timeout={BUSY_MS}",
                "trusted_schema=OFF",
                "journal_mode=WAL",
                "synchronous=OFF",  # what a power cut spoils is made anew
                "secure_delete=ON",
                "cache_size=-32768",
            ):
                db.execute(f"PRAGMA {pragma}")
            db.execute("ATTACH ? AS spool", (f"{self._spool.absolute().as_uri()}?mode=ro",))
            if db.execute("PRAGMA main.user_version").fetchone() == (0,):
                db.executescript(f"BEGIN; {_TABLES} PRAGMA main.user_version={_SCHEMA}; COMMIT;")
        except BaseException:
            db.close()
            raise
        return db

    def _is_usable(self, db: sqlite3.Connection) -> bool:
        try:
            if db.execute("PRAGMA main.user_version").fetchone() != (_SCHEMA,):
                return False
            [[seq, epoch, has_patients]] = db.execute("SELECT seq, epoch, has_patients FROM progress")
            is_ours = db.execute("SELECT 1 FROM spool.epoch WHERE token = ?", (epoch,)).fetchone()
            [check] = db.execute("PRAGMA main.quick_check(1)").fetchone()
        except (sqlite3.DatabaseError, ValueError):
            return False
        return check == "ok" and (not seq or (is_ours is not None and bool(has_patients) == self._has_patients))
