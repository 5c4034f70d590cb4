"""Headers in character sets whose characters may hold a delimiter: cut where the text has one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.ack.answering import AckMode
from daemon.hl7listener.ack.writer import acknowledge, codes_due
from daemon.hl7listener.judging.finding import judge
from daemon.hl7listener.judging.verdict import Verdict
from daemon.hl7listener.text.content import Content
from daemon.hl7listener.text.header import BOM, Header, parse_header
from daemon.hl7listener.text.header_text import true_header
from tests.support.builders import adt
from tests.support.feeds import STAMP, control_ids, feed

ROWS = [
    ("ISO IR14", "shift_jis"),
    ("ISO IR87", "iso2022_jp"),
    ("~ISO IR87", "iso2022_jp"),
    ("8859/1~ISO IR87", "iso2022_jp"),
    ("ISO IR6~8859/1~JIS X 0202", "iso2022_jp"),
    ("ISO IR159", "iso2022_jp_1"),
    ("JIS X 0202", "iso2022_jp_ext"),
    ("GB 18030-2000", "gb18030"),
    ("BIG-5", "big5"),
]


def holding(codec: str, mark: int) -> str:
    """Give a text with a character in which a byte equals a delimiter."""
    for point in range(0x3041, 0xFF00):
        try:
            encoded = chr(point).encode(codec)
        except UnicodeEncodeError:
            continue
        inside = encoded[3:-3] if encoded[:1] == b"\x1b" else encoded[1:]
        if mark in inside:
            return chr(point)
    message = f"{codec} has no character with {mark:#x} inside"
    raise AssertionError(message)


def message(application: str, declared: str, codec: str, control_id: str = "ID-1") -> bytes:
    text = f"MSH|^~\\&|{application}|FAC|RAPP|RFAC|20261122||ADT^A01^ADT_A01|{control_id}|P|2.5||||||{declared}\rPID|1||P1\r"
    return text.encode(codec)


def header_of(data: bytes) -> Header:
    header = parse_header(data)
    assert isinstance(header, Header)
    return header


@pytest.mark.parametrize("mark", b"|^~")
@pytest.mark.parametrize(("declared", "codec"), ROWS)
def test_a_delimiter_inside_a_character_does_not_delimit_the_header(declared: str, codec: str, mark: int) -> None:
    name = holding(codec, mark)
    data = message(name, declared, codec)
    header = true_header(data, header_of(data), Content())
    assert header.raw(3) == name.encode(codec)
    assert [header.raw(number) for number in (4, 5, 6, 10, 11, 12)] == [b"FAC", b"RAPP", b"RFAC", b"ID-1", b"P", b"2.5"]
    assert (header.message_type, header.trigger_event, header.version) == ("ADT", "A01", (2, 5))
    assert header.raw(18) == declared.encode()


@pytest.mark.parametrize(("declared", "codec"), ROWS)
def test_such_a_message_is_accepted_and_its_answer_echoes_it(declared: str, codec: str) -> None:
    name = holding(codec, ord("|"))
    data = message(name, declared, codec, control_id=f"{name}1")
    finding = judge(data, feed())
    assert finding.verdict is Verdict.ACCEPT
    ack = acknowledge(finding, codes_due(finding, AckMode.MSH), stamp=STAMP, new_control_id=control_ids())
    text = ack[1:-2].decode(codec)
    msh, msa = text.split("\r")[:2]
    assert msh.split("|")[4] == name
    assert msa == f"MSA|AA|{name}1"


def test_signs_of_the_first_set_and_of_one_that_is_switched_to_stand_side_by_side() -> None:
    name = "Müller".encode("latin-1") + holding("iso2022_jp", ord("|")).encode("iso2022_jp")
    data = message("NAME", "8859/1~ISO IR87", "ascii").replace(b"NAME", name).replace(b"||P1", b"||" + name)
    finding = judge(data, feed())
    assert finding.header is not None
    assert (finding.header.raw(3), finding.header.raw(4)) == (name, b"FAC")
    assert finding.decoded is not None
    assert finding.decoded.text.count("Müller" + holding("iso2022_jp", ord("|"))) == 2


def test_the_default_of_a_feed_counts_where_nothing_is_declared() -> None:
    name = holding("shift_jis", ord("|"))
    data = message(name, "", "shift_jis")
    assert true_header(data, header_of(data), Content("shift_jis")).raw(4) == b"FAC"
    assert true_header(data, header_of(data), Content("shift_jis")).control_id == b"ID-1"


def test_a_forced_character_set_counts_before_what_is_declared() -> None:
    name = holding("big5", ord("|"))
    data = message(name, "8859/1", "big5")
    assert true_header(data, header_of(data), Content("big5", is_forced=True)).control_id == b"ID-1"
    assert true_header(data, header_of(data), Content("big5")) == header_of(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(adt(), id="ASCII"),
        pytest.param(message("KÜCHE", "8859/1", "latin-1"), id="a safe character set"),
        pytest.param(message("KÜCHE", "UNICODE UTF-8", "utf-8"), id="UTF-8"),
        pytest.param(message("APP", "BIG-5", "big5") + "PID|陳\r".encode("big5"), id="an ASCII header"),
        pytest.param(message("APP", "BIG-5", "big5").replace(b"APP", b"\xff\xff"), id="no text at all"),
        pytest.param(BOM + message("KÜCHE", "", "utf-8"), id="a byte order mark"),
    ],
)
def test_any_other_header_stays_as_it_was_cut(data: bytes) -> None:
    header = header_of(data)
    assert true_header(data, header, Content()) is header


@given(st.sampled_from(ROWS), st.text(alphabet="山田表ソ陳許功能张伟 A1", min_size=1, max_size=8))
def test_a_name_in_any_of_them_is_read_as_it_was_written(row: tuple[str, str], name: str) -> None:
    declared, codec = row
    fitting = "".join(character for character in name if _fits(character, codec))
    data = message(fitting, declared, codec)
    header = true_header(data, header_of(data), Content())
    assert header.raw(3).decode(codec) == fitting
    assert header.control_id == b"ID-1"


def _fits(character: str, codec: str) -> bool:
    try:
        return bool(character.encode(codec))
    except UnicodeEncodeError:
        return False
