"""A spool as the first schema wrote it."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from daemon.hl7listener.spool import Arrival
from daemon.hl7listener.spool.opening import FILE

TABLES = """
    CREATE TABLE epoch (id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, opened_us INTEGER NOT NULL);
    CREATE TABLE message (
        seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL REFERENCES epoch (id), feed TEXT NOT NULL,
        received_us INTEGER NOT NULL, disposition INTEGER NOT NULL, reason TEXT, identity INTEGER NOT NULL,
        data BLOB NOT NULL, ack BLOB NOT NULL, crc INTEGER NOT NULL
    );
    CREATE UNIQUE INDEX message_identity ON message (identity);
    CREATE INDEX message_order ON message (feed, seq);
    CREATE TABLE cursor (feed TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE parked (seq INTEGER PRIMARY KEY, parked_us INTEGER NOT NULL, reason TEXT NOT NULL);
    PRAGMA user_version=1;
"""
TOKEN = "0123456789abcdef"


def write_old_spool(folder: Path, arrivals: Sequence[Arrival], *, cursor: int = 0, parked: Sequence[int] = ()) -> None:
    """Write arrivals under the numbers 1, 2 and so on."""
    with closing(sqlite3.connect(folder / FILE)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(TABLES)
        with db:
            db.execute("INSERT INTO epoch VALUES (1, ?, 7)", (TOKEN,))
            for seq, one in enumerate(arrivals, 1):
                crc = zlib.crc32(one.data, zlib.crc32(f"{seq}\n{one.feed}\n{one.received_us}\n".encode()))
                why = one.finding.reason
                values = (
                    seq,
                    1,
                    one.feed,
                    one.received_us,
                    one.finding.disposition.value,
                    why and why.value,
                    seq * 977,
                )
                db.execute("INSERT INTO message VALUES (?,?,?,?,?,?,?,?,?,?)", (*values, one.data, one.ack, crc))
            if cursor:
                db.execute("INSERT INTO cursor VALUES (?, ?)", (arrivals[0].feed, cursor))
            db.executemany("INSERT INTO parked VALUES (?, 5, 'no worker')", [(seq,) for seq in parked])
