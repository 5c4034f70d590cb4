"""The framer: the same events however the bytes were cut, in bounded memory and linear time, from any bytes whatever."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, SupportsIndex
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.wire import framer as module
from daemon.hl7listener.wire.deviation import ADVICE
from daemon.hl7listener.wire.framer import (
    NOISE_LIMIT_BYTES,
    PREFIX_BYTES,
    Block,
    Breach,
    Broken,
    Commit,
    Deviation,
    Event,
    Framer,
    Oversized,
    Strayed,
    frame,
)
from tests.support.builders import adt, framed

LIMIT = 24
"""Small, so that short inputs reach it."""

PIECES = st.lists(
    st.sampled_from(
        (
            b"\x0b",
            b"\x1c",
            b"\r",
            b"\n",
            b"\x1c\r",
            b"\x0bMSH",
            b"\x0b\x0bMSH",
            b"a",
            b"|",
            b"\x00",
            b"\xff",
            b"MSH|",
            b"MSH",
            b"\x00\x00",
            b"\x0b\x00M\x00S\x00H",
            b"\x0b\x06\x1c\r",
            b"D23\r",
            b"x" * 9,
        )
    ),
    max_size=40,
).map(b"".join)
OPENINGS = st.sampled_from(
    (
        b"",
        b"SSH-2",
        b"\x01\x00\x00\x00\x00\xcd",
        b"\xff\xfd\x18",
        b"\xff\xfe\x0b",
        b"\xfe\xff",
        b"\x05",
        b"\x02",
        b"\r\nMSH|",
        b"\x16\x03\x01",
        b"GET /",
        b"PROXY ",
        b"\r\n\r\n\x00\r\nQUIT\n",
        b"PRI * HTTP",
    )
)
STREAMS = st.builds(bytes.__add__, OPENINGS, PIECES) | st.binary(max_size=200)


def whole(data: bytes, limit: int = LIMIT) -> list[Event]:
    return Framer(limit).feed(data)


def in_pieces(pieces: Iterable[bytes], limit: int = LIMIT) -> list[Event]:
    framer = Framer(limit)
    return [event for piece in pieces for event in framer.feed(piece)]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    ends = [*sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@contextmanager
def small_limits() -> Iterator[None]:
    """Bring the fixed limits within reach of short inputs."""
    with mock.patch.object(module, "NOISE_LIMIT_BYTES", 30), mock.patch.object(module, "PREFIX_BYTES", 8):
        yield


# -- cutting -----------------------------------------------------------------------------------------------------------


@given(STREAMS, st.lists(st.integers(0, 400), max_size=12))
def test_any_cutting_of_any_bytes_gives_the_same_events(data: bytes, places: list[int]) -> None:
    with small_limits():
        assert in_pieces(cut(data, places)) == whole(data)


@given(STREAMS)
def test_one_byte_at_a_time_gives_the_same_events(data: bytes) -> None:
    with small_limits():
        assert in_pieces(data[place : place + 1] for place in range(len(data))) == whole(data)


def test_two_blocks_come_out_whole_whichever_two_places_they_are_cut_at() -> None:
    messages = [b"MSH|^~\\&|A\rPID|1\r", b"MSH|^~\\&|B\r"]
    stream = framed(*messages)
    expected: list[Event] = [Block(message) for message in messages]
    for first in range(len(stream) + 1):
        for second in range(first, len(stream) + 1):
            assert in_pieces(cut(stream, (first, second))) == expected


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"\x0bMSH|1\x1c\x0bMSH|2\x1c\r", id="no CR after FS"),
        pytest.param(b"\x0bMSH|1\x1c\n\x0bMSH|2\x1c\n", id="LF after FS"),
        pytest.param(b"\x0b\x0bMSH|1\x1c\r\n\x0bMSH|2\x1c\r\n", id="double start and CRLF"),
        pytest.param(b"\x0bMSH|1\x0bMSH|2\x1cx\x1c\r", id="begun anew with FS inside"),
        pytest.param(b"\x0b" + b"x" * 30 + b"\x1c\r" + b"\x0bMSH|2\x1c\r", id="over the limit"),
        pytest.param(b"\x0b" + b"x" * 60 + b"\x1c\r" + b"\x0bMSH|2\x1c\r", id="over twice the limit"),
        pytest.param(b"MSH|1\x1c\r\r\nMSH|2\x1c\r", id="no start"),
        pytest.param(b"\x00\x0bMSH|1\x1c\r\x00\x0bMSH|2\x1c\r", id="NULs between"),
        pytest.param(b"\x0bMSH|1\x0b\x1c\r\x0bD23\rx\x1c\r", id="VT inside and HLLP"),
        pytest.param(b"\x0b\x06\x1c\r\x0b\x15\x1c\r", id="commit blocks"),
        pytest.param(b"ab\r\n\x0bMSH|1\x1c\rcd\x0b\x1c\r", id="noise and an empty block"),
    ],
)
def test_each_deviation_gives_the_same_events_whichever_two_places_it_is_cut_at(stream: bytes) -> None:
    expected = whole(stream)
    for first in range(len(stream) + 1):
        for second in range(first, len(stream) + 1):
            assert in_pieces(cut(stream, (first, second))) == expected


@given(st.lists(st.binary(max_size=300).map(lambda data: data.translate(None, b"\x0b\x1c")), max_size=8))
def test_what_is_framed_comes_out_byte_for_byte(messages: list[bytes]) -> None:
    commits = {b"\x06": Commit(is_positive=True), b"\x15": Commit(is_positive=False)}
    assert whole(framed(*messages), 300) == [commits.get(message, Block(message)) for message in messages]


# -- never more than it may ---------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=64) | PIECES, max_size=20), st.integers(1, 50))
def test_arbitrary_bytes_never_raise_and_never_hold_more_than_the_limit(pieces: list[bytes], limit: int) -> None:
    framer = Framer(limit)
    for piece in pieces:
        framer.feed(piece)
        assert framer.held_bytes <= limit + 1  # an FS whose follower has not come is held too
        assert not framer.is_broken or framer.held_bytes == 0


def test_memory_stays_within_limit_and_chunk_while_a_block_over_the_limit_passes() -> None:
    limit, chunk = 100_000, 10_000
    framer = Framer(limit)
    framer.feed(b"\x0b")
    most = 0
    for _ in range(19):
        framer.feed(b"x" * chunk)
        most = max(most, sys.getsizeof(framer._buffer) + len(framer._prefix or b""))
    assert framer.is_open
    assert most <= 1.25 * (limit + chunk) + PREFIX_BYTES  # a byte array keeps an eighth in reserve


def test_noise_is_not_kept() -> None:
    framer = Framer(LIMIT)
    framer.feed(b"x" * (NOISE_LIMIT_BYTES - 1))
    assert framer.held_bytes == 0


class Counting(bytearray):
    """Counts the bytes that are looked at."""

    looked_at = 0

    def find(self, sub: Any, start: SupportsIndex | None = 0, end: SupportsIndex | None = None) -> int:
        assert end is None
        found = super().find(sub, start)
        self.looked_at += (len(self) if found < 0 else found + 1) - int(start or 0)
        return found


STREAM_BYTES = 20_000


@pytest.mark.parametrize("size", [pytest.param(1, id="one byte at a time"), 7, 1000, STREAM_BYTES])
@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"\x0b" + b"x" * STREAM_BYTES, id="one long block"),
        pytest.param(b"\x0b" + b"\x1c" * STREAM_BYTES, id="a block full of FS"),
        pytest.param(b"\x0b" * STREAM_BYTES, id="nothing but VT"),
        pytest.param(b"\x0b\x1c\r" * (STREAM_BYTES // 3), id="nothing but empty blocks"),
        pytest.param(b"\x0b\x1c" * (STREAM_BYTES // 2), id="empty blocks without CR"),
        pytest.param(b"x\x0b\x1c\r" * (STREAM_BYTES // 4), id="noise between empty blocks"),
    ],
)
def test_every_byte_is_looked_at_a_bounded_number_of_times(stream: bytes, size: int) -> None:
    framer = Framer(STREAM_BYTES)
    framer._buffer = counting = Counting()
    for start in range(0, len(stream), size):
        framer.feed(stream[start : start + size])
    assert counting.looked_at <= 3 * len(stream)


def test_a_block_full_of_fs_gives_one_event_not_one_for_each() -> None:
    events = whole(b"\x0b" + b"\x1c" * 1000 + b"x\x1c\r", 2000)
    assert events == [Strayed(Deviation.FS_IN_DATA, 1000), Block(b"\x1c" * 1000 + b"x")]


# -- blocks, by example -------------------------------------------------------------------------------------------------


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


# -- FS without CR ------------------------------------------------------------------------------------------------------


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


# -- messages without VT ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [b"", b"\r\n", b"\x00"])
def test_a_message_that_begins_without_vt_is_a_block(before: bytes) -> None:
    events = whole(before + b"MSH|1\x1c\r" + b"MSH|2\x1c\r" + frame(b"MSH|3"))
    blocks = [event for event in events if isinstance(event, Block)]
    assert blocks == [Block(b"MSH|1"), Block(b"MSH|2"), Block(b"MSH|3")]
    assert events.count(Strayed(Deviation.NO_START)) == 2


@pytest.mark.parametrize("noise", [b"M", b"MS", b"MSH", b"MSHx", b"MSGH|", b"xMSH|"])
def test_what_only_looks_like_the_start_of_a_message_is_noise(noise: bytes) -> None:
    assert whole(noise + frame(b"A")) == [Strayed(Deviation.NOISE, len(noise)), Block(b"A")]


# -- commit blocks and other lower layers -------------------------------------------------------------------------------


def test_commit_blocks_are_told_apart_from_messages() -> None:
    assert whole(frame(b"\x06") + frame(b"\x15") + frame(b"\x06x")) == [
        Commit(is_positive=True),
        Commit(is_positive=False),
        Block(b"\x06x"),
    ]


def test_the_hybrid_lower_layer_protocol_is_named() -> None:
    data = b"D23\rMSH|1\r00010123"
    assert whole(frame(data)) == [Strayed(Deviation.HLLP), Block(data)]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-16"])
def test_utf_16_is_named_whichever_byte_comes_first(codec: str) -> None:
    stream = "\x0bMSH|^~\\&|A\r\x1c\r".encode(codec)
    assert whole(stream)[-1] == Broken(Breach.UTF16)
    assert in_pieces(stream[place : place + 1] for place in range(len(stream))) == whole(stream)


def test_every_deviation_and_breach_has_its_advice() -> None:
    assert set(ADVICE) == {*Deviation, *Breach}
    assert all(text.endswith(".") for text in ADVICE.values())


def test_what_came_before_any_block_is_kept_to_be_shown_and_no_more() -> None:
    framer = Framer(LIMIT)
    framer.feed(b"ab")
    framer.feed(b"c" * 100)
    framer.feed(frame(b"A") + b"zz")
    assert framer.opening == b"ab" + b"c" * 14


def test_a_stream_is_noise_until_a_block_comes() -> None:
    found = {}
    for data in (b"", b"\r\n\x00", b"ab", b"ab\x0bA\x1c\rzz"):
        framer = Framer(LIMIT)
        framer.feed(data)
        found[data] = framer.is_noise
    assert [data for data, is_noise in found.items() if is_noise] == [b"ab"]


# -- over the limit -----------------------------------------------------------------------------------------------------


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


# -- no MLLP at all -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("opening", "breach"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Breach.TLS),
        (b"GET / HTTP/1.1\r\n", Breach.HTTP),
        (b"HEAD / HTTP/1.1\r\n", Breach.HTTP),
        (b"POST /feed HTTP/1.1\r\n", Breach.HTTP),
        (b"PUT /feed HTTP/1.1\r\n", Breach.HTTP),
        (b"OPTIONS * HTTP/1.1\r\n", Breach.HTTP),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Breach.HTTP),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", Breach.PROXY),
        (b"\r\n\r\n\x00\r\nQUIT\n\x21\x11", Breach.PROXY),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Breach.SSH),
        (b"\x01\x00\x00\x00\x00\xcd\x00\x01", Breach.DICOM),
        (b"\xff\xfd\x18\xff\xfd\x20", Breach.TELNET),
        (b"\xff\xfb\x18", Breach.TELNET),
        (b"\xff\xfe\xff", Breach.TELNET),
        (b"\x05\x02", Breach.X328),
        (b"\x021H|", Breach.X328),
    ],
)
def test_another_protocol_is_named(opening: bytes, breach: Breach) -> None:
    assert whole(opening) == [Broken(breach)]
    assert in_pieces(opening[place : place + 1] for place in range(len(opening))) == [Broken(breach)]


@pytest.mark.parametrize("opening", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"PROXY TCP4"])
def test_the_same_bytes_after_a_block_are_noise(opening: bytes) -> None:
    assert whole(frame(b"A") + opening + frame(b"B")) == [
        Block(b"A"),
        Strayed(Deviation.NOISE, len(opening.translate(None, b"\r\n"))),
        Block(b"B"),
    ]


def test_noise_up_to_its_limit_is_borne_and_one_byte_more_is_not() -> None:
    noise = b"x" * NOISE_LIMIT_BYTES
    assert whole(noise + frame(b"A")) == [Strayed(Deviation.NOISE, NOISE_LIMIT_BYTES), Block(b"A")]
    assert whole(noise + b"x" + frame(b"A")) == [Broken(Breach.NOISE)]


def test_endless_line_ends_are_noise_too() -> None:
    assert whole(b"\r\n" * (NOISE_LIMIT_BYTES // 2) + b"\r") == [Broken(Breach.NOISE)]


def test_noise_is_counted_anew_after_each_block() -> None:
    noise = b"x" * (NOISE_LIMIT_BYTES // 2 + 1)
    events = whole(noise + frame(b"A") + noise + frame(b"B"))
    assert [event for event in events if isinstance(event, Block)] == [Block(b"A"), Block(b"B")]


def test_nothing_comes_out_of_a_broken_stream_any_more() -> None:
    framer = Framer(LIMIT)
    framer.feed(b"GET / HTTP/1.1\r\n")
    assert framer.is_broken
    assert framer.feed(framed(adt())) == []
    assert framer.held_bytes == 0


def test_no_event_shows_what_it_holds() -> None:
    events = whole(frame(b"SECRET") + frame(b"SECRET" * 5))
    assert len(events) == 2
    assert "SECRET" not in repr(events)
