"""The framer gives the same events however the bytes were cut, in bounded memory and linear time, from any bytes whatever."""

from __future__ import annotations

import sys
from typing import Any, SupportsIndex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.wire.framer import (
    NOISE_LIMIT_BYTES,
    PREFIX_BYTES,
    Block,
    Commit,
    Deviation,
    Event,
    Framer,
    Strayed,
)
from tests.support.builders import framed
from tests.support.framing import LIMIT, PIECES, STREAMS, cut, in_pieces, small_limits, whole

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


# -- never more than it may --------------------------------------------------------------------------------------------


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
