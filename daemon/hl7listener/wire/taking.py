"""From a block to an arrival: judged, and with the answer it gets once it is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from daemon.clock import SECOND_US
from daemon.hl7listener.ack.answering import NoHeader
from daemon.hl7listener.ack.codes import has_unknown_condition
from daemon.hl7listener.ack.replying import NOT_STORABLE, flags_of, reply_to
from daemon.hl7listener.ack.sequence import Step
from daemon.hl7listener.ack.writer import Code, acknowledge, codes_due, time_stamp
from daemon.hl7listener.batch.batch import Batch, may_be_several
from daemon.hl7listener.batch.taking import BatchTaking
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.judging.finding import Finding, judge
from daemon.hl7listener.judging.verdict import Reason, Verdict
from daemon.hl7listener.peers.identity import Identity
from daemon.hl7listener.spool import Arrival, NotStored
from daemon.hl7listener.spool.rows import NO_FLAG, Flag, WhyNot
from daemon.hl7listener.wire.deviation import Deviation

NewControlId = Callable[[], str]

LARGE_BYTES = 1024 * 1024
"""Of messages above this size the decoded text is not kept while they wait for the disk."""


class Taken(NamedTuple):
    """A block on its way to the disk.

    Attributes:
        codes: what its answer says.
        is_late: whether its application acknowledgement is still to come when it is stored.
        closes: whether the connection ends behind its answer.
        oddity: what strays in its content and is understood all the same, if anything.
        step: how its sequence number was judged, if numbers are.
    """

    arrival: Arrival
    codes: tuple[Code, ...]
    is_late: bool = False
    closes: bool = False
    oddity: Deviation | None = None
    step: Step | None = None

    def __repr__(self) -> str:
        """Show nothing of the message."""
        return f"Taken({self.arrival!r})"


def without_text(taken: Taken) -> Taken:
    """Leave out the decoded text, which costs as much memory as the message; whoever hands it on decodes it again."""
    arrival = taken.arrival
    return taken._replace(arrival=arrival._replace(finding=arrival.finding._replace(decoded=None)))


class Taking:
    """Takes the blocks of one feed."""

    def __init__(self, feed: Feed, new_control_id: NewControlId) -> None:
        """Keep the feed, and what gives our acknowledgements their control ids."""
        self._feed = feed
        self._new_control_id = new_control_id
        self._batches = BatchTaking(feed, new_control_id)

    def take(self, data: bytes, sender: Identity, now_us: int) -> Taken:
        """Judge the data of a block and write its answer."""
        finding = judge(data, self._feed, sender.permit)
        if finding.reason is Reason.NO_MSH or may_be_several(data):
            batch = self._batches.split(data)
            if batch is not None:
                return self._take_batch(data, batch, sender, now_us)
        return self.take_judged(data, finding, sender, now_us)

    def take_judged(self, data: bytes, finding: Finding, sender: Identity, now_us: int) -> Taken:
        """Write the answer of a block that is judged."""
        feed, header = self._feed, finding.header
        answering = feed.answering
        stamp = time_stamp(now_us // SECOND_US)
        closes, oddity = False, None
        if header is None:
            closes = finding.verdict is Verdict.SILENT and answering.no_header is NoHeader.CLOSE
        elif header.fields[13] or header.fields[14]:
            oddity = Deviation.CONDITION if has_unknown_condition(header) else None
        flags = flags_of(finding)
        if flags is not NO_FLAG and Flag.DAMAGED_CHARSET in flags:
            oddity = Deviation.CHARSET
        if not answering.is_simple:
            reply = reply_to(finding, answering, stamp=stamp, new_control_id=self._new_control_id)
            arrival = Arrival(feed.name, now_us, data, reply.ack, finding, sender.address)
            arrival = arrival._replace(flags=flags, pending=reply.pending, ack_if_reused=reply.ack_if_reused)
            return Taken(arrival, reply.codes, bool(reply.pending), closes, oddity)
        codes = codes_due(finding, answering.mode)
        ack = acknowledge(finding, codes, stamp=stamp, new_control_id=self._new_control_id, ack_type=answering.ack_type)
        arrival = Arrival(feed.name, now_us, data, ack, finding, sender.address, (), flags)
        return Taken(arrival, codes, False, closes, oddity)  # noqa: FBT003 - made for each message

    def _take_batch(self, data: bytes, batch: Batch, sender: Identity, now_us: int) -> Taken:
        def judged(message: bytes) -> Finding:
            return judge(message, self._feed, sender.permit)

        arrival, codes = self._batches.take(data, batch, judged, now_us, sender.address)
        oddity = Deviation.NO_TRAILER if batch.lacks_trailer else Deviation.SEVERAL if batch.is_bare else None
        if any(Flag.DAMAGED_CHARSET in member.flags for member in arrival.members):
            oddity = Deviation.CHARSET
        return Taken(arrival, codes, oddity=oddity)

    def unstored(self, taken: Taken, why: NotStored, now_us: int) -> bytes:
        """Write the answer of a block that could not be stored; nothing means that its connection is closed unanswered."""
        answering = self._feed.answering
        if why.why is not WhyNot.FULL or not answering.rejects_when_full:
            return b""
        finding = NOT_STORABLE.of(taken.arrival.finding)
        codes = codes_due(finding, answering.mode)
        stamp = time_stamp(now_us // SECOND_US)
        return acknowledge(
            finding, codes, stamp=stamp, new_control_id=self._new_control_id, ack_type=answering.ack_type
        )
