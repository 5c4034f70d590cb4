"""What a header must say: a row for each policy, and several faults at once."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.hl7listener.ack.answering import AckMode, Answering, NoHeader
from daemon.hl7listener.judging.finding import Disposition, Finding, Reason, Verdict, judge, judge_oversized
from daemon.hl7listener.text.document import document
from daemon.hl7listener.text.header import Header
from daemon.hl7listener.wire.refusing import refuse
from daemon.public import Public
from tests.support.acks import read_acks
from tests.support.builders import adt
from tests.support.feeds import answer, feed


def judged(data: bytes, **policy: Any) -> Finding:
    return judge(data, feed(answering=Answering(**policy)))


def with_fields(processing_id: str = "P", version: str = "2.5", control_id: str = "M1") -> bytes:
    return adt(control_id, version=version).replace(b"|P|", f"|{processing_id}|".encode())


PD = frozenset((b"P", b"D"))


@pytest.mark.parametrize(
    ("processing_id", "is_taken"),
    [("P", True), ("D", True), ("P^T", True), ("D^A", True), ("T", False), ("", False), ("PD", False), ("p", False)],
)
def test_a_processing_id_the_feed_does_not_take_is_rejected(processing_id: str, is_taken: bool) -> None:  # noqa: FBT001
    finding = judged(with_fields(processing_id), processing_ids=PD)
    if is_taken:
        assert finding.verdict is Verdict.ACCEPT
        return
    assert (finding.disposition, finding.verdict) == (Disposition.QUARANTINED, Verdict.REJECT)
    assert finding.reason is Reason.PROCESSING_ID
    assert [(error.code, error.segment, error.field) for error in finding.errors] == [(202, "MSH", 11)]


def test_an_empty_processing_id_is_taken_if_it_is_listed() -> None:
    assert judged(with_fields(""), processing_ids=PD | {b""}).verdict is Verdict.ACCEPT


@pytest.mark.parametrize(
    ("version", "is_taken"),
    [("2.5", True), ("2.5^DEU", True), ("2.3", True), ("2.5.1", False), ("2.4", False), ("", False), ("3.0", False)],
)
def test_only_listed_versions_are_taken(version: str, is_taken: bool) -> None:  # noqa: FBT001
    finding = judged(with_fields(version=version), versions=frozenset((b"2.5", b"2.3")))
    if is_taken:
        assert finding.verdict is Verdict.ACCEPT
        return
    assert (finding.verdict, finding.reason) == (Verdict.REJECT, Reason.VERSION)
    assert [(error.code, error.segment, error.field) for error in finding.errors] == [(203, "MSH", 12)]


def test_everything_that_is_wrong_is_told_and_the_harder_verdict_counts() -> None:
    finding = judged(with_fields("T", "2.9", ""), processing_ids=PD, versions=frozenset((b"2.5",)))
    assert finding.verdict is Verdict.REJECT
    assert finding.reason is Reason.VERSION
    assert [error.code for error in finding.errors] == [101, 203, 202]


@pytest.mark.parametrize(("version", "segments"), [("2.3", 1), ("2.4", 1), ("2.5.1", 2), ("2.9", 2)])
def test_several_errors_are_repetitions_up_to_two_four_and_segments_of_their_own_after(
    version: str, segments: int
) -> None:
    [ack] = read_acks(answer(judged(with_fields("T", version, ""), processing_ids=PD)))
    assert ack.msa[1] == b"AR"
    assert len(ack.errs) == segments
    if segments == 1:
        assert (
            ack.errs[0][1]
            == b"MSH^1^10^101&Required field missing&HL70357~MSH^1^11^202&Unsupported processing id&HL70357"
        )
    else:
        assert [err[2] for err in ack.errs] == [b"MSH^1^10", b"MSH^1^11"]
        assert [err[3] for err in ack.errs] == [
            b"101^Required field missing^HL70357",
            b"202^Unsupported processing id^HL70357",
        ]
        assert {err[4] for err in ack.errs} == {b"E"}
        assert {err[5] for err in ack.errs} == {b"processing-id-not-taken"}


def test_a_control_id_is_made_of_the_bytes_if_the_feed_says_so() -> None:
    first, again, other = (judged(data, makes_control_id=True) for data in (adt(""), adt(""), adt("", patient="P2")))
    assert (first.disposition, first.verdict, first.has_made_id) == (Disposition.ROUTED, Verdict.ACCEPT, True)
    ids = [finding.header.control_id for finding in (first, again, other) if finding.header is not None]
    assert ids[0] == ids[1] != ids[2]
    assert len(ids[0]) == 20
    [ack] = read_acks(answer(first))
    assert (ack.msa[1], ack.msa[2]) == (b"AA", ids[0])


def test_a_task_is_given_the_control_id_that_was_made() -> None:
    finding = judged(adt(""), makes_control_id=True)
    assert finding.header is not None
    assert finding.decoded is not None
    made = document(adt(""), 0, Public("adt"), finding.header, finding.decoded)
    assert made["control_id"].encode() == finding.header.control_id


def test_a_control_id_that_is_there_is_left_as_it_is() -> None:
    finding = judged(adt("M1"), makes_control_id=True)
    assert finding.header is not None
    assert (finding.header.control_id, finding.has_made_id) == (b"M1", False)


@pytest.mark.parametrize("data", [b"", b"PID|1\r", b"MSH||||||\r"])
@pytest.mark.parametrize(
    ("no_header", "verdict"),
    [(NoHeader.ANSWER, Verdict.REJECT), (NoHeader.SILENCE, Verdict.SILENT), (NoHeader.CLOSE, Verdict.SILENT)],
)
def test_a_block_without_a_header_is_kept_and_answered_or_not_as_the_feed_says(
    data: bytes, no_header: NoHeader, verdict: Verdict
) -> None:
    finding = judged(data, no_header=no_header)
    assert (finding.disposition, finding.verdict) == (Disposition.QUARANTINED, verdict)
    for refused in (judge_oversized(data, no_header), refuse(data, Reason.FRAMING, no_header)):
        assert (refused.disposition, refused.verdict) == (Disposition.QUARANTINED, verdict)


class Nobody:
    def permits(self, header: Header) -> bool:
        del header
        return False


def test_a_sender_may_claim_only_what_it_is_permitted() -> None:
    finding = judge(adt(version="2.6"), feed(), Nobody())
    assert (finding.verdict, finding.reason) == (Verdict.REJECT, Reason.SENDER)
    [ack] = read_acks(answer(finding))
    assert ack.msa[1] == b"AR"
    assert ack.msa[3] == b"not permitted for this sender"
    assert ack.err is not None
    assert ack.err[3].startswith(b"207^")
    assert ack.err[8] == b"not permitted for this sender"


def test_an_acknowledgement_nobody_permits_is_kept_and_not_answered() -> None:
    finding = judge(adt() + b"MSA|AA|X\r", feed(), Nobody())
    assert (finding.disposition, finding.verdict) == (Disposition.QUARANTINED, Verdict.SILENT)


def test_a_feed_that_accepts_everything_answers_aa_to_a_refused_header_too() -> None:
    finding = judged(with_fields("T"), processing_ids=PD)
    [ack] = read_acks(answer(finding, AckMode.ALWAYS_AA))
    assert (ack.msa[1], ack.errs) == (b"AA", ())
