"""The sequence numbers of one feed: each message judged by its number before it is stored, and answered with the next."""

from __future__ import annotations

from collections.abc import Callable

from daemon.answer_events import OutOfSequence, SequenceStuck
from daemon.clock import SECOND_US
from daemon.hl7listener.ack.replying import OUT_OF_TURN, is_positive, reply_to
from daemon.hl7listener.ack.sequence import FORGET, Counts, Step, Turn, read_number, sender_of
from daemon.hl7listener.ack.writer import time_stamp
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.judging.verdict import Reason, Verdict
from daemon.hl7listener.spool import Spool, Stored
from daemon.hl7listener.spool.rows import SequenceNumber
from daemon.hl7listener.wire.taking import NewControlId, Taken
from daemon.ports import Emit

STUCK_AFTER = 3
SENDERS_WATCHED = 1000


class Counting:
    """Answers for a feed with the sequence-number protocol."""

    def __init__(self, feed: Feed, spool: Spool, emit: Emit, new_control_id: NewControlId) -> None:
        """Keep the collaborators."""
        self.feed = feed
        self._spool = spool
        self._emit = emit
        self._new_control_id = new_control_id
        self._counts = Counts({})
        self._refused: dict[str, int] = {}

    async def open(self) -> None:
        """Go on from what the disk says.

        Raises:
            SpoolFailed: the spool cannot be read.
        """
        self._counts = Counts(await self._spool.reader.sequences(self.feed.name))
        self._refused.clear()

    @property
    def has_room(self) -> bool:
        """Say that messages may be read: no answer waits."""
        return True

    def on_room(self, tell: Callable[[], None]) -> None:
        """There is always room."""

    def prepare(self, taken: Taken) -> Taken:
        """Judge the number of a message and write its answer anew; one that is refused for something else counts too."""
        arrival = taken.arrival
        finding, header = arrival.finding, arrival.finding.header
        if finding.verdict is Verdict.SILENT or header is None:
            return taken
        sender, number = sender_of(header), read_number(header)
        step, before = self._counts.take(sender, number)
        if not step.turn.is_taken and finding.verdict is Verdict.ACCEPT:
            finding = OUT_OF_TURN.of(finding)
        reply = reply_to(
            finding,
            self.feed.answering,
            stamp=time_stamp(arrival.received_us // SECOND_US),
            new_control_id=self._new_control_id,
            expected=step.expected,
        )
        counted = None
        if step.turn in (Turn.NEXT, Turn.FORGETS):
            counted = SequenceNumber(sender, FORGET if step.last is None else step.last, before)
        arrival = arrival._replace(finding=finding, ack=reply.ack, ack_if_reused=reply.ack_if_reused, sequence=counted)
        return taken._replace(arrival=arrival, codes=reply.codes, step=step)

    def settle(self, taken: Taken, stored: Stored, tell: Callable[[bytes | None], None]) -> tuple[bytes, bytes | None]:
        """Give what is sent at once: to a message refused again for its number, what is expected now."""
        del tell
        finding = taken.arrival.finding
        is_refused = finding.reason is Reason.SEQUENCE and not (stored.is_resend and is_positive(stored.ack))
        if finding.header is not None and taken.step is not None:
            self._watch(sender_of(finding.header), taken.step, is_refused=is_refused)
        return taken.arrival.ack if is_refused else stored.ack, b""

    def kept(self, taken: Taken, stored: Stored) -> None:
        """Take note that a count is on the disk."""
        sequence = taken.arrival.sequence
        if sequence is not None and not stored.is_resend:
            self._counts.confirm(sequence.sender, sequence.number)

    def lost(self, taken: Taken) -> None:
        """Go back: a message that was counted is not stored."""
        sequence = taken.arrival.sequence
        if sequence is not None:
            self._counts.fall_back(sequence.sender)

    def _watch(self, sender: str, step: Step, *, is_refused: bool) -> None:
        if not is_refused:
            self._refused.pop(sender, None)
            return
        refused = self._refused.get(sender, 0) + 1
        if len(self._refused) < SENDERS_WATCHED or sender in self._refused:
            self._refused[sender] = refused
        self._emit(OutOfSequence(self.feed.name, step.turn, step.expected))
        if refused == STUCK_AFTER:
            self._emit(SequenceStuck(self.feed.name, refused, step.expected))
