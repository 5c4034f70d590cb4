"""HL7 paths: their grammar, and which value of a message each of them names."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from daemon.hl7listener.errors import PathInvalid
from daemon.hl7listener.text.header import STANDARD, Delimiters
from daemon.hl7listener.text.message import Message
from daemon.hl7listener.text.path import EVERY, Hl7Path, parse_path
from daemon.hl7listener.text.segments import first_segment, split_segments

MESSAGE = (
    "MSH|^~\\&|APP^1.2^ISO|FAC|||20261122||ADT^A01^ADT_A01|ID1|P|2.5\r"
    "PID|1||P1^^^HOSP&1.3&ISO^MR~P2^^^OTHER||NAME^GIVEN|||F\r"
    "OBX|1|NM|A^B||5\r"
    "OBX|2|TX|C||first~second\r"
    "ZPD|x\r"
    "NTE\r"
)


def value(path: str, text: str = MESSAGE, delimiters: Delimiters = STANDARD) -> str | None:
    return Message(text, delimiters).get(parse_path(path))


# -- grammar -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("PID-3", Hl7Path("PID", 1, 3, 1, 0, 0)),
        ("PID-3.1", Hl7Path("PID", 1, 3, 1, 1, 0)),
        ("PID-3[2].4.1", Hl7Path("PID", 1, 3, 2, 4, 1)),
        ("OBX[12]-5", Hl7Path("OBX", 12, 5, 1, 0, 0)),
        ("ZP1[3]-10[4].5.6", Hl7Path("ZP1", 3, 10, 4, 5, 6)),
        ("PID-3-1", Hl7Path("PID", 1, 3, 1, 1, 0)),
        ("PID-3-4-2", Hl7Path("PID", 1, 3, 1, 4, 2)),
        ("PID.3", Hl7Path("PID", 1, 3, 1, 0, 0)),
        ("PID.3.1", Hl7Path("PID", 1, 3, 1, 1, 0)),
        ("PID-3(2).1", Hl7Path("PID", 1, 3, 2, 1, 0)),
        ("OBX(2)-5", Hl7Path("OBX", 2, 5, 1, 0, 0)),
        ("OBX[99999]-5", Hl7Path("OBX", 99_999, 5, 1, 0, 0)),
        ("OBX[*]-5", Hl7Path("OBX", EVERY, 5, 1, 0, 0)),
        ("PID-3[*].1", Hl7Path("PID", 1, 3, EVERY, 1, 0)),
        ("OBX(*)-5(*)", Hl7Path("OBX", EVERY, 5, EVERY, 0, 0)),
    ],
)
def test_a_path_is_a_segment_a_field_and_what_narrows_them(text: str, path: Hl7Path) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PID",
        "PID-",
        "PID3",
        "pid-3",
        "PI-3",
        "PIDX-3",
        "1ID-3",
        "PID-3.",
        "PID-3.1.2.3",
        "PID-3.x",
        "PID-3[1",
        "PID-3[]",
        "PID-3[-1]",
        "PID-3 ",
        "PID-3\n",
        "PID-1234",
        "PID[123456]-1",
        "PID-٣",
        "PID-3[2)",
        "PID-3[**]",
        "PID-*",
        "PID-3[1](2)",
        "PID--3",
        "PID-3[1-2]",
    ],
)
def test_anything_else_is_no_path(text: str) -> None:
    with pytest.raises(PathInvalid, match="is not an HL7 path") as caught:
        parse_path(text)
    assert "PID-3.1" in caught.value.hint


@pytest.mark.parametrize("text", ["PID-0", "PID[0]-1", "PID-3[0]", "PID-3(0)", "PID-3.0", "PID-3.1.0"])
def test_numbers_count_from_one(text: str) -> None:
    with pytest.raises(PathInvalid, match="counts from 1"):
        parse_path(text)


def test_a_long_text_that_is_no_path_is_not_repeated_whole() -> None:
    with pytest.raises(PathInvalid) as caught:
        parse_path("x" * 10_000)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    ("text", "written"),
    [("PID-3-1", "PID-3.1"), ("OBX(2)-5(*)", "OBX[2]-5[*]"), ("PID[1].3[1].4.2", "PID-3.4.2"), ("MSH-9.2", "MSH-9.2")],
)
def test_a_path_is_written_in_one_way(text: str, written: str) -> None:
    assert str(parse_path(text)) == written
    assert parse_path(written) == parse_path(text)


@pytest.mark.parametrize("text", ["PID-3[*]", "OBX[*]-5", "OBX[*]-5[*]"])
def test_a_path_with_a_star_names_several_places(text: str) -> None:
    assert parse_path(text).is_many


@pytest.mark.parametrize("text", ["PID-3", "PID-3[2]", "MSH-9.2"])
def test_any_other_path_names_one(text: str) -> None:
    assert not parse_path(text).is_many


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("PID-1", "1"),
        ("PID-3", "P1^^^HOSP&1.3&ISO^MR"),
        ("PID-3.1", "P1"),
        ("PID-3.4", "HOSP&1.3&ISO"),
        ("PID-3.4.2", "1.3"),
        ("PID-3.5", "MR"),
        ("PID-3[2]", "P2^^^OTHER"),
        ("PID-3[2].4", "OTHER"),
        ("PID-3[2].4.1", "OTHER"),
        ("OBX-5", "5"),
        ("OBX[2]-5", "first"),
        ("OBX[2]-5[2]", "second"),
        ("ZPD-1", "x"),
        ("PID-8.1.1", "F"),
    ],
)
def test_a_path_names_a_value(path: str, expected: str) -> None:
    assert value(path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "PID-2",
        "PID-3.2",
        "PID-3.6",
        "PID-3.1.2",
        "PID-3[3]",
        "PID-99",
        "PID[2]-1",
        "OBX[3]-1",
        "AL1-1",
        "NTE-1",
        "MSH-99",
    ],
)
def test_what_is_empty_or_not_there_is_none(path: str) -> None:
    assert value(path) is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("MSH-1", "|"),
        ("MSH-2", "^~\\&"),
        ("MSH-3", "APP^1.2^ISO"),
        ("MSH-3.2", "1.2"),
        ("MSH-9.2", "A01"),
        ("MSH-10", "ID1"),
        ("MSH-12", "2.5"),
    ],
)
def test_in_msh_the_separator_itself_is_the_first_field(path: str, expected: str) -> None:
    assert value(path) == expected


def test_a_segment_name_is_not_found_at_the_start_of_a_longer_one() -> None:
    assert value("OBX-1", "MSH|^~\\&|\rOBXX|no\rOBX|yes\r") == "yes"


def test_values_are_found_by_the_delimiters_of_the_message() -> None:
    text = "MSH$@%/;$A@B%C;D$\rPID$1$x@y;z%w$\r"
    delimiters = Delimiters(b"$", b"@", b"%", b"/", b";")
    assert value("MSH-3.2", text, delimiters) == "B"
    assert value("PID-2.2.2", text, delimiters) == "z"
    assert value("PID-2[2]", text, delimiters) == "w"


def test_without_a_subcomponent_delimiter_a_component_is_its_own_only_part() -> None:
    text = "MSH|^~|\rPID|a&b\\F\\^c\r"
    delimiters = Delimiters(b"|", b"^", b"~")
    assert value("PID-1.1", text, delimiters) == "a&b\\F\\"
    assert value("PID-1.1.1", text, delimiters) == "a&b\\F\\"
    assert value("PID-1.1.2", text, delimiters) is None


# -- escapes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        pytest.param(r"a\F\b", "a|b", id="field"),
        pytest.param(r"a\S\b", "a^b", id="component"),
        pytest.param(r"a\T\b", "a&b", id="subcomponent"),
        pytest.param(r"a\R\b", "a~b", id="repetition"),
        pytest.param(r"a\E\b", "a\\b", id="escape"),
        pytest.param(r"\F\\S\\T\\R\\E\ ".strip(), "|^&~\\", id="several in a row"),
        pytest.param(r"\X0D\\X0A\ ".strip(), "\r\n", id="hex"),
        pytest.param(r"\X0d0A41\x", "\r\nAx", id="more hex"),
        pytest.param(r"a\.br\b", "a\nb", id="a line break"),
        pytest.param(r"a\.sp\b", "a\nb", id="an empty line"),
        pytest.param(r"\E\F\E\ ".strip(), "\\F\\", id="an escaped escape is no escape"),
    ],
)
def test_escape_sequences_are_resolved(written: str, meant: str) -> None:
    assert value("PID-1.1", f"MSH|^~\\&|\rPID|{written}^x\r") == meant
    assert value("PID-1", f"MSH|^~\\&|\rPID|{written}\r") == meant


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(r"a\Fb", id="unterminated"),
        pytest.param("a\\", id="at the end"),
        pytest.param("\\", id="alone"),
        pytest.param("a\\\\b", id="empty"),
        pytest.param(r"a\.sk3\b", id="blanks"),
        pytest.param(r"a\.sp+2\b", id="several lines"),
        pytest.param(r"a\P\b", id="a truncation character that is not there"),
        pytest.param(r"a\Zlocal\b", id="a local one"),
        pytest.param(r"\C2842\x", id="another character set"),
        pytest.param(r"\M1B2842\x", id="another multi-byte character set"),
        pytest.param(r"\X4\x", id="hex with one digit"),
        pytest.param(r"\X414\x", id="hex with an odd number of digits"),
        pytest.param(r"\XZZ\x", id="hex that is none"),
        pytest.param(r"\X41 42\x", id="hex with a blank"),
        pytest.param(r"\X\x", id="hex without digits"),
        pytest.param(r"\XE9\x", id="hex of a byte that is not ASCII"),
        pytest.param(r"\Q\x", id="unknown"),
        pytest.param(r"\H\F\N\ ".strip(), id="a highlighted F"),
        pytest.param(r"\.in+4\E\.in-4\ ".strip(), id="an indented E"),
        pytest.param(r"\X4\S\X4\ ".strip(), id="an S between broken hex"),
    ],
)
def test_what_is_no_escape_we_know_is_kept_as_it_stands(written: str) -> None:
    assert value("PID-1.1", f"MSH|^~\\&|\rPID|{written}^x\r") == written


def test_a_stray_escape_character_does_not_hide_the_escape_behind_it() -> None:
    assert value("PID-1", "MSH|^~\\&|\rPID|5\\6 of 10 \\T\\ more\r") == "5\\6 of 10 & more"


def test_a_whole_field_with_parts_is_given_as_it_stands() -> None:
    assert value("PID-1", "MSH|^~\\&|\rPID|a\\F\\b^c\r") == "a\\F\\b^c"
    assert value("PID-1.1", "MSH|^~\\&|\rPID|a\\F\\b&c^d\r") == "a\\F\\b&c"


def test_escapes_are_resolved_to_the_delimiters_of_the_message() -> None:
    delimiters = Delimiters(b"$", b"@", b"%", b"/", b";")
    assert value("PID-1.1", "MSH$@%/;$\rPID$/F//S//R//E//T/\r", delimiters) == "$@%/;"


# -- segments ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        pytest.param("MSH|1\rPID|2\r", ["MSH|1", "PID|2", ""], id="CR"),
        pytest.param("MSH|1\nPID|2\n", ["MSH|1", "PID|2", ""], id="LF"),
        pytest.param("MSH|1\r\nPID|2\r\n", ["MSH|1", "PID|2", ""], id="CRLF"),
        pytest.param("MSH|1\n\rPID|2\n\r", ["MSH|1", "PID|2", ""], id="LFCR"),
        pytest.param("MSH|1\nPID|2\rPV1|3\r", ["MSH|1", "PID|2", "PV1|3", ""], id="LF and CR mixed"),
        pytest.param("MSH|1\nfree text\n", ["MSH|1", "free text", ""], id="LF where there is no CR"),
        pytest.param("MSH|1\rNTE|a\nb\rPV1|2\r", ["MSH|1", "NTE|a\nb", "PV1|2", ""], id="LF as data"),
        pytest.param("MSH|1\rNTE|a\n\nb\r", ["MSH|1", "NTE|a\n\nb", ""], id="an empty line as data"),
        pytest.param("MSH|1\rNTE|a\nPV1 b\r", ["MSH|1", "NTE|a\nPV1 b", ""], id="a name without a separator"),
        pytest.param("MSH|1\rNTE|a\npv1|b\r", ["MSH|1", "NTE|a\npv1|b", ""], id="a name in lower case"),
        pytest.param("MSH|1\rNTE|a\nZ|b\r", ["MSH|1", "NTE|a\nZ|b", ""], id="a short name"),
        pytest.param("MSH|1\rNTE|a\n\nPV1|b\r", ["MSH|1", "NTE|a", "PV1|b", ""], id="an empty line before a segment"),
        pytest.param("\r\n\rMSH|1\nPID|2\n", ["MSH|1", "PID|2", ""], id="line ends in front"),
        pytest.param("MSH|1", ["MSH|1"], id="no line end"),
        pytest.param("", [""], id="nothing"),
    ],
)
def test_segments_end_where_the_standard_and_senders_end_them(text: str, segments: list[str]) -> None:
    assert split_segments(text, "|") == segments
    assert first_segment(text, "|") == segments[0]


def test_the_field_separator_of_the_message_tells_lf_before_a_segment_from_data() -> None:
    assert split_segments("MSH$1\nPID$2\nPV1|3\r", "$") == ["MSH$1", "PID$2\nPV1|3", ""]


def test_a_value_with_lf_inside_reaches_the_task_whole() -> None:
    text = "MSH|^~\\&|\rOBX|1|TX|||first line\n\nsecond line\nthird|F\r"
    assert value("OBX-5", text) == "first line\n\nsecond line\nthird"
    assert value("OBX-6", text) == "F"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda count: "OBX|" + "x\n" * count + "\r", id="lines in one field"),
        pytest.param(lambda count: "OBX|" + "\n" * count + "x\r", id="empty lines in one field"),
        pytest.param(lambda count: "OBX|" + "PID|\n" * count + "\r", id="LF segments"),
        pytest.param(lambda count: "OBX|\r" * count, id="segments"),
    ],
)
def test_a_message_of_very_many_lines_is_cut_in_linear_time(make: Callable[[int], str]) -> None:
    # Adding line to line would copy 250 GB here; there is no need to look at the clock.
    assert split_segments(make(1_000_000), "|")[0].startswith("OBX|")


def test_a_very_long_hex_escape_costs_a_few_times_its_length() -> None:
    text = "MSH|^~\\&|\rPID|\\X" + "41" * 1_000_000 + "\\\r"
    tracemalloc.start()
    found = value("PID-1", text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == "A" * 1_000_000
    assert peak < 10 * len(text)


def test_a_field_full_of_escapes_is_resolved_in_linear_time() -> None:
    text = "MSH|^~\\&|\rPID|" + "\\F\\" * 500_000 + "\\" * 500_001 + "\r"
    assert value("PID-1", text) == "|" * 500_000 + "\\" * 500_001
