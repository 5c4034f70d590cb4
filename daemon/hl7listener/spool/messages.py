"""The messages of the spool: inserted as a group, and found again when they are resent."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import NamedTuple

from daemon.hl7listener.judging.finding import Disposition, Reason
from daemon.hl7listener.spool.jobs import Group, Store
from daemon.hl7listener.spool.rows import CONTENT_BITS, NO_FLAG, Arrival, Flag, NotStored, Row, Stored, identity_of
from daemon.hl7listener.spool.schema import answer_crc, is_row_whole, row_crc
from daemon.hl7listener.text.header import HeaderFault, parse_header

INSERT_ROWS = 64
"""What one statement inserts; a batch may bring more."""

LARGE_BYTES = 1024 * 1024
"""A larger message is written in pieces of this size: as a value of a statement SQLite has it in memory twice more, and
once of these until the next."""

_ROUTED, _QUARANTINED = Disposition.ROUTED, Disposition.QUARANTINED
_LAST_IDENTITY = (1 << 63) - 1
_CONTENT = (1 << CONTENT_BITS) - 1
_PLACES = "(?,?,?,?,?,?,?,?,?,?,?,?,?)"
_PLACES_LARGE = "(?,?,?,?,?,?,?,?,?,?,?,?,zeroblob(?))"
_UNLESS_RESENT = (
    "ON CONFLICT (identity) DO UPDATE SET data = NULL"
    " WHERE message.feed <> excluded.feed OR message.data <> excluded.data"
)
"""Leaves a resend out, and fails as a whole if the identity is another message's: equal hashes are not equal messages."""

_BESIDE = (
    "SELECT own FROM (SELECT NULL AS own WHERE 0 UNION ALL VALUES {}) WHERE EXISTS (SELECT 1 FROM message WHERE"  # noqa: S608
    f" identity BETWEEN (own & ~{_CONTENT}) AND (own | {_CONTENT}) AND identity <> own)"
)


