"""The answers of feeds that answer late, or that refuse by what is known only when a message is stored. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from daemon.hl7listener.ack.answering import Answering
from daemon.hl7listener.ack.codes import Code, may_follow
from daemon.hl7listener.ack.writer import acknowledge, codes_due
from daemon.hl7listener.judging.finding import Finding
from daemon.hl7listener.judging.verdict import Disposition, Hl7Error, Reason, Verdict
from daemon.hl7listener.spool.rows import Flag

_NO_FLAG = Flag(0)
_INTERNAL = "Application internal error"
_END = b"\x1c\r"


class Refusal(NamedTuple):
    """A verdict a message gets after it was judged acceptable."""

    verdict: Verdict
    reason: Reason | None
    error: Hl7Error

    def of(self, finding: Finding) -> Finding:
        """Judge again; whoever was to get no answer still gets none."""
        verdict = Verdict.SILENT if finding.verdict is Verdict.SILENT else self.verdict
        return finding._replace(
            disposition=Disposition.QUARANTINED, verdict=verdict, reason=self.reason, errors=(self.error,)
        )


NOT_STORABLE = Refusal(Verdict.REJECT, None, Hl7Error(207, _INTERNAL, note="cannot be stored now, send it again"))
REUSED = Refusal(
    Verdict.ERROR, Reason.REUSED, Hl7Error(207, _INTERNAL, "MSH", 10, "control id used before for another message")
)
TASK_FAILED = Refusal(Verdict.ERROR, None, Hl7Error(207, _INTERNAL, note="stored, but processing failed"))
NOT_IN_TIME = Refusal(Verdict.ERROR, None, Hl7Error(207, _INTERNAL, note="stored, but not processed in time"))
OUT_OF_TURN = Refusal(
    Verdict.REJECT, Reason.SEQUENCE, Hl7Error(207, _INTERNAL, "MSH", 13, "out of sequence, MSA-4 has what is expected")
)


class Reply(NamedTuple):
    """What a sender gets.

    Attributes:
        ack: what is sent once the message is stored.
        codes: the codes in it.
        pending: what is noted while the application acknowledgement is still to come; empty if ``ack`` is all.
        ack_if_reused: what is sent instead, and the message refused, if its control id is known with other content.
    """

    ack: bytes
    codes: tuple[Code, ...]
    pending: str = ""
    ack_if_reused: bytes = b""

    def __repr__(self) -> str:
        """Show nothing of the message."""
        return f"Reply({self.codes})"


def reply_to(
    finding: Finding,
    answering: Answering,
    *,
    stamp: bytes,
    new_control_id: Callable[[], str],
    expected: int | None = None,
) -> Reply:
    """Write what the sender of a judged block gets, and what it gets if it turns out to be refused."""

    def write(judged: Finding, codes: tuple[Code, ...]) -> bytes:
        return acknowledge(
            judged,
            codes,
            stamp=stamp,
            new_control_id=new_control_id,
            ack_type=answering.ack_type,
            expected=expected,
        )

    codes = codes_due(finding, answering.mode)
    ack_if_reused = b""
    if answering.refuses_same_id and finding.verdict is Verdict.ACCEPT:
        refused = REUSED.of(finding)
        ack_if_reused = write(refused, codes_due(refused, answering.mode))
    if not answering.is_late or not _is_awaited(finding, answering):
        return Reply(write(finding, codes), codes, "", ack_if_reused)
    at_once = tuple(code for code in codes if code.family == "C")
    return Reply(write(finding, at_once), at_once, answering.when.value, ack_if_reused)


def final_reply(
    finding: Finding, answering: Answering, refusal: Refusal | None, *, stamp: bytes, new_control_id: Callable[[], str]
) -> tuple[bytes, tuple[Code, ...]]:
    """Write the application acknowledgement of a message that was accepted, now that it is known what became of it."""
    known = finding if refusal is None else refusal.of(finding)
    codes = tuple(code for code in codes_due(known, answering.mode) if code.family == "A")
    ack = acknowledge(known, codes, stamp=stamp, new_control_id=new_control_id, ack_type=answering.ack_type)
    return ack, codes


def flags_of(finding: Finding) -> Flag:
    """Say what else is known of a judged message."""
    decoded = finding.decoded
    if not finding.has_made_id and (decoded is None or not decoded.damaged_bytes):
        return _NO_FLAG
    made = Flag.MADE_ID if finding.has_made_id else _NO_FLAG
    damaged = Flag.DAMAGED_CHARSET if decoded is not None and decoded.damaged_bytes else _NO_FLAG
    return made | damaged


def _is_awaited(finding: Finding, answering: Answering) -> bool:
    return (
        finding.disposition is Disposition.ROUTED
        and finding.verdict is Verdict.ACCEPT
        and finding.header is not None
        and may_follow(finding.header, answering.mode)
    )


def split_accept(ack: bytes) -> tuple[bytes, bytes]:
    """Cut what was answered into the accept acknowledgement and the application one; either may be missing."""
    place = ack.find(b"\rMSA")
    if place < 0 or ack[place + 5 : place + 6] != b"C":
        return b"", ack
    end = ack.find(_END, place) + len(_END)
    return ack[:end], ack[end:]


def is_positive(ack: bytes) -> bool:
    """Say whether what was answered accepts its message."""
    place = ack.find(b"\rMSA")
    return place >= 0 and ack[place + 6 : place + 7] == b"A"
