"""Which acknowledgement is due, and every field of it."""

from __future__ import annotations

import itertools

import pytest

from daemon.hl7listener.ack.answering import AckMode
from daemon.hl7listener.ack.writer import acknowledge, codes_due, time_stamp
from daemon.hl7listener.judging.finding import Finding, Verdict, judge, judge_oversized
from daemon.hl7listener.text.header import Header
from tests.support.acks import Ack, check_header_rules, read_acks
from tests.support.builders import MARKER, adt
from tests.support.feeds import STAMP, answer, control_ids, feed, route

VERSIONS = ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2", "2.9"]
CONDITIONS = ["", "NE", "AL", "SU", "ER"]
PAIRS = list(itertools.product(CONDITIONS, CONDITIONS))
ACCEPTED, REFUSED, REJECTED = Verdict.ACCEPT, Verdict.ERROR, Verdict.REJECT


def finding_for(verdict: Verdict, accept: str = "", application: str = "", version: str = "2.5") -> Finding:
    """Judge a message so that the verdict is the one wanted."""
    event = "A01" if verdict is not Verdict.REJECT else "A99"
    control_id = "" if verdict is Verdict.ERROR else "M1"
    data = adt(control_id, event=event, version=version, accept=accept, application=application)
    if verdict is Verdict.SILENT:
        data += b"MSA|AA|X\r"
    finding = judge(data, feed(route(["ADT"], ["A01"])))
    assert finding.verdict is verdict
    return finding


def due(finding: Finding, mode: AckMode = AckMode.MSH) -> list[str]:
    return [str(code) for code in codes_due(finding, mode)]


def only(blocks: bytes) -> Ack:
    [ack] = read_acks(blocks)
    return ack


def holds(condition: str, verdict: Verdict) -> bool:
    """Say whether a condition of table 0155 asks for an acknowledgement; empty is taken for NE beside one that is not."""
    asked = {"AL": True, "SU": verdict is Verdict.ACCEPT, "ER": verdict is not Verdict.ACCEPT}
    return asked.get(condition, False)


# -- which is due ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [ACCEPTED, REFUSED, REJECTED])
@pytest.mark.parametrize(("accept", "application"), PAIRS)
def test_msh_15_and_16_decide(accept: str, application: str, verdict: Verdict) -> None:
    finding = finding_for(verdict, accept, application)
    letter = verdict.value
    if not accept and not application:
        expected = [f"A{letter}"]
    else:
        expected = [f"C{letter}"] * holds(accept, verdict) + [f"A{letter}"] * holds(application, verdict)
    assert due(finding) == expected


@pytest.mark.parametrize("verdict", [ACCEPTED, REFUSED, REJECTED])
def test_an_unknown_condition_asks_always(verdict: Verdict) -> None:
    assert due(finding_for(verdict, "XX", "NE")) == [f"C{verdict.value}"]
    assert due(finding_for(verdict, "NE", "al")) == [f"A{verdict.value}"]


@pytest.mark.parametrize("verdict", [ACCEPTED, REFUSED, REJECTED])
@pytest.mark.parametrize(("accept", "application"), PAIRS)
def test_a_feed_in_original_mode_answers_once_whatever_msh_says(
    accept: str, application: str, verdict: Verdict
) -> None:
    assert due(finding_for(verdict, accept, application), AckMode.ORIGINAL) == [f"A{verdict.value}"]


@pytest.mark.parametrize("verdict", [ACCEPTED, REFUSED, REJECTED])
def test_a_feed_in_enhanced_mode_takes_two_empty_fields_for_al_and_ne(verdict: Verdict) -> None:
    assert due(finding_for(verdict), AckMode.ENHANCED) == [f"C{verdict.value}"]


@pytest.mark.parametrize("verdict", [ACCEPTED, REFUSED, REJECTED])
@pytest.mark.parametrize(("accept", "application"), PAIRS[1:])
def test_a_feed_in_enhanced_mode_follows_the_fields_that_are_there(
    accept: str, application: str, verdict: Verdict
) -> None:
    finding = finding_for(verdict, accept, application)
    assert due(finding, AckMode.ENHANCED) == due(finding, AckMode.MSH)


