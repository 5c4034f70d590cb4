"""Where the framer sees a block begin and end, by example: whole, without CR, without VT, and over the limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.wire.framer import (
    PREFIX_BYTES,
    Block,
    Breach,
    Broken,
    Deviation,
    Framer,
    Oversized,
    Strayed,
    frame,
)
from tests.support.framing import LIMIT, PIECES, cut, small_limits, whole

# -- by example --------------------------------------------------------------------------------------------------------


def test_an_empty_block_is_a_block() -> None:
    assert whole(b"\x0b\x1c\r") == [Block(b"")]


def test_nothing_comes_out_before_the_block_ends() -> None:
    framer = Framer(LIMIT)
    assert framer.feed(b"\x0bMSH|1\x1c") == []
    assert framer.is_open
    assert framer.feed(b"\r") == [Block(b"MSH|1")]
    assert not framer.is_open


def test_line_ends_and_nuls_between_blocks_are_no_noise_and_counted_by_themselves() -> None:
    assert whole(b"\r\n\x0bA\x1c\r\n\r\n\x0bB\x1c\r\x00\x00\x0bC\x1c\r\n") == [
        Strayed(Deviation.LINE_END, 2),
        Block(b"A"),
        Strayed(Deviation.LINE_END, 3),
        Block(b"B"),
        Strayed(Deviation.NUL, 2),
        Block(b"C"),
    ]


def test_the_end_of_a_block_in_other_line_ends_is_part_of_its_data() -> None:
    assert whole(b"\x0bA\r\x1c\r\x0bB\n\x1c\r") == [Block(b"A\r"), Block(b"B\n")]


def test_noise_between_blocks_is_counted_and_passed_over() -> None:
    assert whole(b"ab\r\n\x0bA\x1c\rcde\x0bB\x1c\r") == [
        Strayed(Deviation.NOISE, 2),
        Block(b"A"),
        Strayed(Deviation.NOISE, 3),
        Block(b"B"),
    ]


def test_lf_instead_of_cr_ends_a_block() -> None:
    assert whole(b"\x0bA\x1c\n") == [Strayed(Deviation.LF_END), Block(b"A")]


def test_fs_right_before_the_next_start_ends_a_block() -> None:
    assert whole(b"\x0bA\x1c\x0bB\x1c\r") == [Strayed(Deviation.NO_CR), Block(b"A"), Block(b"B")]


def test_fs_before_anything_else_is_data() -> None:
    assert whole(b"\x0bA\x1cB\x1c\r") == [Strayed(Deviation.FS_IN_DATA), Block(b"A\x1cB")]


def test_fs_alone_at_the_end_is_not_yet_an_end() -> None:
    framer = Framer(LIMIT)
    assert framer.feed(b"\x0bA\x1c") == []
    assert framer.is_open


def test_a_start_written_twice_is_one_start() -> None:
    assert whole(b"\x0b\x0bMSH|1\x1c\r") == [Strayed(Deviation.DOUBLE_START), Block(b"MSH|1")]


def test_a_block_begun_anew_gives_only_the_new_one() -> None:
    assert whole(b"\x0bMSH|1\x0bMSH|2\x1c\r") == [Strayed(Deviation.RESTARTED), Block(b"MSH|2")]


def test_vt_inside_data_that_begins_no_message_is_data() -> None:
    assert whole(b"\x0bMSH|1\x0bPID\x1c\r") == [Strayed(Deviation.VT_IN_DATA), Block(b"MSH|1\x0bPID")]


@pytest.mark.parametrize("name", [b"MSH|1", b"FHS|1", b"BHS|1"])
def test_a_batch_may_be_begun_twice_or_anew_as_a_message_may(name: bytes) -> None:
    assert whole(b"\x0b\x0b" + name + b"\x1c\r") == [Strayed(Deviation.DOUBLE_START), Block(name)]
    assert whole(b"\x0b?\x0b" + name + b"\x1c\r") == [Strayed(Deviation.RESTARTED), Block(name)]


# -- FS without CR -----------------------------------------------------------------------------------------------------


def test_an_fs_nothing_follows_ends_its_block_when_it_is_told_to() -> None:
    framer = Framer(LIMIT)
    assert framer.feed(b"\x0bMSH|1\x1c") == []
    assert framer.awaits_cr
    assert framer.flush() == [Strayed(Deviation.NO_CR), Block(b"MSH|1")]
    assert (framer.is_open, framer.awaits_cr, framer.held_bytes) == (False, False, 0)
    assert framer.feed(b"\x0bMSH|2\x1c\r") == [Block(b"MSH|2")]


@pytest.mark.parametrize("data", [b"", b"\x0b", b"\x0bMSH", b"\x0bMSH\x1cx", b"\x0bMSH\x1c\r", b"x\x1c"])
def test_only_an_fs_at_the_end_of_an_open_block_waits_for_its_cr(data: bytes) -> None:
    framer = Framer(LIMIT)
    framer.feed(data)
    assert not framer.awaits_cr
    assert framer.flush() == []


@pytest.mark.parametrize("end", [b"\r", b"\n"])
def test_a_cr_that_comes_after_all_is_told_and_belongs_to_no_block(end: bytes) -> None:
    framer = Framer(LIMIT)
    framer.feed(b"\x0bMSH|1\x1c")
    framer.flush()
    assert framer.feed(end + frame(b"MSH|2")) == [Strayed(Deviation.LATE_CR), Block(b"MSH|2")]


def test_the_end_of_a_block_over_the_limit_is_waited_for_too() -> None:
    framer = Framer(LIMIT)
    for byte in b"\x0b" + b"x" * (LIMIT + 5) + b"\x1c":
        framer.feed(bytes((byte,)))
    assert framer.awaits_cr
    assert framer.flush() == [Strayed(Deviation.NO_CR), Oversized(b"x" * LIMIT)]


@given(PIECES, st.lists(st.integers(0, 400), max_size=12))
def test_to_take_each_such_fs_for_an_end_never_raises_nor_holds_more(data: bytes, places: list[int]) -> None:
    framer = Framer(LIMIT)
    for piece in cut(data, places):
        framer.feed(piece)
        framer.flush()
        assert not framer.awaits_cr
        assert framer.held_bytes <= LIMIT + 1


# -- messages without VT -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [b"", b"\r\n", b"\x00"])
def test_a_message_that_begins_without_vt_is_a_block(before: bytes) -> None:
    events = whole(before + b"MSH|1\x1c\r" + b"MSH|2\x1c\r" + frame(b"MSH|3"))
    blocks = [event for event in events if isinstance(event, Block)]
    assert blocks == [Block(b"MSH|1"), Block(b"MSH|2"), Block(b"MSH|3")]
    assert events.count(Strayed(Deviation.NO_START)) == 2


@pytest.mark.parametrize("noise", [b"M", b"MS", b"MSH", b"MSHx", b"MSGH|", b"xMSH|"])
def test_what_only_looks_like_the_start_of_a_message_is_noise(noise: bytes) -> None:
    assert whole(noise + frame(b"A")) == [Strayed(Deviation.NOISE, len(noise)), Block(b"A")]


# -- over the limit ----------------------------------------------------------------------------------------------------


def test_a_block_of_just_the_limit_is_whole() -> None:
    assert whole(b"\x0b" + b"x" * LIMIT + b"\x1c\r") == [Block(b"x" * LIMIT)]


def test_a_block_over_the_limit_keeps_its_first_bytes_and_the_next_block_is_fine() -> None:
    big = b"MSH|" + b"x" * PREFIX_BYTES * 2
    limit = PREFIX_BYTES * 2
    assert whole(frame(big) + frame(b"MSH|2"), limit) == [Oversized(big[:PREFIX_BYTES]), Block(b"MSH|2")]


def test_several_blocks_over_the_limit_keep_each_their_own_first_bytes() -> None:
    with small_limits():
        assert whole(frame(b"first-" + b"x" * 30) + frame(b"second-" + b"y" * 30)) == [
            Oversized(b"first-xx"),
            Oversized(b"second-y"),
        ]


def test_a_block_over_the_limit_with_its_start_written_twice_can_still_be_read() -> None:
    assert whole(b"\x0b\x0bMSH|" + b"x" * LIMIT + b"\x1c\r") == [Oversized(b"MSH|" + b"x" * (LIMIT - 5))]


def test_a_block_of_more_than_twice_the_limit_is_reported_and_ends_the_stream() -> None:
    events = whole(b"\x0b" + b"x" * (2 * LIMIT + 1))
    assert events == [Oversized(b"x" * LIMIT), Broken(Breach.ENDLESS)]


def test_no_event_shows_what_it_holds() -> None:
    events = whole(frame(b"SECRET") + frame(b"SECRET" * 5))
    assert len(events) == 2
    assert "SECRET" not in repr(events)
