"""Reading MSH: what is a header, what is not, and what each field holds, byte for byte."""

from __future__ import annotations

import string
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.text.header import BOM, STANDARD, Delimiters, Header, HeaderFault, parse_header
from daemon.hl7listener.text.segments import split_segments
from tests.support.builders import MARKER, adt


def header_of(data: bytes) -> Header:
    header = parse_header(data)
    assert isinstance(header, Header)
    return header


def msh(*fields: bytes, separator: bytes = b"|", encoding: bytes = b"^~\\&") -> bytes:
    """Write an MSH segment whose fields from MSH-3 on are given, and a segment behind it."""
    return separator.join((b"MSH", encoding, *fields)) + b"\rPID" + separator + b"1\r"


# -- fields ------------------------------------------------------------------------------------------------------------


def test_every_field_is_found_by_its_number() -> None:
    fields = [b"f%d" % number for number in range(3, 22)]
    header = header_of(msh(*fields))
    assert header.raw(2) == b"^~\\&"
    assert [header.raw(number) for number in range(3, 22)] == fields


def test_fields_that_are_not_there_are_empty() -> None:
    header = header_of(b"MSH|^~\\&|APP")
    assert header.raw(3) == b"APP"
    assert [header.raw(number) for number in range(4, 22)] == [b""] * 18
    assert header.control_id == b""
    assert header.message_type == header.trigger_event == ""
    assert header.version == ()


def test_fields_behind_the_last_one_read_are_passed_over() -> None:
    header = header_of(msh(*(b"f%d" % number for number in range(3, 40))))
    assert header.raw(21) == b"f21"


def test_type_event_and_version_are_the_first_components() -> None:
    header = header_of(msh(b"", b"", b"", b"", b"", b"", b"ADT^A01^ADT_A01", b"ID", b"P", b"2.5.1^DEU&x"))
    assert (header.message_type, header.trigger_event, header.version) == ("ADT", "A01", (2, 5, 1))


def test_only_the_first_repetition_of_the_type_counts() -> None:
    header = header_of(msh(b"", b"", b"", b"", b"", b"", b"ADT~ORU^R01"))
    assert (header.message_type, header.trigger_event) == ("ADT", "")


def test_a_component_of_a_field_is_found_by_its_number() -> None:
    header = header_of(msh(b"APP^1.2.3^ISO~OTHER^9"))
    assert [header.component(3, number) for number in range(1, 5)] == [b"APP", b"1.2.3", b"ISO", b""]


@pytest.mark.parametrize(
    ("written", "version"),
    [
        (b"2.5", (2, 5)),
        (b" 2.3.1 ", (2, 3, 1)),
        (b"2", (2,)),
        (b"3.0", (3, 0)),
        (b"", ()),
        (b"D.2", ()),
        (b"2.", ()),
        (b"2.5b", ()),
        (b"2.1234", ()),
        (b"\xb2.5", ()),
    ],
)
def test_a_version_is_numbers_or_nothing(written: bytes, version: tuple[int, ...]) -> None:
    assert header_of(msh(b"", b"", b"", b"", b"", b"", b"", b"", b"", written)).version == version


# -- delimiters --------------------------------------------------------------------------------------------------------


def test_the_standard_delimiters_are_known() -> None:
    assert header_of(adt()).delimiters == STANDARD
    assert STANDARD.encoding == b"^~\\&"


@pytest.mark.parametrize("separator", [b"|", b"$", b"!", b"*", b"#"])
def test_other_delimiters_are_taken_as_they_are_given(separator: bytes) -> None:
    header = header_of(msh(b"A@B", b"", b"", b"", b"", b"", b"ADT@A01", separator=separator, encoding=b"@%/;?"))
    assert header.delimiters == Delimiters(separator, b"@", b"%", b"/", b";", b"?")
    assert header.delimiters.encoding == b"@%/;?"
    assert (header.message_type, header.trigger_event) == ("ADT", "A01")


@pytest.mark.parametrize(
    ("encoding", "delimiters"),
    [
        (b"^~", Delimiters(b"|", b"^", b"~")),
        (b"^~\\", Delimiters(b"|", b"^", b"~", b"\\")),
        (b"^~\\&", STANDARD),
        (b"^~\\&#", Delimiters(b"|", b"^", b"~", b"\\", b"&", b"#")),
    ],
)
def test_the_last_delimiters_may_be_left_out(encoding: bytes, delimiters: Delimiters) -> None:
    assert header_of(msh(b"APP", encoding=encoding)).delimiters == delimiters


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"MSH||||||||", id="all the same"),
        pytest.param(b"MSH|^^\\&|APP", id="one twice"),
        pytest.param(b"MSH|^~|&|APP|\r".replace(b"^~|", b"^|"), id="only one"),
        pytest.param(b"MSH|^~\\&#%|APP", id="too many"),
        pytest.param(b"MSHA^~\\&AAPP", id="a letter between fields"),
        pytest.param(b"MSH1^~\\&1APP", id="a digit between fields"),
        pytest.param(b"MSH|a~\\&|APP", id="a letter between components"),
        pytest.param(b"MSH|^~\\0|APP", id="a digit between subcomponents"),
        pytest.param(b"MSH\r^~\\&\rAPP", id="CR"),
        pytest.param(b"MSH\n^~\\&\nAPP", id="LF"),
        pytest.param(b"MSH\x00^~\\&\x00APP", id="NUL"),
        pytest.param(b"MSH ^~\\& APP", id="a blank"),
        pytest.param(b"MSH|^\xa7\\&|APP", id="not ASCII"),
        pytest.param(b"MSH|\r|^~\\&|", id="none before the segment ends"),
    ],
)
def test_delimiters_that_cannot_delimit_are_a_fault(data: bytes) -> None:
    assert parse_header(data) is HeaderFault.DELIMITERS


