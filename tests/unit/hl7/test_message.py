"""Values of a message: several at once, straight from bytes, in switched character sets; and what very large messages cost."""

from __future__ import annotations

import tracemalloc

import hl7
import pytest

from daemon.hl7listener.text.header import STANDARD, Delimiters, Header, parse_header
from daemon.hl7listener.text.message import Message
from daemon.hl7listener.text.path import parse_path
from daemon.hl7listener.text.segments import split_segments, with_cr_ends
from tests.support.builders import MARKER, adt
from tests.support.corpus import corpus

TEXT = (
    "MSH|^~\\&|APP|FAC|||20261122||ADT^A01|ID1|P|2.5\r"
    "PID|1||P1^^^H~P2^^^I~~P4|||\r"
    "OBX|1|NM|A||5\r"
    "OBX|2|TX|B||one~two\r"
    "NTE\r"
    "OBX|3|TX|C||\r"
    "NTE|1||note\r"
)
ESCAPED = "MSH|^~\\&|\rPID|"


def every(path: str, text: str = TEXT) -> list[str | None]:
    return Message(text, STANDARD).get_all(parse_path(path))


def value(path: str, text: str = TEXT, delimiters: Delimiters = STANDARD, codec: str | None = None) -> str | None:
    return Message(text, delimiters, codec).get(parse_path(path))


# -- several values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("OBX[*]-5", ["5", "one", None]),
        ("OBX[*]-5[*]", ["5", "one", "two"]),
        ("OBX[*]-3.1", ["A", "B", "C"]),
        ("OBX[2]-5[*]", ["one", "two"]),
        ("PID-3[*].1", ["P1", "P2", None, "P4"]),
        ("PID-3[*].4", ["H", "I", None, None]),
        ("PID-3[*]", ["P1^^^H", "P2^^^I", None, "P4"]),
        ("PID-4[*]", []),
        ("PID-99[*]", []),
        ("OBX[4]-5[*]", []),
        ("ZZZ[*]-1", []),
        ("NTE[*]-3", [None, "note"]),
        ("MSH-10[*]", ["ID1"]),
        ("MSH-2[*]", ["^~\\&"]),
        ("MSH[*]-1", ["|"]),
        ("PID-3.1", ["P1"]),
        ("PID-2", [None]),
    ],
)
def test_a_path_may_name_several_values_and_empty_ones_keep_their_place(path: str, values: list[str | None]) -> None:
    assert every(path) == values


@pytest.mark.parametrize(
    ("path", "expected"),
    [("OBX[*]-5", "5"), ("NTE[*]-3", "note"), ("PID-3[*].4", "H"), ("PID-4[*]", None), ("ZZZ[*]-1", None)],
)
def test_asked_for_one_value_a_path_that_names_several_gives_the_first_there_is(
    path: str, expected: str | None
) -> None:
    assert value(path) == expected


def test_a_segment_without_fields_counts_as_an_occurrence() -> None:
    assert value("NTE-3") is None
    assert value("NTE[2]-3") == "note"


@pytest.mark.parametrize("path", ["PID-3.1", "OBX[3]-3", "OBX[1]-5", "NTE[2]-3", "MSH-10", "PID-1"])
def test_values_do_not_depend_on_what_was_asked_before(path: str) -> None:
    message = Message(TEXT, STANDARD)
    first = message.get(parse_path(path))
    for other in ("OBX[*]-5[*]", "OBX[9]-1", "PID-3[2].4", "ZZZ-1", "NTE-1"):
        message.get(parse_path(other))
    assert message.get(parse_path(path)) == first == value(path)


def test_more_segments_than_are_kept_cut_are_cut_again() -> None:
    text = "MSH|^~\\&|\r" + "".join(f"OBX|{number}|v{number}\r" for number in range(1, 100))
    message = Message(text, STANDARD)
    asked = [parse_path(f"OBX[{number}]-2") for number in range(1, 100)]
    assert [message.get(path) for path in (*asked, *asked)] == [f"v{number}" for number in range(1, 100)] * 2


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\n\r"])
@pytest.mark.parametrize("path", ["PID-5.1", "PV1-3.1", "EVN-1", "MSH-10"])
def test_segment_ends_do_not_change_a_value(path: str, end: str) -> None:
    assert value(path, adt(end=end).decode()) == value(path, adt().decode()) is not None


@pytest.mark.parametrize(
    "text",
    [
        "MSH|1\nPID|2\rPV1|3\r",
        "MSH|1\r\nNTE|a\r\n",
        "\r\nMSH|1\nPID|2",
        "MSH|1\rNTE|a\nb\r\n",
        "MSH|1\r\n\nPID|2",
        "",
        "\n",
    ],
)
def test_with_cr_ends_a_message_has_the_same_segments(text: str) -> None:
    found = with_cr_ends(text, "|").split("\r")
    assert [line for line in found if line] == [line for line in split_segments(text, "|") if line]


