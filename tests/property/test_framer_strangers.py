"""What comes to the framer that is no message: commit blocks, other lower layers, other protocols and noise, each by its name."""

from __future__ import annotations

import pytest

from daemon.hl7listener.wire.deviation import ADVICE
from daemon.hl7listener.wire.framer import (
    NOISE_LIMIT_BYTES,
    Block,
    Breach,
    Broken,
    Commit,
    Deviation,
    Framer,
    Strayed,
    frame,
)
from tests.support.builders import adt, framed
from tests.support.framing import LIMIT, in_pieces, whole

# -- commit blocks and other lower layers ------------------------------------------------------------------------------


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


# -- no MLLP at all ----------------------------------------------------------------------------------------------------


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
