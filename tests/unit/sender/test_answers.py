"""How a sink answers."""

from __future__ import annotations

import pytest

from daemon.hl7listener.text.header import Header, parse_header
from daemon.sender.answers import AnswerInvalid, answer_for, parse_answer, write_answer
from daemon.sender.sink import content_deviations
from tests.support.acks import check_header_rules, read_acks
from tests.support.builders import adt

STAMP = b"20260921141320+0000"


def write(data: bytes, how: str) -> tuple[bytes, tuple[str, ...]]:
    return write_answer(data, parse_answer(how, float), stamp=STAMP, new_control_id=lambda: "S1")


@pytest.mark.parametrize("code", ["AA", "AE", "AR", "CA", "CE", "CR"])
def test_every_code_is_written_as_the_standard_has_it(code: str) -> None:
    message = adt("M1")
    block, codes = write(message, code.lower())
    [ack] = read_acks(block)
    header = parse_header(message)
    assert isinstance(header, Header)
    check_header_rules(ack, header)
    assert (ack.msa[1].decode(), codes) == (code, (code,))
    assert (ack.err is not None) is (code[1] != "A")


@pytest.mark.parametrize(
    ("accept", "application", "codes"),
    [("", "", ("AA",)), ("AL", "NE", ("CA",)), ("AL", "AL", ("CA", "AA")), ("NE", "NE", ()), ("ER", "SU", ("AA",))],
)
def test_msh_answers_what_the_message_asks_for(accept: str, application: str, codes: tuple[str, ...]) -> None:
    assert write(adt("M1", accept=accept, application=application), "msh")[1] == codes


def test_what_is_no_message_is_refused_and_what_answers_another_is_not_answered() -> None:
    assert write(b"hello", "AA")[1] == ("AR",)
    assert write(adt("M1") + b"MSA|AA|X\r", "AA") == (b"", ())
    assert write(adt("M1"), "none") == (b"", ())


def test_the_rarest_answer_whose_turn_it_is_is_given() -> None:
    answers = tuple(parse_answer(text, float) for text in ("AA", "2:AE", "6:drop", "AR"))
    assert [answer_for(number, answers).word for number in range(1, 7)] == ["AR", "AE", "AR", "AE", "AR", "drop"]
    assert answer_for(3, ()).code == "AA"


@pytest.mark.parametrize("text", ["", "ZZ", "0:AA", "x:AA", "AA:2", "none=1", "delay", "-1:AA", "drop=2s"])
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(AnswerInvalid):
        parse_answer(text, float)


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (adt("M1"), []),
        (adt("M1", end="\n"), ["lf-for-cr"]),
        (adt("M1", end="\r\n"), ["crlf-for-cr"]),
        (adt("M1")[:-1], ["last-segment-without-cr"]),
    ],
)
def test_segment_ends_that_stray_are_named(data: bytes, names: list[str]) -> None:
    assert content_deviations(data) == names
