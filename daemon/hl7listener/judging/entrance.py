"""What the header of a message must say before its content is looked at (HL7 v2.5 chapter 2, 2.9.2). Pure."""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Protocol

from daemon.hl7listener.ack.answering import Answering
from daemon.hl7listener.judging.verdict import Hl7Error, Reason, Verdict
from daemon.hl7listener.text.header import Header

CONTROL_ID, PROCESSING_ID, VERSION = 10, 11, 12
_CONTROL_ID_PLACE = CONTROL_ID - 2
_HL7_2 = (2,)


class Permit(Protocol):
    """What a sender may claim to be."""

    def permits(self, header: Header, /) -> bool:
        """Say whether a header claims nothing else."""
        ...


class Fault(NamedTuple):
    """One thing that is wrong with a header."""

    reason: Reason
    verdict: Verdict
    error: Hl7Error


_NO_CONTROL_ID = Fault(Reason.NO_CONTROL_ID, Verdict.ERROR, Hl7Error(101, "Required field missing", "MSH", CONTROL_ID))
_PROCESSING_ID = Fault(
    Reason.PROCESSING_ID, Verdict.REJECT, Hl7Error(202, "Unsupported processing id", "MSH", PROCESSING_ID)
)
_VERSION = Fault(Reason.VERSION, Verdict.REJECT, Hl7Error(203, "Unsupported version id", "MSH", VERSION))
_SENDER = Fault(
    Reason.SENDER,
    Verdict.REJECT,
    Hl7Error(207, "Application internal error", "MSH", 3, note="not permitted for this sender"),
)


def faults_of(header: Header, answering: Answering, permit: Permit | None) -> list[Fault]:
    """Find everything that is wrong with a header; none if the message may come in."""
    faults = []
    fields = header.fields
    if not fields[8]:
        faults.append(_NO_CONTROL_ID)
    if answering.versions is not None:
        if header.component(VERSION, 1).strip() not in answering.versions:
            faults.append(_VERSION)
    elif header.version[:1] != _HL7_2 and fields[10]:
        faults.append(_VERSION)
    ids = answering.processing_ids
    if ids is not None and header.component(PROCESSING_ID, 1) not in ids:
        faults.append(_PROCESSING_ID)
    if permit is not None and not permit.permits(header):
        faults.append(_SENDER)
    return faults


def with_made_id(header: Header, data: bytes) -> Header:
    """Give a header the control id it lacks, made from the bytes of the message: the same message gets the same one."""
    made = hashlib.blake2b(data, digest_size=10).hexdigest().upper().encode()
    fields = (*header.fields[:_CONTROL_ID_PLACE], made, *header.fields[_CONTROL_ID_PLACE + 1 :])
    return header._replace(fields=fields)