class Entry(NamedTuple):
    """A row to be.

    Attributes:
        place: that of its arrival in the group; -1 of a member of a batch.
        is_out_of_sequence: it does not follow the last message of its sender, and must not be stored.
    """

    seq: int
    arrival: Arrival
    identity: int
    place: int
    is_out_of_sequence: bool = False


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
        self._last_numbers: dict[tuple[str, str], int] = {
            (feed, sender): number for feed, sender, number in db.execute("SELECT feed, sender, number FROM sequence")
        }

    def insert(self, arrivals: Sequence[Store]) -> tuple[list[Entry], int]:
        """Insert all arrivals in one statement; resends meet their identity and are left out. Say how many went in.

        One statement, because this thread gives the interpreter up around each one and has to wait to get it back; on its
        own it is a transaction too, so that in the common case a whole group costs two steps. An identity that is another
        message's violates NOT NULL, and then the statement has done nothing. Whoever passes more than ``is_single`` allows
        has begun a transaction.
        """
        entries = self._entries(arrivals)
        inserted = 0
        fit = [entry for entry in entries if not entry.is_out_of_sequence]
        for start in range(0, len(fit), INSERT_ROWS):
            inserted += self._insert(fit[start : start + INSERT_ROWS])
        for entry in self._present(entries, inserted):
            arrival = entry.arrival
            if arrival.sequence is not None:
                values = (arrival.feed, *arrival.sequence[:2])
                self._db.execute("INSERT OR REPLACE INTO sequence VALUES (?, ?, ?)", values)
            if arrival.pending:
                self._db.execute(
                    "INSERT OR REPLACE INTO pending VALUES (?, ?, ?)", (entry.seq, arrival.feed, arrival.pending)
                )
        return entries, inserted

    def answer(self, arrivals: Sequence[Store], entries: Sequence[Entry], inserted: int, group: Group) -> None:
        """Write the answers to arrivals that are on disk by now, and go on to the next numbers."""
        if not entries:
            return
        all_new = inserted == len(entries)
        present: Collection[int] = range(entries[0].seq, entries[-1].seq + 1)
        if not all_new:
            present = {entry.seq for entry in self._present(entries, inserted, everything=True)}
        self.newest_seq = present[-1] if isinstance(present, range) else max(present, default=self.newest_seq)
        for seq, arrival, identity, place, _ in entries:
            is_there = all_new or seq in present
            if is_there:
                if arrival.finding.disposition is _ROUTED:
                    group.rows.append(self._row(seq, arrival))
                if arrival.sequence is not None:
                    self._last_numbers[arrival.feed, arrival.sequence.sender] = arrival.sequence.number
            if place < 0:
                continue
            answer: Stored | NotStored | None = None
            if arrival.finding.disposition is _QUARANTINED:
                answer = self._accepted_earlier(arrival)
            if is_there:
                is_reused = arrival.flags is not NO_FLAG and Flag.REUSED_ID in arrival.flags
                answer = answer or Stored(seq, arrival.ack, is_reused=is_reused)
            else:
                answer = answer or self._stored_as(arrival, identity) or NotStored()
            group.answers.append((arrivals[place].done, answer))
        self._next_seq = entries[-1].seq + 1

    def _row(self, seq: int, arrival: Arrival) -> Row:
        feed, received_us, data, _, finding = arrival[:5]
        judged = finding if finding.decoded is not None else None  # a large one's text is not kept: judged anew
        return Row(seq, self._epoch, feed, received_us, data, judged, True, arrival.origin_seq)  # noqa: FBT003 - is_whole

    # -- what goes in --------------------------------------------------------------------------------------------------

    def _entries(self, arrivals: Sequence[Store]) -> list[Entry]:
        """Give each arrival, and each message of a new batch, its number; know control ids that are used again."""
        entries: list[Entry] = []
        seq = self._next_seq
        numbers: dict[tuple[str, str], int] = {}
        for place, (arrival, _) in enumerate(arrivals):
            entries.append(Entry(seq, arrival, identity_of_arrival(arrival), place))
            seq += 1
            if arrival.sequence is not None and not self._follows(arrival, numbers):
                entries[-1] = entries[-1]._replace(is_out_of_sequence=True)
                continue
            if arrival.members:
                entries[-1] = entries[-1]._replace(arrival=arrival._replace(flags=arrival.flags | Flag.CARRIER))
                if self._stored_as(arrival, entries[-1].identity) is None:
                    carrier = seq - 1
                    for member in arrival.members:
                        one = member._replace(origin_seq=carrier, flags=member.flags | Flag.MEMBER, members=())
                        entries.append(Entry(seq, one, identity_of_arrival(one), -1))
                        seq += 1
        for index in self._reused(entries):
            entries[index] = _flagged(entries[index])
        return entries

    def _follows(self, arrival: Arrival, numbers: dict[tuple[str, str], int]) -> bool:
        """Say whether a counted message follows the last one of its sender; ``numbers`` are those of this group."""
        assert arrival.sequence is not None
        sender, number, after = arrival.sequence
        last = numbers.get((arrival.feed, sender), self._last_numbers.get((arrival.feed, sender)))
        if last != after:
            return False
        numbers[arrival.feed, sender] = number
        return True

    def _reused(self, entries: Sequence[Entry]) -> list[int]:
        """Find the entries whose control id their sender has used for another content, here or before."""
        within: dict[int, int] = {}
        suspects: list[int] = []
        if len({entry.identity | _CONTENT for entry in entries}) < len(entries):
            for index, entry in enumerate(entries):
                if within.setdefault(entry.identity | _CONTENT, entry.identity) != entry.identity:
                    suspects.append(index)
        found: set[int] = set()
        for start in range(0, len(entries), INSERT_ROWS):
            some = [entry.identity for entry in entries[start : start + INSERT_ROWS]]
            places = ",".join(("(?)",) * len(some))
            found.update(own for (own,) in self._db.execute(_BESIDE.format(places), some))
        if found:
            suspects += [index for index, entry in enumerate(entries) if entry.identity in found]
        return [index for index in sorted(set(suspects)) if self._is_reused(entries, index)]

    def _is_reused(self, entries: Sequence[Entry], index: int) -> bool:
        """Look whether the sender and the control id are indeed the same: half an identity is not much."""
        arrival, identity = entries[index].arrival, entries[index].identity
        own = _sender(arrival.data)
        if own is None:
            return False
        beside = [
            entry.arrival.data
            for entry in entries[:index]
            if (entry.identity ^ identity) | _CONTENT == _CONTENT and entry.arrival.feed == arrival.feed
        ]
        stored = self._db.execute(
            f"SELECT data FROM message WHERE identity BETWEEN (? & ~{_CONTENT}) AND (? | {_CONTENT}) AND feed = ? LIMIT 16",  # noqa: S608 - a number
            (identity, identity, arrival.feed),
        )
        beside += [data for (data,) in stored if isinstance(data, bytes)]
        return any(data != arrival.data and _sender(data) == own for data in beside)

    def _insert(self, entries: Sequence[Entry]) -> int:
        values: list[object] = []
        for entry in entries:
            if len(entry.arrival.data) > LARGE_BYTES:
                return self._insert_apart(entries)
            values += self._values(entry, entry.identity)
        places = ",".join((_PLACES,) * len(entries))
        try:
            return self._db.execute(f"INSERT INTO message VALUES {places} {_UNLESS_RESENT}", values).rowcount  # noqa: S608 - place holders
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_NOTNULL:
                raise
        return self._insert_apart(entries)

    def _insert_apart(self, entries: Sequence[Entry]) -> int:
        """Insert entries of which one is large or has the identity of another message: each under the first that is free."""
        is_within = self._db.in_transaction
        if not is_within:
            self._db.execute("BEGIN IMMEDIATE")
        inserted = 0
        for entry in entries:
            found = self._find(entry.arrival, entry.identity)
            if isinstance(found, int):
                self._insert_one(entry, self._values(entry, found))
                inserted += 1
        if not is_within:
            self._db.execute("COMMIT")
        return inserted

    def _insert_one(self, entry: Entry, values: tuple[object, ...]) -> None:
        data = entry.arrival.data
        if len(data) <= LARGE_BYTES:
            self._db.execute(f"INSERT INTO message VALUES {_PLACES}", values)  # noqa: S608 - place holders
            return
        self._db.execute(f"INSERT INTO message VALUES {_PLACES_LARGE}", (*values[:-1], len(data)))  # noqa: S608 - place holders
        with self._db.blobopen("message", "data", entry.seq) as blob, memoryview(data) as whole:
            for start in range(0, len(data), LARGE_BYTES):
                blob.write(whole[start : start + LARGE_BYTES])

    def _values(self, entry: Entry, identity: int) -> tuple[object, ...]:
        feed, received_us, data, ack, finding, peer, _, flags, _, _, _, origin = entry.arrival
        reason = finding.reason
        head = (
            entry.seq,
            self._epoch_id,
            feed,
            received_us,
            finding.disposition.value,
            None if reason is None else reason.value,
            identity,
            0 if flags is NO_FLAG else flags.value,
            peer,
            origin,
        )
        return (*head, row_crc(head, ack, data), ack, data)

    # -- what is there -------------------------------------------------------------------------------------------------

    def _present(self, entries: Sequence[Entry], inserted: int, *, everything: bool = False) -> Collection[Entry]:
        """Give the entries that went in; only those with more to write, unless ``everything`` is asked for."""
        wanted = (
            entries
            if everything
            else [one for one in entries if one.arrival.sequence is not None or one.arrival.pending]
        )
        if inserted == len(entries) or not wanted:  # then none was left out either
            return wanted
        found = self._db.execute("SELECT seq FROM message WHERE seq BETWEEN ? AND ?", (entries[0].seq, entries[-1].seq))
        present = {seq for (seq,) in found}
        return [entry for entry in wanted if entry.seq in present]

    def _accepted_earlier(self, arrival: Arrival) -> Stored | None:
        """Find a block that is refused now and was accepted under earlier settings: its first answer stands."""
        return self._stored_as(arrival, identity_of(arrival.feed, arrival.data, arrival.finding.header))

    def _stored_as(self, arrival: Arrival, identity: int) -> Stored | None:
        found = self._find(arrival, identity)
        return found if isinstance(found, Stored) else None

    def _find(self, arrival: Arrival, identity: int) -> Stored | int:
        """Find the message that is stored already, by its identity or the next behind it; else give the first free one."""
        while True:
            row = self._db.execute(
                "SELECT message.*, answer.ack, answer.crc, pending.seq FROM message LEFT JOIN answer USING (seq)"
                " LEFT JOIN pending USING (seq) WHERE identity = ?",
                (identity,),
            ).fetchone()
            if row is None:
                return identity
            seq, feed, ack, data = row[0], row[2], row[11], row[12]
            late, late_crc, pending = row[13:]
            if feed == arrival.feed and data == arrival.data:
                if isinstance(late, bytes) and answer_crc(seq, late) == late_crc:
                    ack = late
                elif not is_row_whole(row):
                    ack = arrival.ack  # what was answered is no longer known
                return Stored(seq, ack, is_resend=True, is_pending=pending is not None)
            identity = identity + 1 if identity < _LAST_IDENTITY else -_LAST_IDENTITY - 1


