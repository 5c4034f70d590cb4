"""The outline of a message shows names and sizes and never a value of a patient's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.desk.structure import answer_of, outline_of

MARKED = (
    b"MSH|^~\\&|APP^MARK0|FAC|TO|THERE|20260922||ADT^A01|ID7|P|2.5.1\r"
    b"PID|1||MARK1^^^H~MARK2||MARK3^MARK4\rZBE|MARK5\rMARK6 is no segment\rDOE|MARK7\rOBX|1|TX|||MARK8\r"
)


def test_names_and_sizes_are_shown() -> None:
    outline = outline_of(MARKED)
    assert [one.name for one in outline.segments] == ["MSH", "PID", "ZBE", "?", "?", "OBX"]
    pid = outline.segments[1]
    assert [(one.number, one.size_bytes, one.repetitions, one.components) for one in pid.fields] == [
        (1, 1, 1, 1),
        (3, 15, 2, 4),
        (5, 11, 1, 2),
    ]
    assert {str(one.field): one.value for one in outline.header}["MSH-10"] == "ID7"
    assert sum(one.size_bytes + 1 for one in outline.segments) == len(MARKED)


def test_no_value_outside_the_header_is_shown() -> None:
    shown = repr(outline_of(MARKED))
    assert "MARK0" in shown
    assert not [number for number in range(1, 9) if f"MARK{number}" in shown]
    assert "DOE" not in shown


def test_an_answer_shows_its_codes_and_the_names_of_its_segments() -> None:
    ack = b"MSH|^~\\&|A|B|C|D|2026||ACK|1|P|2.5\rMSA|AE|ID7|SECRET\rERR|||207^SECRET|E\r"
    found = answer_of(ack)
    assert (found.codes, [one.name for one in found.segments]) == (["AE"], ["MSH", "MSA", "ERR"])
    assert "SECRET" not in repr(found)
    both = answer_of(b"\x0b" + ack.replace(b"MSA|AE", b"MSA|CA") + b"\x1c\r\x0b" + ack + b"\x1c\r")
    assert both.codes == ["CA", "AE"]
    assert answer_of(b"").segments == []


@given(st.binary(max_size=300))
def test_whatever_the_bytes_are_an_outline_is_given(rest: bytes) -> None:
    for data in (rest, b"MSH|^~\\&|A\r" + rest):
        outline = outline_of(data)
        assert all(len(one.name) <= 3 for one in outline.segments)
    answer_of(rest)