@pytest.mark.parametrize("verdict", [ACCEPTED, REFUSED, REJECTED])
@pytest.mark.parametrize(("accept", "application"), [("", ""), ("NE", "NE"), ("AL", "AL"), ("ER", "SU")])
def test_a_feed_that_always_says_aa_says_nothing_else(accept: str, application: str, verdict: Verdict) -> None:
    assert due(finding_for(verdict, accept, application), AckMode.ALWAYS_AA) == ["AA"]


@pytest.mark.parametrize("verdict", [ACCEPTED, REFUSED, REJECTED])
@pytest.mark.parametrize("accept", CONDITIONS)
def test_a_feed_without_acknowledgements_never_answers(accept: str, verdict: Verdict) -> None:
    assert due(finding_for(verdict, accept, "AL"), AckMode.NONE) == []


@pytest.mark.parametrize("mode", AckMode)
@pytest.mark.parametrize("accept", CONDITIONS)
def test_an_acknowledgement_is_not_acknowledged_in_any_mode(accept: str, mode: AckMode) -> None:
    finding = finding_for(Verdict.SILENT, accept, "AL")
    assert due(finding, mode) == []
    assert answer(finding, mode) == b""


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (AckMode.MSH, ["AR"]),
        (AckMode.ORIGINAL, ["AR"]),
        (AckMode.ENHANCED, ["CR"]),
        (AckMode.ALWAYS_AA, ["AA"]),
        (AckMode.NONE, []),
    ],
)
def test_a_block_without_a_header_is_answered_by_the_mode_of_the_feed(mode: AckMode, expected: list[str]) -> None:
    assert due(judge(b"garbage", feed()), mode) == expected


def test_an_accept_and_an_application_acknowledgement_are_two_messages_in_this_order() -> None:
    first, second = read_acks(answer(finding_for(ACCEPTED, "AL", "AL")))
    assert (first.msa[1], second.msa[1]) == (b"CA", b"AA")
    assert first.msh[10] != second.msh[10]


# -- the header --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [ACCEPTED, REFUSED, REJECTED])
@pytest.mark.parametrize(("accept", "application"), [("", ""), ("AL", "NE"), ("NE", "AL")])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_header_follows_the_rules_of_its_version(
    version: str, accept: str, application: str, verdict: Verdict
) -> None:
    finding = finding_for(verdict, accept, application, version)
    assert finding.header is not None
    check_header_rules(only(answer(finding)), finding.header)


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("2.1", b"ACK"),
        ("2.2", b"ACK"),
        ("2.3", b"ACK"),
        ("2.3.1", b"ACK^A01"),
        ("2.4", b"ACK^A01^ACK"),
        ("2.5.1", b"ACK^A01^ACK"),
        ("2.9", b"ACK^A01^ACK"),
        ("", b"ACK^A01^ACK"),
    ],
)
def test_the_type_grew_with_the_versions(version: str, kind: bytes) -> None:
    assert only(answer(judge(adt(version=version), feed()))).msh[9] == kind


def test_without_an_event_the_type_is_the_word_alone() -> None:
    assert only(answer(judge(adt().replace(b"ADT^A01^ADT_A01", b"ADT"), feed()))).msh[9] == b"ACK"


def test_sender_and_receiver_change_places_with_all_their_components() -> None:
    data = adt(msh="MSH|^~\\&|SA^1.2^ISO|SF^x&y|RA^3.4^ISO~2nd|RF||| ADT|ADT^A01|M1|P|2.5")
    data = data.replace(b"||| ADT|", b"|||")
    ack = only(answer(judge(data, feed())))
    assert ack.msh[3:7] == [b"RA^3.4^ISO~2nd", b"RF", b"SA^1.2^ISO", b"SF^x&y"]


def test_processing_id_and_version_are_those_of_the_message() -> None:
    data = adt().replace(b"|P|2.5|", b"|T^A|2.5.1^DEU|")
    ack = only(answer(judge(data, feed())))
    assert ack.msh[11:13] == [b"T^A", b"2.5.1^DEU"]


