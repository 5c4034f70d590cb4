"""What a block turns out to be: one test for each row of the policy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.judging.finding import (
    Disposition,
    Finding,
    Reason,
    Verdict,
    is_acknowledgement,
    judge,
    judge_oversized,
)
from daemon.hl7listener.text.charset import CharsetSource, Decoded
from daemon.hl7listener.text.content import Content
from daemon.hl7listener.text.header import Header, parse_header
from tests.support.builders import MARKER, adt
from tests.support.feeds import feed, route

HEADER = b"MSH|^~\\&|APP|FAC|TO|THERE|20261122||%s|ID1|P|2.5\r"


def outline(finding: Finding) -> tuple[Disposition, Verdict, Reason | None]:
    return finding.disposition, finding.verdict, finding.reason


def error_of(finding: Finding) -> tuple[int, str, int]:
    [error] = finding.errors
    return error.code, error.segment, error.field


# -- accepted ----------------------------------------------------------------------------------------------------------


def test_a_message_with_a_route_is_accepted_and_routed() -> None:
    finding = judge(adt(), feed())
    assert outline(finding) == (Disposition.ROUTED, Verdict.ACCEPT, None)
    assert finding.errors == ()
    assert finding.routes == (route(),)
    assert isinstance(finding.header, Header)
    assert isinstance(finding.decoded, Decoded)


@pytest.mark.parametrize(
    "version", ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8.2", "2.9", "2", ""]
)
def test_any_version_two_is_accepted(version: str) -> None:
    assert outline(judge(adt(version=version), feed())) == (Disposition.ROUTED, Verdict.ACCEPT, None)


@pytest.mark.parametrize("processing_id", [b"P", b"T", b"D", b"", b"P^T", b"?"])
def test_any_processing_id_is_accepted(processing_id: bytes) -> None:
    data = b"MSH|^~\\&|||||||ADT^A01|ID1|" + processing_id + b"|2.5\r"
    assert judge(data, feed()).verdict is Verdict.ACCEPT


def test_a_message_that_is_only_a_header_is_a_message() -> None:
    assert judge(HEADER % b"ADT^A01", feed()).disposition is Disposition.ROUTED


def test_segments_and_fields_nobody_knows_are_no_reason_to_refuse() -> None:
    data = adt() + b"ZZZ|what|ever\rnot a segment at all\r|\r" + b"|" * 100 + b"\r"
    assert judge(data, feed()).disposition is Disposition.ROUTED


# -- no readable header --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"\r\n", Reason.EMPTY),
        (b"PID|1\r", Reason.NO_MSH),
        (b"msh|^~\\&|\r", Reason.NO_MSH),
        (b"MSH|^~", Reason.NO_MSH),
        (b" MSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5\r", Reason.NO_MSH),
        (b"\tMSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5\r", Reason.NO_MSH),
        (b"\0MSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5\r", Reason.NO_MSH),
        (b"M\0S\0H\0|\0^\0~\0", Reason.NO_MSH),
        (b"MSH||||||||", Reason.DELIMITERS),
        (b"MSH\0^~\\&\0A\0B\r", Reason.DELIMITERS),
    ],
)
def test_a_block_without_a_readable_header_is_rejected_and_kept(data: bytes, reason: Reason) -> None:
    finding = judge(data, feed())
    assert outline(finding) == (Disposition.QUARANTINED, Verdict.REJECT, reason)
    assert finding.header is None
    assert error_of(finding) == (100, "MSH", 0)


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\r\n", b"\n\n\r", b"\xef\xbb\xbf\r\n"])
@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_a_byte_order_mark_and_line_ends_before_a_header_and_any_segment_end_are_no_reason_to_refuse(
    before: bytes, end: bytes
) -> None:
    finding = judge(before + adt().replace(b"\r", end), feed())
    assert outline(finding) == (Disposition.ROUTED, Verdict.ACCEPT, None)
    assert finding.header is not None
    assert finding.header.control_id == b"M1"


# -- required fields -----------------------------------------------------------------------------------------------------


def test_a_missing_control_id_is_an_error_located_there() -> None:
    finding = judge(adt(""), feed())
    assert outline(finding) == (Disposition.QUARANTINED, Verdict.ERROR, Reason.NO_CONTROL_ID)
    assert error_of(finding) == (101, "MSH", 10)


@pytest.mark.parametrize("version", ["3.0", "1.9", "25", "x", "2.x"])
def test_another_version_is_rejected(version: str) -> None:
    finding = judge(adt(version=version), feed())
    assert outline(finding) == (Disposition.QUARANTINED, Verdict.REJECT, Reason.VERSION)
    assert error_of(finding) == (203, "MSH", 12)


def test_bytes_that_are_not_in_their_character_set_are_an_error() -> None:
    data = adt().replace(b"|2.5|", b"|2.5||||||UNICODE UTF-8|").replace(b"GIVEN", b"\xe4")
    data = data.replace(b"|P|2.5||||||UNICODE UTF-8|||", b"|P|2.5||||||UNICODE UTF-8")
    finding = judge(data, feed())
    assert outline(finding) == (Disposition.QUARANTINED, Verdict.ERROR, Reason.CHARSET)
    assert error_of(finding) == (102, "MSH", 18)
    assert finding.decoded is None


def test_a_character_set_that_cannot_be_read_here_is_refused_by_name() -> None:
    data = adt(msh="MSH|^~\\&|A|B|||2026||ADT^A01|ID|P|2.5||||||CNS 11643-1992")
    finding = judge(data, feed())
    assert outline(finding) == (Disposition.QUARANTINED, Verdict.ERROR, Reason.CHARSET_UNSUPPORTED)
    assert error_of(finding) == (102, "MSH", 18)


def test_a_feed_may_take_bytes_that_are_not_in_their_character_set() -> None:
    data = adt(msh="MSH|^~\\&|A|B|||2026||ADT^A01|ID|P|2.5||||||UNICODE UTF-8").replace(b"GIVEN", b"\xe4")
    finding = judge(data, feed(content=Content(keeps_damaged=True)))
    assert outline(finding) == (Disposition.ROUTED, Verdict.ACCEPT, None)
    assert finding.decoded is not None
    assert (finding.decoded.source, finding.decoded.damaged_bytes) == (CharsetSource.DAMAGED, 1)


# -- not routed ----------------------------------------------------------------------------------------------------------


def test_a_type_no_route_knows_is_rejected() -> None:
    finding = judge(HEADER % b"ORU^R01", feed())
    assert outline(finding) == (Disposition.QUARANTINED, Verdict.REJECT, Reason.TYPE)
    assert error_of(finding) == (200, "MSH", 9)


def test_an_event_no_route_knows_is_rejected() -> None:
    finding = judge(HEADER % b"ADT^A99", feed(route(["ADT"], ["A01"])))
    assert outline(finding) == (Disposition.QUARANTINED, Verdict.REJECT, Reason.EVENT)
    assert error_of(finding) == (201, "MSH", 9)


@pytest.mark.parametrize("kind", [b"", b"^", b"A^B^C^D^E" + b"^x" * 50, b"adt^a01", b"ADT&A01"])
def test_an_odd_message_type_is_just_one_nobody_knows(kind: bytes) -> None:
    assert judge(HEADER % kind, feed()).reason is Reason.TYPE


@pytest.mark.parametrize(("kind", "reason"), [(b"ORU^R01", Reason.TYPE), (b"ADT^A99", Reason.EVENT)])
def test_a_feed_that_parks_accepts_what_no_route_knows(kind: bytes, reason: Reason) -> None:
    finding = judge(HEADER % kind, feed(route(["ADT"], ["A01"]), parks_unrouted=True))
    assert outline(finding) == (Disposition.PARKED, Verdict.ACCEPT, reason)
    assert finding.errors == ()


# -- acknowledgements ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(HEADER % b"ACK" + b"MSA|AA|X\r", id="by its type"),
        pytest.param(HEADER % b"ACK^A01^ACK", id="by its type alone"),
        pytest.param(HEADER % b"ADT^A01" + b"MSA|AA|X\r", id="by a segment"),
        pytest.param((HEADER % b"ADT^A01").replace(b"\r", b"\n") + b"MSA|AA|X\n", id="by a segment behind LF"),
        pytest.param(
            HEADER.replace(b"|APP|", b"|MSA|") % b"RSP^K22" + b"MSA|AA|X\r", id="of an application called MSA"
        ),
    ],
)
def test_an_acknowledgement_is_never_answered(data: bytes) -> None:
    finding = judge(data, feed())
    assert finding.verdict is Verdict.SILENT
    assert finding.reason is Reason.ACKNOWLEDGEMENT


@pytest.mark.parametrize("text", [b"OBX|1|TX|MSA|x\r", b"NTE|1||\nMSA x\r", b"MSAX|1\r", b"ZMSA|1\r"])
def test_the_letters_alone_make_no_acknowledgement(text: bytes) -> None:
    assert judge(HEADER % b"ADT^A01" + text, feed()).verdict is Verdict.ACCEPT


def test_the_segment_is_found_by_the_separator_of_the_message() -> None:
    header = parse_header(b"MSH$^~\\&$APP\r")
    assert isinstance(header, Header)
    assert is_acknowledgement(b"MSH$^~\\&$APP\rMSA$AA\r", header)
    assert not is_acknowledgement(b"MSH$^~\\&$APP\rMSA|AA\r", header)


def test_an_acknowledgement_no_route_wants_is_kept() -> None:
    finding = judge(HEADER % b"ACK", feed())
    assert outline(finding) == (Disposition.PARKED, Verdict.SILENT, Reason.ACKNOWLEDGEMENT)


def test_an_answer_with_results_that_has_a_route_can_become_a_task() -> None:
    data = HEADER % b"RSP^K22" + b"MSA|AA|Q1\rPID|1||P1\r"
    finding = judge(data, feed(route(["RSP"])))
    assert outline(finding) == (Disposition.ROUTED, Verdict.SILENT, Reason.ACKNOWLEDGEMENT)
    assert finding.decoded is not None
    assert finding.decoded.text.encode() == data


def test_an_answer_that_is_not_in_its_character_set_is_kept_and_not_answered() -> None:
    data = HEADER.replace(b"|2.5", b"|2.5||||||UNICODE UTF-8") % b"RSP^K22" + b"MSA|AA|Q1\rPID|\xe4\r"
    finding = judge(data, feed(route(["RSP"])))
    assert outline(finding) == (Disposition.QUARANTINED, Verdict.SILENT, Reason.CHARSET)


# -- too large -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "code"), [("2.1", 207), ("2.5.1", 207), ("2.6", 207), ("2.7", 104), ("2.9", 104), ("", 207)]
)
def test_a_block_over_the_limit_is_rejected_with_the_nearest_code_of_its_version(version: str, code: int) -> None:
    finding = judge_oversized(adt(version=version))
    assert outline(finding) == (Disposition.QUARANTINED, Verdict.REJECT, Reason.TOO_LARGE)
    assert [error.code for error in finding.errors] == [code]
    assert finding.header is not None
    assert finding.header.control_id == b"M1"


def test_a_block_over_the_limit_without_a_header_is_rejected_too() -> None:
    finding = judge_oversized(b"x" * 4096)
    assert outline(finding) == (Disposition.QUARANTINED, Verdict.REJECT, Reason.TOO_LARGE)
    assert finding.header is None


@pytest.mark.parametrize("cut", [b"ID1-IS-LON", b"ID1", b"ID1-IS-LONGER"])
def test_a_control_id_that_was_cut_off_is_not_taken_for_the_whole(cut: bytes) -> None:
    prefix = b"MSH|^~\\&|APP|FAC|TO|THERE|20261122||ADT^A01|" + cut
    finding = judge_oversized(prefix)
    assert finding.header is not None
    assert finding.header.control_id == b""
    assert finding.header.message_type == "ADT"


def test_a_control_id_is_whole_if_anything_follows_it() -> None:
    finding = judge_oversized(b"MSH|^~\\&|APP|FAC|TO|THERE|20261122||ADT^A01|ID1|P|2.")
    assert finding.header is not None
    assert finding.header.control_id == b"ID1"
    assert finding.header.version == ()


def test_an_acknowledgement_over_the_limit_is_not_answered_either() -> None:
    assert judge_oversized(HEADER % b"ACK" + b"MSA|AA|X\r").verdict is Verdict.SILENT
    assert judge_oversized(HEADER % b"RSP^K22" + b"MSA|AA|X\rZZZ|").verdict is Verdict.SILENT


# -- in general ------------------------------------------------------------------------------------------------------------


@given(
    st.binary(max_size=120)
    | st.binary(max_size=120).map(adt().__add__)
    | st.binary(max_size=99).map(b"MSH|^~\\&".__add__)
)
def test_any_bytes_are_judged(data: bytes) -> None:
    for finding in (judge(data, feed()), judge_oversized(data)):
        assert (finding.disposition is Disposition.ROUTED) == bool(finding.routes)
        assert (finding.disposition is Disposition.ROUTED) == (finding.decoded is not None)
        refused = finding.verdict in (Verdict.ERROR, Verdict.REJECT)
        assert refused == bool(finding.errors)
        assert refused <= (finding.disposition is Disposition.QUARANTINED)


def test_a_finding_shows_nothing_of_the_message() -> None:
    finding = judge(adt(), feed())
    assert MARKER not in f"{finding!r} {finding}"
