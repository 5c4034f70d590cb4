"""Answers that come late, or that depend on what only the disk knows."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.hl7listener.ack.answering import AckMode, AckType, AckWhen, Answering
from daemon.hl7listener.ack.codes import has_unknown_condition, may_follow
from daemon.hl7listener.ack.replying import (
    NOT_IN_TIME,
    NOT_STORABLE,
    TASK_FAILED,
    Refusal,
    Reply,
    final_reply,
    is_positive,
    reply_to,
    split_accept,
)
from daemon.hl7listener.judging.finding import Finding, Verdict, judge
from daemon.hl7listener.text.header import Header, parse_header
from tests.support.acks import read_acks
from tests.support.builders import adt
from tests.support.feeds import STAMP, control_ids, feed, route

CONDITIONS = ["", "NE", "AL", "SU", "ER", "XX"]


def judged(accept: str = "", application: str = "", **options: Any) -> Finding:
    return judge(adt(accept=accept, application=application, **options), feed(route(["ADT"], ["A01"])))


def reply(finding: Finding, **policy: Any) -> Reply:
    return reply_to(finding, Answering(**policy), stamp=STAMP, new_control_id=control_ids())


def final(finding: Finding, refusal: Refusal | None, **policy: Any) -> bytes:
    return final_reply(finding, Answering(**policy), refusal, stamp=STAMP, new_control_id=control_ids())[0]


def codes(acks: bytes) -> list[bytes]:
    return [ack.msa[1] for ack in read_acks(acks)]


def is_asked(condition: str, *, is_good: bool) -> bool:
    return {"": False, "NE": False, "AL": True, "XX": True, "SU": is_good, "ER": not is_good}[condition]


@pytest.mark.parametrize("accept", CONDITIONS)
@pytest.mark.parametrize("application", CONDITIONS)
@pytest.mark.parametrize("when", [AckWhen.ENQUEUED, AckWhen.SUCCEEDED])
@pytest.mark.parametrize("refusal", [None, TASK_FAILED, NOT_IN_TIME])
def test_accept_comes_at_once_and_application_when_it_is_known(
    accept: str, application: str, when: AckWhen, refusal: Refusal | None
) -> None:
    finding = judged(accept, application)
    at_once = reply(finding, when=when)
    is_original = not accept and not application
    assert codes(at_once.ack) == [b"CA"] * is_asked(accept, is_good=True)
    is_possible = is_original or application not in ("", "NE")
    assert at_once.pending == (when.value if is_possible else "")
    if not is_possible:
        return
    letter = b"AA" if refusal is None else b"AE"
    is_due = is_original or is_asked(application, is_good=refusal is None)
    later = final(finding, refusal, when=when)
    assert codes(later) == [letter] * is_due
    for ack in read_acks(later):
        assert ack.msh[15] == ack.msh[16] == (b"" if is_original else b"NE")
        assert ack.msa[2] == b"M1"
        assert [err[3][:4] for err in ack.errs] == ([] if refusal is None else [b"207^"])


@pytest.mark.parametrize("when", [AckWhen.ENQUEUED, AckWhen.SUCCEEDED])
def test_what_is_refused_or_makes_no_task_is_answered_at_once(when: AckWhen) -> None:
    for data in (adt(event="A99"), adt(""), b"garbage"):
        found = reply(judge(data, feed(route(["ADT"], ["A01"]))), when=when)
        assert found.pending == ""
        assert not is_positive(found.ack)
    parked = judge(adt(event="A99"), feed(route(["ADT"], ["A01"]), parks_unrouted=True))
    found = reply(parked, when=when)
    assert (found.pending, codes(found.ack)) == ("", [b"AA"])


@pytest.mark.parametrize("mode", [AckMode.NONE, AckMode.ALWAYS_AA])
def test_a_feed_whose_answers_say_nothing_does_not_wait(mode: AckMode) -> None:
    assert reply(judged(), mode=mode, when=AckWhen.SUCCEEDED).pending == ""


def test_a_feed_in_original_mode_waits_whatever_msh_says() -> None:
    finding = judged("AL", "NE")
    found = reply(finding, mode=AckMode.ORIGINAL, when=AckWhen.SUCCEEDED)
    assert (found.ack, bool(found.pending)) == (b"", True)
    assert codes(final(finding, None, mode=AckMode.ORIGINAL, when=AckWhen.SUCCEEDED)) == [b"AA"]


def test_a_feed_in_enhanced_mode_answers_what_asks_for_nothing_at_once() -> None:
    found = reply(judged(), mode=AckMode.ENHANCED, when=AckWhen.SUCCEEDED)
    assert (codes(found.ack), found.pending) == ([b"CA"], "")


def test_a_task_that_failed_is_told_without_a_word_of_it() -> None:
    [ack] = read_acks(final(judged(version="2.5.1"), TASK_FAILED, when=AckWhen.SUCCEEDED))
    assert ack.msa[3] == b"stored, but processing failed"
    assert ack.err is not None
    assert ack.err[3] == b"207^Application internal error^HL70357"


@pytest.mark.parametrize(
    ("accept", "application", "expected"), [("", "", [b"AE"]), ("AL", "NE", [b"CE"]), ("AL", "AL", [b"CE", b"AE"])]
)
def test_the_refusal_of_a_control_id_used_again_is_written_beforehand(
    accept: str, application: str, expected: list[bytes]
) -> None:
    found = reply(judged(accept, application), refuses_same_id=True)
    assert codes(found.ack_if_reused) == expected
    assert is_positive(found.ack)
    assert reply(judged(accept, application)).ack_if_reused == b""
    assert reply(judge(b"garbage", feed()), refuses_same_id=True).ack_if_reused == b""


def test_what_cannot_be_stored_is_rejected_and_what_gets_no_answer_gets_none() -> None:
    finding = NOT_STORABLE.of(judged())
    assert finding.verdict is Verdict.REJECT
    silent = judge(adt() + b"MSA|AA|X\r", feed())
    assert NOT_STORABLE.of(silent).verdict is Verdict.SILENT


def test_an_expected_number_stands_in_msa_4_of_every_verdict() -> None:
    for data in (adt(), adt("", version="2.3")):
        found = reply_to(judge(data, feed()), Answering(), stamp=STAMP, new_control_id=control_ids(), expected=17)
        [ack] = read_acks(found.ack)
        assert ack.msa[4] == b"17"


@pytest.mark.parametrize(
    ("accept", "application", "first", "second"),
    [("", "", [], [b"AA"]), ("AL", "AL", [b"CA"], [b"AA"]), ("AL", "NE", [b"CA"], []), ("NE", "NE", [], [])],
)
def test_what_was_answered_is_cut_into_accept_and_application(
    accept: str, application: str, first: list[bytes], second: list[bytes]
) -> None:
    parts = split_accept(reply(judged(accept, application)).ack)
    assert [codes(part) for part in parts] == [first, second]


@pytest.mark.parametrize(
    ("ack_type", "event", "expected"),
    [
        (AckType.AUTO, "ADT^A01", b"ACK^A01^ACK"),
        (AckType.PLAIN, "ADT^A01", b"ACK"),
        (AckType.EVENT, "ADT^A01", b"ACK^A01"),
        (AckType.FULL, "ADT^A01", b"ACK^A01^ACK"),
        (AckType.EVENT, "ADT", b"ACK"),
        (AckType.FULL, "ADT", b"ACK"),
    ],
)
def test_the_type_is_written_as_the_feed_says(ack_type: AckType, event: str, expected: bytes) -> None:
    finding = judge(adt().replace(b"ADT^A01^ADT_A01", event.encode()), feed())
    [ack] = read_acks(reply(finding, ack_type=ack_type).ack)
    assert ack.msh[9] == expected


@pytest.mark.parametrize("version", ["2.1", "2.3", "2.9"])
def test_the_long_type_is_written_for_old_versions_too_if_the_feed_says_so(version: str) -> None:
    [ack] = read_acks(reply(judged(version=version), ack_type=AckType.FULL).ack)
    assert ack.msh[9] == b"ACK^A01^ACK"


@pytest.mark.parametrize("word", ["", "AL", "NE", "SU", "ER"])
def test_the_words_of_the_table_are_known(word: str) -> None:
    header = judged(word, word).header
    assert header is not None
    assert not has_unknown_condition(header)


@pytest.mark.parametrize(("accept", "application"), [("al", ""), ("", "AA"), ("AL", "AL^"), ("AL ", "NE")])
def test_other_words_are_not(accept: str, application: str) -> None:
    header = judged(accept, application).header
    assert header is not None
    assert has_unknown_condition(header)
    assert may_follow(header, AckMode.ORIGINAL)


@pytest.mark.parametrize("mark", list("-+,'"))
def test_our_own_words_never_delimit(mark: str) -> None:
    data = adt(event="A99", version="2.9").replace(b"|", mark.encode())
    header = parse_header(data)
    assert isinstance(header, Header)
    found = reply(judge(data, feed(route(["ADT"], ["A01"]))))
    [ack] = read_acks(found.ack)
    assert ack.msa[1] == b"AR"
    assert ack.err is not None
    assert ack.err[4] == b"E"
    assert len([field for field in ack.err if field]) == 5
