"""From a block that is a batch to one arrival: its messages as members, and the one block that answers them.

A batch is taken whole or not at all. Each of its messages is judged by itself: one that is refused does not hold up the others,
and its refusal stands in the answer. A batch that cannot be cut, or whose count is wrong, is refused whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from daemon.clock import SECOND_US
from daemon.hl7listener.ack.answering import AckMode
from daemon.hl7listener.ack.codes import Code
from daemon.hl7listener.ack.replying import flags_of
from daemon.hl7listener.ack.writer import acknowledge, codes_due, time_stamp
from daemon.hl7listener.batch.batch import Batch, BatchFault, split_batch
from daemon.hl7listener.batch.reply import batch_reply
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.judging.finding import Finding
from daemon.hl7listener.judging.verdict import Disposition, Hl7Error, Reason, Verdict
from daemon.hl7listener.spool import Arrival
from daemon.hl7listener.text.content import BatchReply
from daemon.hl7listener.text.header import Header, HeaderFault, parse_header
from daemon.hl7listener.wire.framer import frame

_FAULTS = {
    BatchFault.COUNT: (Verdict.ERROR, Reason.BATCH_COUNT, Hl7Error(102, "Data type error", "BTS", 1)),
    BatchFault.CUT: (Verdict.REJECT, Reason.BATCH_CUT, Hl7Error(100, "Segment sequence error", "BHS")),
    BatchFault.TRAILER: (Verdict.REJECT, Reason.BATCH_CUT, Hl7Error(100, "Segment sequence error", "BTS")),
    BatchFault.LIMIT: (Verdict.REJECT, Reason.BATCH_LIMIT, Hl7Error(207, "Application internal error", "BHS")),
}
_POSITIVE = "A"
_OF_MESSAGE = (9, 10, 13, 14, 16)
"""Places of MSH-11, 12, 15, 16 and 18 among the fields of a header."""
_REFERENCE = 10
"""Place of FHS-12 or BHS-12, the control id of the batch that is answered."""
_ACCEPTED = Finding(Disposition.PARKED, Verdict.ACCEPT, None, Reason.BATCH)


class BatchTaking:
    """Takes the batches of one feed."""

    def __init__(self, feed: Feed, new_control_id: Callable[[], str]) -> None:
        """Keep the feed, and what gives our acknowledgements their control ids."""
        self._feed = feed
        self._new_control_id = new_control_id

    def split(self, data: bytes) -> Batch | None:
        """Cut a block; ``None`` if it is no batch."""
        content, is_strict = self._feed.content, self._feed.framing.is_strict
        return split_batch(data, limit=content.batch_limit, is_strict=is_strict, end=content.end)

    def take(
        self, data: bytes, batch: Batch, judge: Callable[[bytes], Finding], received_us: int, peer: str
    ) -> tuple[Arrival, tuple[Code, ...]]:
        """Judge the messages of a batch and write its answer; give what is to be stored, and the codes of the answer.

        All acknowledgements are written at once, and final: what a feed does later with single messages, it does not here.
        """
        if batch.fault is not None:
            return self._refuse(data, batch, batch.fault, received_us, peer)
        stamp = time_stamp(received_us // SECOND_US)
        members, answers = [], []
        is_due = not batch.groups or not any(group.messages for group in batch.groups)
        for message in batch.messages:
            finding = judge(message)
            codes = codes_due(finding, self._feed.answering.mode)
            acks = [self._acknowledge(finding, (code,), stamp) for code in codes]
            is_due = is_due or bool(codes)
            answers.append([ack[1:-2] for ack, code in zip(acks, codes, strict=True) if self._is_told(code)])
            members.append(
                Arrival(self._feed.name, received_us, message, b"".join(acks), finding, peer, (), flags_of(finding))
            )
        reply = b""
        if batch.is_bare:  # its sender knows of no batches
            reply = b"".join(member.ack for member in members)
        elif is_due and self._answers and not _is_reply(batch):
            reply = frame(batch_reply(batch, answers, stamp=stamp, new_control_id=self._new_control_id))
        codes = codes_due(_ACCEPTED, self._feed.answering.mode) if reply else ()
        return Arrival(self._feed.name, received_us, data, reply, _ACCEPTED, peer, tuple(members)), codes

    @property
    def _answers(self) -> bool:
        answering, content = self._feed.answering, self._feed.content
        return answering.mode is not AckMode.NONE and content.batch_reply is not BatchReply.NONE

    def _is_told(self, code: Code) -> bool:
        return self._feed.content.batch_reply is BatchReply.ALL or code.letter != _POSITIVE

    def _refuse(
        self, data: bytes, batch: Batch, fault: BatchFault, received_us: int, peer: str
    ) -> tuple[Arrival, tuple[Code, ...]]:
        verdict, reason, error = _FAULTS[fault]
        finding = Finding(Disposition.QUARANTINED, verdict, None, reason, (error,))
        told = finding._replace(header=_header_of(batch), verdict=Verdict.SILENT if _is_reply(batch) else verdict)
        codes = codes_due(told, self._feed.answering.mode)
        ack = self._acknowledge(told, codes, time_stamp(received_us // SECOND_US))
        return Arrival(self._feed.name, received_us, data, ack, finding, peer), codes

    def _acknowledge(self, finding: Finding, codes: Sequence[Code], stamp: bytes) -> bytes:
        return acknowledge(
            finding,
            codes,
            stamp=stamp,
            new_control_id=self._new_control_id,
            ack_type=self._feed.answering.ack_type,
        )


def _is_reply(batch: Batch) -> bool:
    """Say whether a batch answers one: answering it in turn would never end."""
    headers = [batch.file, *(group.header for group in batch.groups)]
    return any(header is not None and header.fields[_REFERENCE] for header in headers)


def _header_of(batch: Batch) -> Header | None:
    """Give what a batch that is refused is answered by: its own parties and control id, the rest from its first message."""
    outer = next((group.header for group in batch.groups if group.header is not None), batch.file)
    first = parse_header(next(batch.messages, b""))
    if outer is None:
        return None if isinstance(first, HeaderFault) else first
    fields = [*outer.fields[:6], b"", b"", outer.fields[9], *(b"",) * 11]
    if isinstance(first, HeaderFault):
        return outer._replace(fields=tuple(fields), message_type="", trigger_event="", version=())
    for place in _OF_MESSAGE:
        fields[place] = first.fields[place]
    return outer._replace(fields=tuple(fields), message_type="", trigger_event="", version=first.version)
