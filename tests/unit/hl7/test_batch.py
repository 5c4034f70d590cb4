"""Batches: cut into exact slices, counted, and refused whole when they cannot be trusted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.batch.batch import Batch, BatchFault, split_batch
from daemon.hl7listener.text.header import BOM
from tests.support.batches import batch, file_of
from tests.support.builders import MARKER, adt
from tests.support.corpus import corpus

A, B, C = adt("A"), adt("B"), adt("C")


def cut(data: bytes, **how: bool | int) -> Batch:
    found = split_batch(data, **how)  # type: ignore[arg-type]
    assert found is not None
    return found


def messages(data: bytes) -> list[bytes]:
    found = cut(data)
    assert found.fault is None
    return list(found.messages)


# -- what is cut ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [A, b"", b"\r\n", b"garbage", b"BH", b"FTS|1\r", b"BHSX|1\r", b"MSH|^~\\&|\rBHS|^~\\&|\r"]
)
def test_what_is_a_single_message_or_none_is_no_batch(data: bytes) -> None:
    assert split_batch(data) is None


def test_the_messages_of_a_batch_are_exact_slices() -> None:
    assert messages(batch(A, B, C)) == [A, B, C]


def test_a_file_may_hold_several_batches() -> None:
    found = cut(file_of(batch(A, B), batch(C, control_id="B2")))
    assert found.fault is None
    assert [list(group.messages) for group in found.groups] == [[A, B], [C]]
    assert [group.header.fields[9] for group in found.groups if group.header] == [b"B1", b"B2"]
    assert found.file is not None
    assert found.file.fields[9] == b"F1"


def test_messages_may_stand_in_a_file_without_a_batch_around_them() -> None:
    found = cut(file_of(A, B, count=1))
    assert found.fault is None
    assert [(group.header, list(group.messages)) for group in found.groups] == [(None, [A, B])]
    assert not found.lacks_trailer


def test_an_empty_batch_is_one() -> None:
    found = cut(batch())
    assert (found.fault, [list(group.messages) for group in found.groups]) == (None, [[]])


@pytest.mark.parametrize("before", [b"", BOM, b"\r\n", BOM + b"\n"])
def test_a_byte_order_mark_and_line_ends_in_front_are_passed_over(before: bytes) -> None:
    assert messages(before + batch(A, B)) == [A, B]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_segments_may_end_as_senders_end_them(end: str) -> None:
    first, second = adt("A", end=end), adt("B", end=end)
    assert messages(batch(first, second, end=end.encode())) == [first, second]


def test_a_batch_and_its_messages_have_delimiters_of_their_own() -> None:
    odd = b"MSH$@%/;$A$B$$$2026$$ADT@A01$ID$P$2.5\rPID$1\r"
    assert messages(batch(odd, A)) == [odd, A]
    outside = b"BHS#*+!?#APP\r" + A + odd + b"BTS#2\r"
    assert messages(outside) == [A, odd]


def test_a_line_of_text_that_looks_like_a_segment_cuts_no_message() -> None:
    noted = A + b"NTE|1||first\nMSH-7 is wrong\nBTS is missing\nFTS\r"
    assert messages(batch(noted, B)) == [noted, B]


def test_the_bytes_of_a_multi_byte_character_cut_no_message() -> None:
    name = b"".join(bytes((high, low)) for high in (0x81, 0x8A, 0xE0) for low in (0x5C, 0x7C, 0x5E, 0x7E))
    noted = A + b"PID|1||" + name + b"\r"
    assert messages(batch(noted, B)) == [noted, B]


# -- messages with nothing around them --------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_several_messages_in_a_block_are_taken_apart(end: str) -> None:
    first, second = adt("A", end=end), adt("B", end=end)
    found = cut(first + second)
    assert (found.fault, found.is_bare, list(found.messages)) == (None, True, [first, second])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(A + b"NTE|1||a message:\nMSH|^~\\&|X\r", id="text behind LF"),
        pytest.param(A + b"NTE|1||\nMSH-7 is wrong\r", id="a word behind LF"),
        pytest.param(A + b"MSHX|1\r", id="a longer name"),
        pytest.param(A + b"BTS|1\r", id="BTS alone"),
    ],
)
def test_what_only_looks_like_a_second_message_is_part_of_the_first(data: bytes) -> None:
    assert split_batch(data) is None


def test_several_messages_may_end_with_their_count() -> None:
    assert list(cut(A + B + b"BTS|2\r").messages) == [A, B]
    assert cut(A + B + b"BTS|3\r").fault is BatchFault.COUNT


def test_a_strict_feed_takes_no_bare_messages() -> None:
    assert cut(A + B, is_strict=True).fault is BatchFault.TRAILER


# -- trailers and counts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(batch(A, B, trailer=False), id="no BTS"),
        pytest.param(file_of(batch(A, B), trailer=False), id="no FTS"),
        pytest.param(file_of(batch(A, trailer=False), batch(B, trailer=False)), id="no BTS between batches"),
        pytest.param(batch(A, trailer=False) + batch(B), id="no BTS before the next BHS"),
    ],
)
def test_a_missing_trailer_is_seen_and_a_fault_only_where_the_feed_is_strict(data: bytes) -> None:
    found = cut(data)
    assert (found.fault, found.lacks_trailer, list(found.messages)) == (None, True, [A, B])
    assert cut(data, is_strict=True).fault is BatchFault.TRAILER


def test_a_batch_that_is_whole_lacks_nothing() -> None:
    assert not cut(file_of(batch(A))).lacks_trailer
    assert cut(file_of(batch(A)), is_strict=True).fault is None


@pytest.mark.parametrize("count", ["", " 2 ", "2", "02", "2|said|more"])
def test_a_count_that_is_right_or_left_out_is_accepted(count: str) -> None:
    assert messages(batch(A, B, count=count)) == [A, B]


@pytest.mark.parametrize("count", ["1", "3", "0", "-2", "two", "2.0", "99999999999999999999", "٢"])
def test_a_wrong_count_is_a_fault(count: str) -> None:
    assert cut(batch(A, B, count=count)).fault is BatchFault.COUNT


def test_the_count_of_a_file_is_that_of_its_batches() -> None:
    assert cut(file_of(batch(A, B), batch(C), count=3)).fault is BatchFault.COUNT
    assert cut(file_of(batch(A, B), batch(C), count=2)).fault is None


def test_more_messages_than_the_limit_are_a_fault() -> None:
    assert cut(batch(A, B), limit=2).fault is None
    assert cut(batch(A, B, C), limit=2).fault is BatchFault.LIMIT


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(batch() + b"FTS|1\r", id="FTS without FHS"),
        pytest.param(batch(A) + b"BTS|1\r", id="BTS twice"),
        pytest.param(file_of(batch(A)) + B, id="a message behind the end"),
        pytest.param(file_of(batch(A)) + file_of(batch(B)), id="two files"),
        pytest.param(batch(A).replace(b"BTS|1\r", b"BTS|1\rPID|1||lost\r"), id="a segment behind BTS"),
        pytest.param(batch(b"PID|1||lost\r", A, count=1), id="a segment before the first message"),
        pytest.param(b"BHS|\r" + A + b"BTS|1\r", id="BHS without delimiters"),
        pytest.param(b"BHS|^^^^|\r" + A + b"BTS|1\r", id="delimiters that are equal"),
        pytest.param(batch(file_of(A, count=1), count=1), id="a file within a batch"),
    ],
)
def test_what_is_not_in_the_order_of_a_batch_cannot_be_cut(data: bytes) -> None:
    assert cut(data).fault is BatchFault.CUT


def test_a_batch_shows_nothing_of_its_messages() -> None:
    found = cut(batch(A))
    assert MARKER not in repr(found) + repr(found.groups)


# -- properties ----------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(("PID", "NTE", "OBX", "ZZ1", "MSA"))
TEXTS = st.text(alphabet="aB1^~&\\ \nMSHBTF|", max_size=20)
SEGMENTS = st.builds(lambda name, text: f"{name}|{text}\r", NAMES, TEXTS).filter(
    lambda segment: not any(f"\n{name}|" in segment for name in ("MSH", "BHS", "BTS", "FHS", "FTS"))
)
MESSAGES = st.builds(
    lambda number, segments: f"MSH|^~\\&|A|B|||2026||ADT^A01|M{number}|P|2.5\r{''.join(segments)}".encode(),
    st.integers(0, 99),
    st.lists(SEGMENTS, max_size=4),
)


@given(st.lists(st.lists(MESSAGES, max_size=4), max_size=4))
def test_what_is_put_into_batches_comes_out_of_them(groups: list[list[bytes]]) -> None:
    found = cut(file_of(*(batch(*group) for group in groups)))
    assert found.fault is None
    assert [list(group.messages) for group in found.groups] == groups


@given(st.sampled_from((b"FHS", b"BHS")), st.binary(max_size=200))
def test_any_bytes_are_cut_or_refused(name: bytes, more: bytes) -> None:
    data = name + b"|^~\\&|" + more
    found = cut(data)
    assert all(message in data for message in found.messages)


@given(
    st.lists(
        st.sampled_from((b"FHS|^~\\&|\r", b"BHS|^~\\&|\r", A, b"BTS|1\r", b"BTS\r", b"FTS|1\r", b"X|1\r")), max_size=8
    )
)
def test_every_order_of_segments_gives_all_messages_or_a_fault(parts: list[bytes]) -> None:
    data = b"BHS|^~\\&|\r" + b"".join(parts)
    found = cut(data)
    assert found.fault is not None or list(found.messages) == [
        part + b"X|1\r" * _strays_behind(parts, place) for place, part in enumerate(parts) if part is A
    ]


def _strays_behind(parts: list[bytes], place: int) -> int:
    count = 0
    while place + 1 + count < len(parts) and parts[place + 1 + count] == b"X|1\r":
        count += 1
    return count


def test_real_messages_come_out_of_a_batch_as_they_were() -> None:
    found = [
        data for data in corpus().values() if data.startswith(b"MSH") and data.endswith(b"\r") and b"\n" not in data
    ]
    whole = [
        data for data in found if not any(b"\r" + name in data for name in (b"MSH", b"BHS", b"BTS", b"FHS", b"FTS"))
    ]
    assert len(whole) > 100
    assert messages(batch(*whole)) == whole


def test_a_batch_of_very_many_messages_is_cut_in_linear_time() -> None:
    tiny = b"MSH|^~\\&|\r"
    assert len(messages(batch(*[tiny] * 200_000))) == 200_000
    assert len(list(cut(b"BHS|^~\\&|\r" + b"\n" * 2_000_000 + tiny).messages)) == 1