def test_a_missing_version_is_given_as_the_one_we_write() -> None:
    assert only(answer(judge(adt(version=""), feed()))).msh[12] == b"2.5"


def test_the_character_set_of_the_message_is_kept_and_so_are_the_bytes_echoed() -> None:
    data = "MSH|^~\\&|KÜCHE|ÖL|ZIEL|ORT|20261122||ADT^A01|ID-ß|P|2.5||||||8859/1\rPID|1\r".encode("latin-1")
    ack = only(answer(judge(data, feed())))
    assert ack.msh[5] == "KÜCHE".encode("latin-1")
    assert ack.msa[2] == "ID-ß".encode("latin-1")
    assert ack.msh[18] == b"8859/1"


def test_the_header_ends_with_its_last_valued_field() -> None:
    block = answer(judge(adt(), feed()))
    [msh, _, _] = block.split(b"\r", 2)
    assert msh.endswith(b"|P|2.5")


def test_an_accept_acknowledgement_asks_for_none_in_turn() -> None:
    ack = only(answer(finding_for(ACCEPTED, "AL", "NE")))
    assert ack.msh[15:17] == [b"NE", b"NE"]


def test_the_control_id_is_our_own_and_each_time_another() -> None:
    ids = control_ids()
    finding = judge(adt("M1"), feed())
    codes = codes_due(finding, AckMode.MSH)
    acks = [only(acknowledge(finding, codes, stamp=STAMP, new_control_id=ids)) for _ in range(3)]
    assert [ack.msh[10] for ack in acks] == [b"A1", b"A2", b"A3"]


def test_the_time_stamp_is_now_with_its_offset() -> None:
    assert time_stamp(1_790_000_000) == b"20260921141320+0000"
    assert only(answer(judge(adt(), feed()))).msh[7] == STAMP


# -- whose message it is for -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "control_id",
    [
        b" spaces ",
        b"x" * 5_000,
        b"'; DROP TABLE message; --",
        b"a^b~c\\F\\&d",
        b"\x00\x1b[2J\x7f",
        b"\xff\xfe",
        b"one\ntwo",
        b'""',
    ],
)
def test_the_control_id_is_echoed_byte_for_byte(control_id: bytes) -> None:
    data = b"MSH|^~\\&|||||||ADT^A01|" + control_id + b"|P|2.5||||||8859/1\rPID|1\r"
    assert only(answer(judge(data, feed()))).msa[2] == control_id


def test_a_block_without_a_header_is_answered_without_a_control_id() -> None:
    ack = only(answer(judge(b"garbage", feed())))
    assert ack.msa[1:3] == [b"AR", b""]
    assert ack.msh[1:3] == [b"|", b"^~\\&"]
    assert ack.msh[12] == b"2.5"


# -- delimiters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", [b"@%/;", b"@%/;?", b"@%", b"@%/"])
@pytest.mark.parametrize("verdict", [ACCEPTED, REJECTED])
def test_everything_is_written_in_the_delimiters_of_the_message(encoding: bytes, verdict: Verdict) -> None:
    event = b"A01" if verdict is ACCEPTED else b"A99"
    data = b"MSH$" + encoding + b"$SA$SF$RA@1$RF$2026$$ADT@" + event + b"$M1$P$2.5\rPID$1\r"
    finding = judge(data, feed(route(["ADT"], ["A01"])))
    assert finding.verdict is verdict
    assert finding.header is not None
    ack = only(answer(finding))
    check_header_rules(ack, finding.header)
    assert ack.msh[9] == b"ACK@" + event + b"@ACK"
    if ack.err is not None:
        assert ack.err[2:5] == [b"MSH@1@9", b"201@Unsupported event code@HL70357", b"E"]


@pytest.mark.parametrize(
    "data", [b"MSH+^~\\&+SA+SF+RA+RF+2026++ADT^A01+M1+P+2.5\r", b"MSH|+~\\&|SA|SF|RA|RF|2026||ADT+A01|M1|P|2.5\r"]
)
def test_the_offset_is_left_out_where_its_sign_is_a_delimiter(data: bytes) -> None:
    finding = judge(data, feed())
    assert finding.header is not None
    ack = only(answer(finding))
    check_header_rules(ack, finding.header)
    assert ack.msh[7] == STAMP[:14]