# -- escapes with more than a letter ---------------------------------------------------------------------------------------


def test_the_truncation_character_is_escaped_where_there_is_one() -> None:
    delimiters = Delimiters(b"|", b"^", b"~", b"\\", b"&", b"#")
    text = "MSH|^~\\&#|\rPID|a\\P\\b#\r"
    assert value("PID-1", text, delimiters) == "a#b#"


@pytest.mark.parametrize(
    ("written", "codec", "meant"),
    [
        pytest.param("\\M2442\\;3ED\\C2842\\ Taro", "ascii", "山田 Taro", id="JIS X 0208 and back to ASCII"),
        pytest.param("\\M2442\\;3ED\\C284A\\x", "ascii", "山田x", id="back to JIS X 0201"),
        pytest.param("\\m2442\\x", "ascii", "\\m2442\\x", id="in lower case it is none"),
        pytest.param("\\C2D46\\\xd9", "iso8859-1", "Ω", id="a Greek letter in a Latin message"),
        pytest.param("\\C2D4C\\\xb8\\C2842\\\xe4", "iso8859-1", "Иä", id="Cyrillic and back"),
        pytest.param("\\C2949\\\xd4", "iso8859-1", "ﾔ", id="katakana"),
        pytest.param("\\M242943\\\xc8\xab", "iso8859-1", "홍", id="hangul"),
        pytest.param("\\M242944\\x", "ascii", "\\M242944\\x", id="a set nobody knows"),
        pytest.param("\\M2442\\;", "ascii", "\\M2442\\;", id="half a character"),
        pytest.param("\\C284\\x", "ascii", "\\C284\\x", id="too short"),
        pytest.param("\\C2842\\漢", "utf-8", "漢", id="ASCII where the message is UTF-8"),
    ],
)
def test_a_switched_character_set_is_read_where_a_value_is_taken(written: str, codec: str, meant: str) -> None:
    assert value("PID-1", f"{ESCAPED}{written}\r", codec=codec) == meant


def test_without_the_codec_of_the_message_a_switch_stays_as_it_stands() -> None:
    assert value("PID-1", f"{ESCAPED}\\C2D46\\x\r") == "\\C2D46\\x"


# -- the corpus, and large messages ----------------------------------------------------------------------------------------


def test_real_messages_have_the_values_python_hl7_finds() -> None:
    compared = 0
    for name, data in corpus().items():
        text = data.decode("latin-1")
        header = parse_header(data)
        if not isinstance(header, Header) or header.delimiters != STANDARD or "\n" in text or "\\" in text[9:]:
            continue
        message, oracle = Message(text, STANDARD), hl7.parse(text)
        for path in ("PID[1]-3[1].1.1", "PID[1]-5[1].1.1", "PV1[1]-3[1].1.1", "OBX[2]-5[1].1.1", "MSH[1]-9[1].2.1"):
            asked = parse_path(path)
            try:
                segment = oracle.segments(asked.segment)[asked.occurrence - 1]
                expected = str(segment.extract_field(1, asked.field, 1, asked.component, 1)) or None
            except (IndexError, KeyError):
                expected = None
            assert message.get(asked) == expected, (name, path)
            compared += expected is not None
    assert compared > 500


def test_very_many_segments_are_indexed_once() -> None:
    # Each get that scanned from the start would read 300 GB in all.
    message = Message("MSH|^~\\&|\r" + "OBX|1|v\r" * 90_000 + "ZZZ|z\r", STANDARD)
    asked = [parse_path(f"OBX[{number}]-2") for number in range(1, 90_001)]
    assert {message.get(path) for path in asked} == {"v"}
    assert len(message.get_all(parse_path("OBX[*]-2"))) == 90_000
    assert message.get(parse_path("ZZZ-1")) == "z"


def test_very_many_fields_are_cut_no_further_than_a_path_can_name() -> None:
    text = "MSH|^~\\&|\rOBX" + "|v" * 1_000_000 + "\r"
    message = Message(text, STANDARD)
    tracemalloc.start()
    found = message.get(parse_path("OBX-999"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == "v"
    assert peak < 3 * len(text)


def test_very_many_repetitions_are_given_in_linear_time() -> None:
    assert len(every("OBX-1[*].1", "MSH|^~\\&|\rOBX|" + "v^w~" * 300_000 + "\r")) == 300_001


def test_a_message_shows_nothing() -> None:
    assert MARKER not in repr(Message(adt().decode(), STANDARD))
