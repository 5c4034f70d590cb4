"""The messages of the spool: inserted as a group, and found again when they are resent."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from daemon.hl7listener.finding import Disposition
from daemon.hl7listener.spool.jobs import Group, Store
from daemon.hl7listener.spool.rows import Arrival, NotStored, Row, Stored, identity_of
from daemon.hl7listener.spool.schema import row_crc

_LAST_IDENTITY = (1 << 63) - 1
_PLACES = "(?,?,?,?,?,?,?,?,?,?)"
_UNLESS_RESENT = (
    "ON CONFLICT (identity) DO UPDATE SET data = NULL"
    " WHERE message.feed <> excluded.feed OR message.data <> excluded.data"
)
"""Leaves a resend out, and fails as a whole if the identity is another message's: equal hashes are not equal messages."""


class Messages:
    """The table of messages in one epoch.

    Attributes:
        newest_seq: the highest sequence number that has a row.
    """

    def __init__(self, db: sqlite3.Connection, epoch: tuple[int, str], next_seq: int) -> None:
        """Go on from ``next_seq``."""
        self._db = db
        self._epoch_id, self._epoch = epoch
        self._next_seq = next_seq
        self.newest_seq = next_seq - 1

    def insert(self, arrivals: list[Store]) -> int:
        """Insert all arrivals in one statement; resends meet their identity and are left out. Say how many went in.

        One statement, because this thread gives the interpreter up around each one and has to wait to get it back; on its
        own it is a transaction too, so that in the common case a whole group costs a single step. An identity that is
        another message's violates NOT NULL, and then the statement has done nothing.
        """
        values: list[object] = []
        for seq, job in enumerate(arrivals, self._next_seq):
            values += self._values(seq, job.arrival, _identity(job.arrival))
        places = ",".join((_PLACES,) * len(arrivals))
        try:
            return self._db.execute(f"INSERT INTO message VALUES {places} {_UNLESS_RESENT}", values).rowcount  # noqa: S608 - place holders
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_NOTNULL:
                raise
        return self._insert_apart(arrivals)

    def _insert_apart(self, arrivals: list[Store]) -> int:
        """Insert arrivals of which one has the identity of another message: each under the first that is free."""
        is_within = self._db.in_transaction
        if not is_within:
            self._db.execute("BEGIN IMMEDIATE")
        inserted = 0
        for seq, job in enumerate(arrivals, self._next_seq):
            found = self._find(job.arrival, _identity(job.arrival))
            if isinstance(found, int):
                values = self._values(seq, job.arrival, found)
                inserted += self._db.execute(f"INSERT INTO message VALUES {_PLACES}", values).rowcount  # noqa: S608 - place holders
        if not is_within:
            self._db.execute("COMMIT")
        return inserted

    def _values(self, seq: int, arrival: Arrival, identity: int) -> tuple[object, ...]:
        feed, received_us, data, ack, finding = arrival[:5]
        return (
            seq,
            self._epoch_id,
            feed,
            received_us,
            finding.disposition.value,
            None if finding.reason is None else finding.reason.value,
            identity,
            data,
            ack,
            row_crc(seq, feed, received_us, data),
        )

    def answer(self, arrivals: list[Store], group: Group, *, all_new: bool) -> None:
        """Write the answers to arrivals that are on disk by now, and go on to the next numbers."""
        first = self._next_seq
        present: Collection[int] = range(first, first + len(arrivals))
        if not all_new:
            found = self._db.execute(
                "SELECT seq FROM message WHERE seq BETWEEN ? AND ?", (first, first + len(arrivals) - 1)
            )
            present = {seq for (seq,) in found}
        self.newest_seq = max(present, default=self.newest_seq)
        for seq, (arrival, done) in enumerate(arrivals, first):
            answer: Stored | NotStored | None = self._accepted_earlier(arrival)
            if seq not in present:
                answer = answer or self._stored_as(arrival, _identity(arrival)) or NotStored()
            elif arrival.finding.disposition is Disposition.ROUTED:
                group.rows.append(
                    Row(seq, self._epoch, arrival.feed, arrival.received_us, arrival.data, arrival.finding)
                )
            group.answers.append((done, answer or Stored(seq, arrival.ack)))
        self._next_seq += len(arrivals)

    def _accepted_earlier(self, arrival: Arrival) -> Stored | None:
        """A block that is refused now may have been accepted under earlier settings: its first answer stands."""
        if arrival.finding.disposition is not Disposition.QUARANTINED:
            return None
        return self._stored_as(arrival, identity_of(arrival.feed, arrival.data))

    def _stored_as(self, arrival: Arrival, identity: int) -> Stored | None:
        found = self._find(arrival, identity)
        return found if isinstance(found, Stored) else None

    def _find(self, arrival: Arrival, identity: int) -> Stored | int:
        """Find the message that is stored already, by its identity or the next behind it; else give the first free one."""
        while True:
            row = self._db.execute(
                "SELECT seq, ack, feed = ? AND data = ? FROM message WHERE identity = ?",
                (arrival.feed, arrival.data, identity),
            ).fetchone()
            if row is None:
                return identity
            seq, ack, is_equal = row
            if is_equal:
                return Stored(seq, ack, is_resend=True)
            identity = identity + 1 if identity < _LAST_IDENTITY else -_LAST_IDENTITY - 1


def _identity(arrival: Arrival) -> int:
    finding = arrival.finding
    if finding.disposition is Disposition.QUARANTINED and finding.reason is not None:
        return identity_of(arrival.feed, arrival.data, refused_for=finding.reason.value)
    return identity_of(arrival.feed, arrival.data)