def test_lf_as_segment_end_is_still_answered_in_cr() -> None:
    block = answer(judge(adt(end="\n"), feed()))
    assert b"\n" not in block
    check_header_rules(only(block), judged_header(adt()))


def judged_header(data: bytes) -> Header:
    finding = judge(data, feed())
    assert finding.header is not None
    return finding.header


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2.1", "2.2", "2.3", "2.3.1", "2.4"])
def test_up_to_2_4_the_error_stands_in_one_field(version: str) -> None:
    ack = only(answer(finding_for(REFUSED, version=version)))
    assert ack.err is not None
    assert ack.err[1] == b"MSH^1^10^101&Required field missing&HL70357"
    assert not any(ack.err[2:])


@pytest.mark.parametrize("version", ["2.5", "2.5.1", "2.6", "2.7", "2.8.2", "2.9", ""])
def test_from_2_5_on_place_code_and_severity_have_fields_of_their_own(version: str) -> None:
    ack = only(answer(finding_for(REFUSED, version=version)))
    assert ack.err is not None
    assert ack.err[1:5] == [b"", b"MSH^1^10", b"101^Required field missing^HL70357", b"E"]


@pytest.mark.parametrize(("version", "err"), [("2.4", b"^^^207&Application internal error&HL70357"), ("2.5", b"")])
def test_an_error_of_the_whole_message_has_no_place(version: str, err: bytes) -> None:
    ack = only(answer(judge_oversized(adt(version=version))))
    assert ack.err is not None
    assert ack.err[1:3] == [err, b""]
    assert ack.msa[1] == b"AR"


def test_a_block_without_a_header_gets_an_error_in_the_form_of_2_5() -> None:
    ack = only(answer(judge(b"garbage", feed())))
    assert ack.err is not None
    assert ack.err[1:5] == [b"", b"MSH^1", b"100^Segment sequence error^HL70357", b"E"]


def test_without_a_subcomponent_delimiter_an_old_error_is_its_code() -> None:
    data = b"MSH|^~|SA|SF|RA|RF|2026||ADT^A01||P|2.3\r"
    ack = only(answer(judge(data, feed())))
    assert ack.err is not None
    assert ack.err[1] == b"MSH^1^10^101"


@pytest.mark.parametrize("version", VERSIONS)
def test_many_senders_read_only_msa_3_so_it_is_filled_as_long_as_it_exists(version: str) -> None:
    text = only(answer(finding_for(REFUSED, version=version))).msa[3]
    assert text == (b"" if version >= "2.7" else b"Required field missing")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_that_is_accepted_has_no_error_and_no_text(version: str) -> None:
    ack = only(answer(finding_for(ACCEPTED, version=version)))
    assert ack.err is None
    assert not any(ack.msa[3:])


def test_a_feed_that_always_says_aa_does_not_speak_of_errors() -> None:
    ack = only(answer(finding_for(REFUSED), AckMode.ALWAYS_AA))
    assert ack.msa[1] == b"AA"
    assert ack.err is None


def test_both_acknowledgements_of_a_refused_message_carry_the_error() -> None:
    acks = read_acks(answer(finding_for(REJECTED, "AL", "AL")))
    assert [ack.msa[1] for ack in acks] == [b"CR", b"AR"]
    assert all(ack.err is not None for ack in acks)


# -- nothing else ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [ACCEPTED, REFUSED, REJECTED])
def test_no_acknowledgement_holds_anything_of_the_patient(verdict: Verdict) -> None:
    assert MARKER.encode() not in answer(finding_for(verdict, "AL", "AL"))


@pytest.mark.parametrize("verdict", [ACCEPTED, REFUSED, REJECTED])
def test_every_segment_ends_in_cr(verdict: Verdict) -> None:
    block = answer(finding_for(verdict))
    assert block.endswith(b"\r\x1c\r")
