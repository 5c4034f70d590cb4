"""Blocks refused for how they came, whatever stands in them."""

from __future__ import annotations

from daemon.hl7listener.ack.answering import NoHeader
from daemon.hl7listener.judging.finding import (
    Disposition,
    Finding,
    Hl7Error,
    Reason,
    Verdict,
    headerless,
    is_acknowledgement,
    judge_oversized,
)
from daemon.hl7listener.text.header import HeaderFault, parse_header

_INTERNAL = Hl7Error(207, "Application internal error")


def refuse(data: bytes, reason: Reason, no_header: NoHeader = NoHeader.ANSWER) -> Finding:
    """Judge a whole block that is refused for ``reason``: with AR, unless it is an acknowledgement itself."""
    header = parse_header(data)
    if isinstance(header, HeaderFault):
        return headerless(reason, no_header)
    verdict = Verdict.SILENT if is_acknowledgement(data, header) else Verdict.REJECT
    return Finding(Disposition.QUARANTINED, verdict, header, reason, (_INTERNAL,))


def refuse_unfinished(prefix: bytes) -> Finding | None:
    """Judge a block that was broken off by its first bytes; ``None`` if they do not reach to its control id."""
    finding = judge_oversized(prefix)
    if finding.header is None or not finding.header.control_id:
        return None
    return finding._replace(reason=Reason.UNFINISHED, errors=(_INTERNAL,))