# -- where it begins and ends --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\r", b"\n\r\n", BOM, BOM + b"\r\n"])
def test_nothing_is_an_empty_block(data: bytes) -> None:
    assert parse_header(data) is HeaderFault.EMPTY


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"PID|1||P1\r", id="another segment"),
        pytest.param(b"msh|^~\\&|APP\r", id="lower case"),
        pytest.param(b" MSH|^~\\&|APP\r", id="a blank before"),
        pytest.param(b"MSH", id="only the name"),
        pytest.param(b"MSH|^~\\", id="cut in the delimiters"),
        pytest.param(b"BHS|^~\\&|APP\r", id="a batch"),
        pytest.param(b"\x00\x01\x02\x03\x04\x05\x06\x07\x08", id="garbage"),
        pytest.param(adt().decode().encode("utf-16"), id="UTF-16"),
    ],
)
def test_what_does_not_begin_with_msh_has_no_header(data: bytes) -> None:
    assert parse_header(data) is HeaderFault.NO_MSH


@pytest.mark.parametrize("before", [BOM, b"\r", b"\n", b"\r\n\r\n", BOM + b"\n"])
def test_a_byte_order_mark_and_line_ends_before_it_are_passed_over(before: bytes) -> None:
    assert parse_header(before + adt()) == parse_header(adt())


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_any_line_end_ends_the_segment(end: str) -> None:
    assert header_of(adt(end=end)).raw(16) == b""
    assert header_of(adt(application="AL", end=end)).raw(16) == b"AL"


def test_lf_before_another_segment_ends_the_header_though_cr_follows_later() -> None:
    data = b"MSH|^~\\&|A|B|C|D|||ADT^A01|ID|P|2.5\nPID|1\rPV1|1\r"
    assert header_of(data).raw(12) == b"2.5"


def test_lf_inside_a_field_is_data_where_segments_end_in_cr() -> None:
    header = header_of(b"MSH|^~\\&|A\nB|C|||||ADT^A01|ID\n1|P|2.5\rPID|1\r")
    assert header.raw(3) == b"A\nB"
    assert header.control_id == b"ID\n1"
    assert header.version == (2, 5)


@given(st.text(alphabet="|^AB1\r\n", max_size=30), st.text(alphabet="|^AB1\r\n", max_size=30))
def test_the_header_ends_where_the_first_segment_of_the_text_does(fields: str, rest: str) -> None:
    text = f"MSH|^~\\&|{fields}\rPID|1\n{rest}"
    [_, *expected] = split_segments(text, "|")[0].split("|")
    found = header_of(text.encode()).fields
    count = min(len(expected), len(found))
    assert [field.decode() for field in found[:count]] == expected[:count]
    assert not any(found[count:])


# -- control ids ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "control_id",
    [
        b"1",
        b" leading and trailing ",
        b"'; DROP TABLE message; --",
        b'"quoted"',
        b"../../etc/passwd",
        b"<script>alert(1)</script>",
        b"${jndi:ldap://x}",
        b"=cmd()",
        b"\x00\x1b[31m",
        "\u2028\u202eid".encode(),
        b"\xff\xfe",
        b"a^b~c\\F\\&d",
        b"x" * 10_000,
        b"line\none",
    ],
)
def test_a_control_id_is_whatever_stands_there(control_id: bytes) -> None:
    data = msh(b"", b"", b"", b"", b"", b"", b"ADT^A01", control_id, b"P", b"2.5")
    assert header_of(data).control_id == control_id


# -- any bytes -----------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200) | st.binary(max_size=200).map(b"MSH".__add__))
def test_any_bytes_give_a_header_or_a_fault(data: bytes) -> None:
    found = parse_header(data)
    if isinstance(found, Header):
        assert len(found.fields) >= 20
        marks = found.delimiters.field + found.delimiters.encoding
        assert len(set(marks)) == len(marks)
        assert set(marks) <= set(string.punctuation.encode())


def test_a_header_of_nothing_but_separators_costs_little_more_than_its_bytes() -> None:
    data = b"MSH|^~\\&" + b"|" * 4_000_000 + b"\r"
    tracemalloc.start()
    header = parse_header(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(header, Header)
    assert peak < 3 * len(data)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"MSH|%s\r", id="in the delimiters"),
        pytest.param(b"MSH|^~\\&||||||||||%s\r", id="in the version"),
    ],
)
def test_nothing_of_a_message_is_kept_once_its_header_is_dropped(header: bytes) -> None:
    size = 100_000
    tracemalloc.start()
    for number in range(64):
        parse_header(header % (b"%d" % number * (size // len(str(number)))))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < size


def test_a_header_shows_nothing_of_the_message() -> None:
    assert MARKER not in repr(header_of(msh(MARKER.encode(), MARKER.encode())))
