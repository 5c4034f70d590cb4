"""Streams of bytes for the framer, and what it makes of them whole and in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from unittest import mock

from hypothesis import strategies as st

from daemon.hl7listener.wire import framer as module
from daemon.hl7listener.wire.framer import Event, Framer

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
