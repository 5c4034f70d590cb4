"""The chain of records: written, followed, and every way to tamper with it found."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.audit.record import BEGINNING, FIELD_LIMIT, Head, Verified, follow, read_head, write_record
from daemon.deeds import Deed, DeedKind, Outcome
from daemon.public import Public
from tests.support.clock import START_US

REFUSED = Deed(
    DeedKind.NODE_REFUSED,
    Public("CN=lab"),
    Public("adt"),
    Outcome.REFUSED,
    Public("certificate-expired"),
    Public("10.1.2.3"),
)


def chain(count: int) -> list[bytes]:
    head, lines = Head(), []
    for number in range(count):
        line, head = write_record(replace(REFUSED, note=Public(f"no. {number}")), head, START_US + number)
        lines.append(line)
    return lines


def followed(lines: list[bytes], wanted: Head | None = None) -> Verified:
    return follow((("audit.log", number, line) for number, line in enumerate(lines, 1)), wanted)


def test_a_record_is_a_line_of_json_that_names_the_one_before() -> None:
    first, second = chain(2)
    told = orjson.loads(first)
    assert told["n"] == 1
    assert told["at"] == "2026-09-21T14:13:20+00:00"
    assert (told["kind"], told["outcome"], told["address"]) == ("node-refused", "refused", "10.1.2.3")
    assert told["prev"] == BEGINNING
    assert orjson.loads(second)["prev"] == told["hash"]
    assert first.endswith(b"}\n")
    assert first.count(b"\n") == 1


def test_a_whole_chain_has_no_flaw() -> None:
    lines = chain(20)
    found = followed(lines)
    assert (found.records, found.first, found.head, found.flaws) == (20, 1, read_head(lines[-1]), ())


def test_a_chain_whose_oldest_records_were_removed_is_whole() -> None:
    found = followed(chain(20)[5:])
    assert (found.records, found.first, found.flaws) == (15, 6, ())


def test_a_record_taken_out_is_missed() -> None:
    lines = chain(5)
    del lines[2]
    assert [flaw.line for flaw in followed(lines).flaws] == [3]


def test_records_in_another_order_are_noticed() -> None:
    lines = chain(5)
    lines[1], lines[2] = lines[2], lines[1]
    assert followed(lines).flaws != ()


def test_a_first_record_without_a_beginning_is_noticed() -> None:
    line, _ = write_record(REFUSED, Head(0, "f" * 64), START_US)
    assert len(followed([line]).flaws) == 1


def test_a_record_written_anew_with_a_right_hash_breaks_what_follows() -> None:
    lines = chain(5)
    before = read_head(lines[1])
    assert before is not None
    lines[2], _ = write_record(replace(REFUSED, address=Public("10.9.9.9")), before, START_US)
    assert [flaw.line for flaw in followed(lines).flaws] == [4]


def test_an_end_that_was_cut_off_shows_against_a_head_kept_elsewhere() -> None:
    lines = chain(5)
    head = read_head(lines[-1])
    assert followed(lines, head).met
    short = followed(lines[:-1], head)
    assert short.flaws == ()
    assert not short.met


@given(st.integers(0, 4), st.data())
def test_any_byte_that_is_changed_is_found(number: int, data: st.DataObject) -> None:
    lines = chain(5)
    line = bytearray(lines[number])
    place = data.draw(st.integers(0, len(line) - 2))  # the line end is no part of the record
    line[place] = data.draw(st.integers(0, 255).filter(lambda value: value not in (line[place], 10)))
    lines[number] = bytes(line)
    assert followed(lines).flaws != ()


@given(st.binary(max_size=300))
def test_what_is_no_record_is_a_flaw_and_nothing_else(line: bytes) -> None:
    assert read_head(line) is None
    assert len(followed([line, *chain(1)]).flaws) == 1


@pytest.mark.parametrize("text", ["\ud800", "a\nb", '"\\', "\u2028", "x" * 5000])
def test_whatever_a_name_holds_a_record_is_one_line_of_bounded_length(text: str) -> None:
    line, head = write_record(replace(REFUSED, who=Public(text), note=Public(text)), Head(), START_US)
    assert line.count(b"\n") == 1
    assert read_head(line) == head
    assert len(orjson.loads(line)["who"]) <= FIELD_LIMIT
