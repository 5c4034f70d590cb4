"""What a block turned out to be: a pure judgement, made before anything is stored or answered."""

from __future__ import annotations

from typing import NamedTuple

from daemon.hl7listener.ack.answering import NoHeader
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.judging.entrance import Permit, faults_of, with_made_id
from daemon.hl7listener.judging.verdict import Disposition, Hl7Error, Reason, Verdict
from daemon.hl7listener.routes.routing import Route, Unrouted, choose
from daemon.hl7listener.text.charset import Decoded, Undecodable, decode
from daemon.hl7listener.text.header import Header, HeaderFault, parse_header
from daemon.hl7listener.text.header_text import true_header
from daemon.hl7listener.text.segments import SegmentEnd

__all__ = ["Disposition", "Finding", "Hl7Error", "Reason", "Verdict", "is_acknowledgement", "judge", "judge_oversized"]


class Finding(NamedTuple):
    """A judged block. The representation shows nothing of the message.

    Attributes:
        errors: what is wrong with it, one ERR each.
        has_made_id: whether the control id in ``header`` was made by us, because the message has none.
    """

    disposition: Disposition
    verdict: Verdict
    header: Header | None
    reason: Reason | None = None
    errors: tuple[Hl7Error, ...] = ()
    routes: tuple[Route, ...] = ()
    decoded: Decoded | None = None
    has_made_id: bool = False

    def __repr__(self) -> str:
        """Show the judgement and nothing of the message."""
        return f"Finding({self.disposition}, {self.verdict}, {self.reason})"


_HEADER_FAULTS = {
    HeaderFault.EMPTY: Reason.EMPTY,
    HeaderFault.NO_MSH: Reason.NO_MSH,
    HeaderFault.DELIMITERS: Reason.DELIMITERS,
}
_NO_HEADER = Hl7Error(100, "Segment sequence error", "MSH")
_CHARSET = Hl7Error(102, "Data type error", "MSH", 18)
_UNROUTED = {
    Unrouted.TYPE: (Reason.TYPE, Hl7Error(200, "Unsupported message type", "MSH", 9)),
    Unrouted.EVENT: (Reason.EVENT, Hl7Error(201, "Unsupported event code", "MSH", 9)),
    Unrouted.CONTENT: (Reason.CONTENT, Hl7Error(207, "Application internal error")),
}


def judge(data: bytes, feed: Feed, permit: Permit | None = None) -> Finding:
    """Judge the data of a whole block.

    Args:
        data: what was between VT and FS.
        feed: where it came.
        permit: what its sender may claim to be; ``None``: anything.
    """
    header = parse_header(data, feed.content.end)
    answering = feed.answering
    if isinstance(header, HeaderFault):
        return headerless(_HEADER_FAULTS[header], answering.no_header)
    header = true_header(data, header, feed.content)
    if is_acknowledgement(data, header):
        return _acknowledgement(data, header, feed, permit)
    has_made_id = answering.makes_control_id and not header.fields[8]
    if has_made_id:
        header = with_made_id(header, data)
    faults = faults_of(header, answering, permit)
    if faults:
        rejects = any(fault.verdict is Verdict.REJECT for fault in faults)
        verdict = Verdict.REJECT if rejects else Verdict.ERROR
        reason = next(fault.reason for fault in faults if fault.verdict is verdict)
        return Finding(Disposition.QUARANTINED, verdict, header, reason, tuple(fault.error for fault in faults))
    decoded = decode(data, header, feed.content)
    if isinstance(decoded, Undecodable):
        return Finding(Disposition.QUARANTINED, Verdict.ERROR, header, _charset_reason(decoded), (_CHARSET,))
    routes = choose(feed.routing, header, decoded.text, data)
    if isinstance(routes, Unrouted):
        reason, error = _UNROUTED[routes]
        if feed.routing.parks_unrouted:
            return Finding(Disposition.PARKED, Verdict.ACCEPT, header, reason)
        return Finding(Disposition.QUARANTINED, Verdict.REJECT, header, reason, (error,))
    if not routes:
        return Finding(Disposition.FILTERED, Verdict.ACCEPT, header, Reason.FILTERED)
    return Finding(Disposition.ROUTED, Verdict.ACCEPT, header, None, (), routes, decoded, has_made_id)


def _charset_reason(undecodable: Undecodable) -> Reason:
    return Reason.CHARSET_UNSUPPORTED if undecodable.is_unsupported else Reason.CHARSET


def judge_oversized(prefix: bytes, no_header: NoHeader = NoHeader.ANSWER) -> Finding:
    """Judge a block over the limit by its first bytes. Table 0357 has a code for it from 2.7 on; before, 207 is nearest."""
    header = parse_header(_whole_fields(prefix))
    if isinstance(header, HeaderFault):
        return headerless(Reason.TOO_LARGE, no_header)
    if is_acknowledgement(prefix, header):
        return Finding(Disposition.QUARANTINED, Verdict.SILENT, header, Reason.TOO_LARGE)
    late = header.version >= (2, 7)
    error = Hl7Error(104, "Value too long") if late else Hl7Error(207, "Application internal error")
    return Finding(Disposition.QUARANTINED, Verdict.REJECT, header, Reason.TOO_LARGE, (error,))


def headerless(reason: Reason, no_header: NoHeader) -> Finding:
    """Refuse a block whose header cannot be read, as its feed answers those."""
    verdict = Verdict.REJECT if no_header is NoHeader.ANSWER else Verdict.SILENT
    return Finding(Disposition.QUARANTINED, verdict, None, reason, (_NO_HEADER,))


def is_acknowledgement(data: bytes, header: Header) -> bool:
    """Say whether a message answers another: answering it in turn would never end (HL7 v2.5 2.9.2)."""
    if header.message_type == "ACK":
        return True
    if b"MSA" not in data:  # most are not, and looking for more takes longer
        return False
    name = b"MSA" + header.delimiters.field
    return b"\r" + name in data or (b"\n" + name in data and header.delimiters.end is not SegmentEnd.CR)


def _whole_fields(prefix: bytes) -> bytes:
    """Leave out the last field if the header was cut off in it: half a control id must not be echoed as a whole one."""
    if b"\r" in prefix or b"\n" in prefix:
        return prefix
    return prefix[: prefix.rfind(prefix[3:4]) + 1]


def _acknowledgement(data: bytes, header: Header, feed: Feed, permit: Permit | None) -> Finding:
    if permit is not None and not permit.permits(header):
        return Finding(Disposition.QUARANTINED, Verdict.SILENT, header, Reason.SENDER)
    decoded = decode(data, header, feed.content)
    text = "" if isinstance(decoded, Undecodable) else decoded.text
    routes = choose(feed.routing, header, text, data)
    if routes in (Unrouted.TYPE, Unrouted.EVENT):
        return Finding(Disposition.PARKED, Verdict.SILENT, header, Reason.ACKNOWLEDGEMENT)
    if isinstance(decoded, Undecodable):
        return Finding(Disposition.QUARANTINED, Verdict.SILENT, header, _charset_reason(decoded))
    if isinstance(routes, Unrouted):
        return Finding(Disposition.PARKED, Verdict.SILENT, header, Reason.ACKNOWLEDGEMENT)
    if not routes:
        return Finding(Disposition.FILTERED, Verdict.SILENT, header, Reason.FILTERED)
    return Finding(Disposition.ROUTED, Verdict.SILENT, header, Reason.ACKNOWLEDGEMENT, routes=routes, decoded=decoded)