def is_single(arrivals: Sequence[Store]) -> bool:
    """Say whether a group is inserted by one statement, which needs no transaction around it."""
    return len(arrivals) <= INSERT_ROWS and not any(
        store.arrival.members or store.arrival.sequence is not None or store.arrival.pending for store in arrivals
    )


def identity_of_arrival(arrival: Arrival) -> int:
    """Give the identity of an arrival as it is judged."""
    finding = arrival.finding
    salt = ""
    if arrival.origin_seq and Flag.REPLAY in arrival.flags:
        salt = f"replay {arrival.origin_seq} {arrival.received_us}"
    elif finding.disposition is _QUARANTINED and finding.reason is not None:
        salt = finding.reason.value
    return identity_of(arrival.feed, arrival.data, finding.header, salt=salt)


def _flagged(entry: Entry) -> Entry:
    """Mark the control id of an arrival as used again, and refuse the arrival if it says so."""
    arrival = entry.arrival._replace(flags=entry.arrival.flags | Flag.REUSED_ID)
    if not arrival.ack_if_reused:
        return entry._replace(arrival=arrival)
    finding = arrival.finding._replace(disposition=Disposition.QUARANTINED, reason=Reason.REUSED)
    arrival = arrival._replace(ack=arrival.ack_if_reused, finding=finding, pending="")
    return entry._replace(arrival=arrival, identity=identity_of_arrival(arrival))


def _sender(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Read who sent a message under which control id."""
    header = parse_header(data)
    if isinstance(header, HeaderFault) or not header.control_id:
        return None
    return header.raw(3), header.raw(4), header.control_id
