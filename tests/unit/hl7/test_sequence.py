"""The sequence-number protocol, number by number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.ack.sequence import ANY, FORGET, LARGEST, Counts, Turn, next_of, read_number, sender_of, step
from daemon.hl7listener.text.header import Header, parse_header


def header(number: bytes, application: bytes = b"APP", facility: bytes = b"FAC") -> Header:
    data = b"MSH|^~\\&|%s|%s|TO|THERE|||ADT^A01|1|P|2.5|%s\r" % (application, facility, number)
    found = parse_header(data)
    assert isinstance(found, Header)
    return found


@pytest.mark.parametrize(
    ("last", "number", "turn", "after", "expected"),
    [
        (None, 1, Turn.NEXT, 1, 2),
        (None, 7, Turn.NEXT, 7, 8),
        (None, 0, Turn.BEGINS, None, ANY),
        (None, -1, Turn.FORGETS, None, ANY),
        (None, None, Turn.NO_NUMBER, None, ANY),
        (7, 8, Turn.NEXT, 8, 9),
        (7, 7, Turn.REPEATED, 7, 8),
        (7, 1, Turn.REPEATED, 7, 8),
        (7, 9, Turn.GAP, 7, 8),
        (7, 0, Turn.BEGINS, 7, 8),
        (7, -1, Turn.FORGETS, None, ANY),
        (7, None, Turn.NO_NUMBER, 7, 8),
        (LARGEST, 1, Turn.NEXT, 1, 2),
        (LARGEST, 2, Turn.REPEATED, LARGEST, 1),
    ],
)
def test_a_number_is_judged_by_the_count(
    last: int | None, number: int | None, turn: Turn, after: int | None, expected: int
) -> None:
    assert step(last, number) == (turn, after, expected)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"1", 1),
        (b" 12 ", 12),
        (b"0", 0),
        (b"-1", -1),
        (b"+3", 3),
        (b"007", 7),
        (b"999999999999999", LARGEST),
        (b"1000000000000000", None),
        (b"9" * 5000, None),
        (b"-2", None),
        (b"", None),
        (b"1.0", None),
        (b"1^2", None),
        (b"one", None),
        (b"--1", None),
        ("\u0661".encode(), None),
    ],
)
def test_a_number_is_read_or_is_none(text: bytes, number: int | None) -> None:
    assert read_number(header(text)) == number


def test_a_sender_is_its_application_and_facility_and_cannot_be_read_back() -> None:
    names = {sender_of(header(b"1", *who)) for who in ((b"A", b"B"), (b"AB", b""), (b"", b"AB"), (b"B", b"A"))}
    assert len(names) == 4
    assert sender_of(header(b"1", b"A", b"B")) == sender_of(header(b"2", b"A", b"B"))
    assert "SECRET" not in sender_of(header(b"1", b"SECRET", b""))


def test_counts_go_on_from_what_is_stored() -> None:
    counts = Counts({"one": 4, "forgotten": FORGET})
    assert counts.take("one", 5) == ((Turn.NEXT, 5, 6), 4)
    assert counts.take("one", 6) == ((Turn.NEXT, 6, 7), 5)
    assert counts.take("forgotten", 100) == ((Turn.NEXT, 100, 101), FORGET)
    assert counts.take("new", 3) == ((Turn.NEXT, 3, 4), None)


def test_counts_fall_back_to_what_is_stored_when_something_was_not() -> None:
    counts = Counts({"one": 4})
    counts.take("one", 5)
    counts.confirm("one", 5)
    counts.take("one", 6)
    counts.take("one", 7)
    counts.fall_back("one")
    assert counts.take("one", 7)[0].turn is Turn.GAP
    assert counts.take("one", 6) == ((Turn.NEXT, 6, 7), 5)
    counts.take("new", 1)
    counts.fall_back("new")
    assert counts.take("new", 9) == ((Turn.NEXT, 9, 10), None)


NUMBERS = st.lists(st.integers(-1, 6) | st.none(), max_size=40)


@given(NUMBERS)
def test_between_two_resets_every_number_is_accepted_once_and_in_order(numbers: list[int | None]) -> None:
    counts = Counts({})
    accepted: list[int] = []
    for number in numbers:
        found, _ = counts.take("one", number)
        assert found.expected == next_of(found.last)
        if found.turn is Turn.FORGETS:
            accepted.clear()
        elif found.turn is Turn.NEXT:
            assert number is not None
            assert not accepted or number == accepted[-1] + 1
            accepted.append(number)
        elif accepted:
            assert found.expected == accepted[-1] + 1
