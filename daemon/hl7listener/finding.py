"""What a block turned out to be: a pure judgement, made before anything is stored or answered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from daemon.hl7listener.charset import Decoded, Undecodable, decode
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.header import Header, HeaderFault, parse_header
from daemon.hl7listener.routing import Route, Unrouted, find_route


class Disposition(Enum):
    """What happens to a stored block."""

    ROUTED = 1
    """It becomes a task."""
    PARKED = 2
    """It is kept; no route wants it."""
    QUARANTINED = 3
    """It is refused, and kept for whoever looks into it."""


class Verdict(Enum):
    """How the sender is answered (HL7 table 0008, the letter after A or C)."""

    ACCEPT = "A"
    ERROR = "E"
    REJECT = "R"
    SILENT = ""


class Reason(Enum):
    """Why a block was not routed; kept with it."""

    EMPTY = "empty-block"
    NO_MSH = "no-msh"
    DELIMITERS = "bad-delimiters"
    NO_CONTROL_ID = "no-control-id"
    VERSION = "version-not-2"
    CHARSET = "not-in-its-charset"
    TOO_LARGE = "over-the-limit"
    TYPE = "type-not-routed"
    EVENT = "event-not-routed"
    ACKNOWLEDGEMENT = "is-an-acknowledgement"


@dataclass(frozen=True, slots=True)
class Hl7Error:
    """An error as ERR carries it: a code of table 0357, its text, and where it is (segment, field), if anywhere."""

    code: int
    text: str
    segment: str = ""
    field: int = 0


class Finding(NamedTuple):
    """A judged block. The representation shows nothing of the message."""

    disposition: Disposition
    verdict: Verdict
    header: Header | None
    reason: Reason | None = None
    error: Hl7Error | None = None
    route: Route | None = None
    decoded: Decoded | None = None

    def __repr__(self) -> str:
        """Show the judgement and nothing of the message."""
        return f"Finding({self.disposition}, {self.verdict}, {self.reason})"


_HEADER_FAULTS = {
    HeaderFault.EMPTY: Reason.EMPTY,
    HeaderFault.NO_MSH: Reason.NO_MSH,
    HeaderFault.DELIMITERS: Reason.DELIMITERS,
}
_NO_HEADER = Hl7Error(100, "Segment sequence error", "MSH")
_NO_CONTROL_ID = Hl7Error(101, "Required field missing", "MSH", 10)
_VERSION = Hl7Error(203, "Unsupported version id", "MSH", 12)
_CHARSET = Hl7Error(102, "Data type error", "MSH", 18)
_UNROUTED = {
    Unrouted.TYPE: (Reason.TYPE, Hl7Error(200, "Unsupported message type", "MSH", 9)),
    Unrouted.EVENT: (Reason.EVENT, Hl7Error(201, "Unsupported event code", "MSH", 9)),
}


def judge(data: bytes, feed: Feed) -> Finding:
    """Judge the data of a whole block."""
    header = parse_header(data)
    if isinstance(header, HeaderFault):
        return Finding(Disposition.QUARANTINED, Verdict.REJECT, None, _HEADER_FAULTS[header], _NO_HEADER)
    if is_acknowledgement(data, header):
        return _acknowledgement(data, header, feed)
    if not header.fields[8]:
        return Finding(Disposition.QUARANTINED, Verdict.ERROR, header, Reason.NO_CONTROL_ID, _NO_CONTROL_ID)
    if header.version[:1] != (2,) and header.fields[10]:
        return Finding(Disposition.QUARANTINED, Verdict.REJECT, header, Reason.VERSION, _VERSION)
    decoded = decode(data, header, feed.content.charset)
    if isinstance(decoded, Undecodable):
        return Finding(Disposition.QUARANTINED, Verdict.ERROR, header, Reason.CHARSET, _CHARSET)
    route = find_route(feed.routing.routes, header.message_type, header.trigger_event)
    if isinstance(route, Route):
        return Finding(Disposition.ROUTED, Verdict.ACCEPT, header, route=route, decoded=decoded)
    reason, error = _UNROUTED[route]
    if feed.routing.parks_unrouted:
        return Finding(Disposition.PARKED, Verdict.ACCEPT, header, reason)
    return Finding(Disposition.QUARANTINED, Verdict.REJECT, header, reason, error)


def judge_oversized(prefix: bytes) -> Finding:
    """Judge a block over the limit by its first bytes. Table 0357 has a code for it from 2.7 on; before, 207 is nearest."""
    header = parse_header(_whole_fields(prefix))
    if isinstance(header, HeaderFault):
        return Finding(Disposition.QUARANTINED, Verdict.REJECT, None, Reason.TOO_LARGE, _NO_HEADER)
    if is_acknowledgement(prefix, header):
        return Finding(Disposition.QUARANTINED, Verdict.SILENT, header, Reason.TOO_LARGE)
    late = header.version >= (2, 7)
    error = Hl7Error(104, "Value too long") if late else Hl7Error(207, "Application internal error")
    return Finding(Disposition.QUARANTINED, Verdict.REJECT, header, Reason.TOO_LARGE, error)


def is_acknowledgement(data: bytes, header: Header) -> bool:
    """Say whether a message answers another: answering it in turn would never end (HL7 v2.5 2.9.2)."""
    name = b"MSA" + header.delimiters.field
    return header.message_type == "ACK" or b"\r" + name in data or b"\n" + name in data


def _whole_fields(prefix: bytes) -> bytes:
    """Leave out the last field if the header was cut off in it: half a control id must not be echoed as a whole one."""
    if b"\r" in prefix or b"\n" in prefix:
        return prefix
    return prefix[: prefix.rfind(prefix[3:4]) + 1]


def _acknowledgement(data: bytes, header: Header, feed: Feed) -> Finding:
    route = find_route(feed.routing.routes, header.message_type, header.trigger_event)
    if not isinstance(route, Route):
        return Finding(Disposition.PARKED, Verdict.SILENT, header, Reason.ACKNOWLEDGEMENT)
    decoded = decode(data, header, feed.content.charset)
    if isinstance(decoded, Undecodable):
        return Finding(Disposition.QUARANTINED, Verdict.SILENT, header, Reason.CHARSET)
    return Finding(Disposition.ROUTED, Verdict.SILENT, header, Reason.ACKNOWLEDGEMENT, route=route, decoded=decoded)
