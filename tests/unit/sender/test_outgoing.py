"""What goes out: known by its control id, renewed where that is asked for, counted when it is answered."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

import pytest

from daemon.hl7listener.wire.framer import frame
from daemon.sender.acknowledgement import Acknowledgement, read_acknowledgement
from daemon.sender.expecting import Expectation, ExpectationInvalid, parse_expectation
from daemon.sender.files import blocks_in
from daemon.sender.outgoing import control_id_of, outgoing, renewed, repeated
from daemon.sender.tally import Latencies, Tally
from tests.support.builders import MARKER, adt

BATCH = b"FHS|^~\\&|A||||||||F1\rBHS|^~\\&|A||||||||B1\r" + adt("M1") + adt("M2") + b"BTS|2\rFTS|1\r"
AT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_a_message_is_known_by_its_control_id_and_shows_nothing_of_itself() -> None:
    one = outgoing("a.hl7", 3, adt("M1"))
    assert (one.control_id, one.members, one.pieces) == ("M1", (), (frame(adt("M1")),))
    assert MARKER not in repr(one)


def test_a_batch_is_known_by_its_own_control_id_and_those_of_its_messages() -> None:
    one = outgoing("a.hl7", 1, BATCH)
    assert (one.control_id, one.members) == ("B1", ("M1", "M2"))


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_renewed_message_differs_in_two_fields_and_in_nothing_else(end: str) -> None:
    old = adt("M1", end=end)
    new = renewed(old, "N7", "20260203040506+0000")
    assert control_id_of(new) == "N7"
    assert new.replace(b"|N7|", b"|M1|").replace(b"|20260203040506+0000|", b"|20261122040506+0100|", 1) == old


@pytest.mark.parametrize("data", [b"", b"hello", b"PID|1\r", BATCH])
def test_what_has_no_header_is_not_renewed(data: bytes) -> None:
    assert renewed(data, "N7", "20260203040506+0000") == data


def test_a_short_header_grows_to_hold_what_is_new() -> None:
    assert renewed(b"MSH|^~\\&|A\rPID|1\r", "N7", "2026") == b"MSH|^~\\&|A||||2026|||N7\rPID|1\r"


def test_messages_are_repeated_from_the_first_as_often_as_is_asked_for() -> None:
    row = [outgoing("a", number, adt(f"M{number}")) for number in (1, 2, 3)]
    assert [one.control_id for one in repeated(row, 5, None)] == ["M1", "M2", "M3", "M1", "M2"]
    assert [one.control_id for one in islice(repeated(row, None, None), 7)][-1] == "M1"
    fresh = list(repeated(row, 4, lambda place: (f"N{place}", AT)))
    assert [one.control_id for one in fresh] == ["N0", "N1", "N2", "N3"]
    assert list(repeated([], None, None)) == []


@pytest.mark.parametrize(
    ("content", "blocks"),
    [
        (BATCH, [BATCH]),
        (BATCH.replace(b"\r", b"\n"), [BATCH]),
        (b"\xef\xbb\xbf" + BATCH, [BATCH]),
        (adt("M1") + adt("M2"), [adt("M1"), adt("M2")]),
        (frame(BATCH) + frame(adt("M3")), [BATCH, adt("M3")]),
    ],
    ids=["CR", "LF", "byte order mark", "no batch", "blocks"],
)
def test_a_batch_file_is_one_block_if_that_is_asked_for(content: bytes, blocks: list[bytes]) -> None:
    assert blocks_in(content, keeps_batches=True) == blocks


# -- what is expected --------------------------------------------------------------------------------------------------


def replies(*codes: str) -> list[Acknowledgement]:
    return [Acknowledgement(code, "M1", "") for code in codes]


@pytest.mark.parametrize(
    ("text", "codes", "is_met"),
    [
        ("AA", ["AA"], True),
        ("AA", ["CA"], False),
        ("aa|ca", ["CA"], True),
        ("CA,AA", ["CA", "AA"], True),
        ("CA,AA", ["AA", "CA"], False),
        ("CA,AA|AE", ["CA", "AE"], True),
        ("CA,AA", ["CA"], False),
        ("AE", ["AE", "AE"], True),
        ("AE", ["AE", "AA"], False),
    ],
)
def test_replies_are_held_against_what_is_expected(text: str, codes: list[str], *, is_met: bool) -> None:
    expectation = parse_expectation(text)
    assert expectation.replies == text.count(",") + 1
    assert expectation.is_met(replies(*codes)) is is_met


def test_without_an_expectation_both_ways_of_accepting_are_good() -> None:
    assert Expectation().is_met(replies("CA"))
    assert not Expectation().is_met(replies("AE"))


@pytest.mark.parametrize("text", ["", "AB", "AA,,CA", "AA;CA"])
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(ExpectationInvalid):
        parse_expectation(text)


# -- batches of acknowledgements ---------------------------------------------------------------------------------------

HEAD = b"BHS|^~\\&|B||||||||R1|B1\r"
ACK = b"MSH|^~\\&|B||A||2026||ACK|X|T|2.5\rMSA|%s|M1\r"


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", "AA"), (ACK % b"AA", "AA"), (ACK % b"AA" + ACK % b"AE", "AE"), (ACK % b"CA", "CA")],
    ids=["nothing was refused", "all accepted", "one refused", "accept acknowledgement"],
)
def test_a_batch_of_acknowledgements_is_as_good_as_its_worst(body: bytes, code: str) -> None:
    found = read_acknowledgement(HEAD + body + b"BTS|1\r")
    assert (found.code, found.control_id, found.is_batch) == (code, "B1", True)


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_percentiles_are_right_to_one_per_cent() -> None:
    latencies = Latencies()
    for number in range(1, 1001):
        latencies.add(number / 1000)
    for share in (0.01, 0.5, 0.9, 0.99, 1.0):
        assert abs(latencies.percentile_s(share) - share) <= share * 0.0101
    assert Latencies().percentile_s(0.5) == 0


def test_the_line_of_numbers_leaves_out_what_is_nothing() -> None:
    tally = Tally(sent=3, good=2, bad=1)
    tally.codes.update(("AA", "AA", "AE"))
    assert tally.line(0) == "3 sent, 2 accepted, 1 refused, AA 2 AE 1"
    tally.strays, tally.unanswered = 1, 2
    assert "2 unanswered, 1 stray replies" in tally.line(0)
    assert tally.record(1.5)["stray_replies"] == 1
