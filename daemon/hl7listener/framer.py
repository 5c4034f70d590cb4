"""MLLP blocks out of a stream of bytes (HL7 v2.3.1 appendix C, MLLP release 1).

    <VT> data <FS><CR>        0x0B … 0x1C 0x0D

Pure: bytes in, events out, in the same order however the bytes were cut. Memory is bounded by the block limit, time is
linear in the bytes. What senders do in practice is understood and counted: line ends between blocks, a block that ends
with FS and LF, or with FS right before the next VT, a VT written twice, a block begun anew. FS occurs in no character set
that can travel in MLLP, so one in front of anything else is data of a damaged sender and is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

VT, FS, CR, LF = 0x0B, 0x1C, 0x0D, 0x0A
START, END = b"\x0b", b"\x1c\r"

PREFIX_BYTES = 4096
"""How much of a block over the limit is kept: enough to read its header and answer it."""

NOISE_LIMIT_BYTES = 64 * 1024
"""Bytes outside any block after which a connection is given up."""

_OPENING_BYTES = 8


class Deviation(Enum):
    """How a sender strays from the standard and is understood all the same."""

    NOISE = "noise-between-blocks"
    LF_END = "lf-after-fs"
    NO_CR = "no-cr-after-fs"
    FS_IN_DATA = "fs-in-data"
    DOUBLE_START = "double-start"
    RESTARTED = "block-begun-anew"


class Breach(Enum):
    """Why a connection cannot go on."""

    TLS = "tls-on-plain-port"
    HTTP = "http-on-mllp-port"
    PROXY = "proxy-header"
    NOISE = "noise-without-blocks"
    ENDLESS = "endless-block"


@dataclass(frozen=True, slots=True)
class Block:
    """The data of one block."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Oversized:
    """A block over the limit; only its first bytes were kept."""

    prefix: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Strayed:
    """A deviation was met; ``count`` is the number of bytes of noise, or of FS in a block's data."""

    kind: Deviation
    count: int = 1


@dataclass(frozen=True, slots=True)
class Broken:
    """The stream is no MLLP; nothing more will come out of it."""

    breach: Breach


Event: TypeAlias = Block | Oversized | Strayed | Broken

_OPENINGS: tuple[tuple[bytes, Breach], ...] = (
    (b"\x16\x03", Breach.TLS),
    (b"GET ", Breach.HTTP),
    (b"HEAD ", Breach.HTTP),
    (b"POST ", Breach.HTTP),
    (b"PUT ", Breach.HTTP),
    (b"DELETE ", Breach.HTTP),
    (b"PATCH ", Breach.HTTP),
    (b"OPTIONS ", Breach.HTTP),
    (b"CONNECT ", Breach.HTTP),
    (b"TRACE ", Breach.HTTP),
    (b"PRI * HT", Breach.HTTP),
    (b"PROXY ", Breach.PROXY),
    (b"\r\n\r\n\x00\r\nQ", Breach.PROXY),
)


class Framer:
    """Cuts one connection's bytes into blocks."""

    def __init__(self, limit_bytes: int) -> None:
        """Allow blocks of up to ``limit_bytes`` of data; twice that ends the connection."""
        self._limit = limit_bytes
        self._prefix_bytes = min(PREFIX_BYTES, limit_bytes)
        self._buffer = bytearray()
        self._scan = 0
        self._inside = False
        self._dropped = 0  # bytes of the open block already thrown away because it is over the limit
        self._prefix: bytes | None = None
        self._noise = self._line_ends = 0  # bytes since the last block
        self._fs_inside = 0
        self._opening: bytearray | None = bytearray()
        self._broken = False

    @property
    def is_open(self) -> bool:
        """Say whether a block has begun and not ended."""
        return self._inside

    @property
    def held_bytes(self) -> int:
        """Count the bytes of the open block kept so far."""
        return len(self._buffer)

    @property
    def is_broken(self) -> bool:
        """Say whether the stream was given up."""
        return self._broken

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes and give what they complete."""
        events: list[Event] = []
        if self._broken:
            return events
        self._buffer += data
        at = 0
        while True:
            after = self._end(events, at) if self._inside else self._begin(events, at)
            if after is None:
                break
            at = after
        return events

    def _begin(self, events: list[Event], at: int) -> int | None:
        """Look for the start of a block; give the place behind it, or ``None`` if it has not come."""
        buffer = self._buffer
        start = buffer.find(START, at)
        end = len(buffer) if start < 0 else start
        if end > at:
            self._pass_noise(events, bytes(buffer[at:end]))
        if self._broken or start < 0:
            buffer.clear()
            return None
        if self._noise:
            events.append(Strayed(Deviation.NOISE, self._noise))
        self._noise = self._line_ends = 0
        self._opening = None
        self._inside, self._scan = True, start + 1
        return start + 1

    def _pass_noise(self, events: list[Event], noise: bytes) -> None:
        if self._opening is not None:
            self._opening += noise[: _OPENING_BYTES - len(self._opening)]
            for opening, breach in _OPENINGS:
                if self._opening.startswith(opening):
                    self._break(events, breach)
                    return
        line_ends = noise.count(b"\r") + noise.count(b"\n")
        self._line_ends += line_ends
        self._noise += len(noise) - line_ends
        if self._noise + self._line_ends > NOISE_LIMIT_BYTES:
            self._break(events, Breach.NOISE)

    def _end(self, events: list[Event], at: int) -> int | None:
        """Look for the end of the open block whose data begins at ``at``; give the place behind it."""
        buffer = self._buffer
        while True:
            mark = buffer.find(FS, self._scan)
            scanned = len(buffer) if mark < 0 else mark
            if self._dropped + scanned - at > 2 * self._limit:
                self._count_inside(events)
                self._oversized(events, at)
                self._break(events, Breach.ENDLESS)
                return None
            if mark < 0 or mark + 1 == len(buffer):
                self._keep(at, scanned)
                return None
            following = buffer[mark + 1]
            if following in (CR, LF, VT):
                break
            self._fs_inside += 1
            self._scan = mark + 1
        if following != CR:
            events.append(Strayed(Deviation.LF_END if following == LF else Deviation.NO_CR))
        self._finish(events, at, mark)
        self._inside = False
        return mark + (1 if following == VT else 2)

    def _keep(self, at: int, scanned: int) -> None:
        """Keep the unfinished block at the front of the buffer, or only its first bytes once it is over the limit."""
        buffer = self._buffer
        del buffer[:at]
        self._scan = scanned - at
        if self._dropped + self._scan > self._limit:
            if self._prefix is None:
                self._prefix = bytes(buffer[: self._prefix_bytes])
            self._dropped += self._scan
            del buffer[: self._scan]
            self._scan = 0

    def _finish(self, events: list[Event], at: int, mark: int) -> None:
        self._count_inside(events)
        if self._dropped + mark - at > self._limit:
            self._oversized(events, at)
            return
        data = bytes(memoryview(self._buffer)[at:mark])
        begun_anew = data.rfind(b"\x0bMSH")
        if begun_anew >= 0:
            lead = data[:begun_anew].strip(START)
            events.append(Strayed(Deviation.RESTARTED if lead else Deviation.DOUBLE_START))
            data = data[begun_anew + 1 :]
        events.append(Block(data))

    def _count_inside(self, events: list[Event]) -> None:
        if self._fs_inside:
            events.append(Strayed(Deviation.FS_IN_DATA, self._fs_inside))
            self._fs_inside = 0

    def _oversized(self, events: list[Event], at: int) -> None:
        prefix = self._prefix if self._prefix is not None else bytes(self._buffer[at : at + self._prefix_bytes])
        events.append(Oversized(prefix.lstrip(START)))
        self._prefix, self._dropped = None, 0

    def _break(self, events: list[Event], breach: Breach) -> None:
        events.append(Broken(breach))
        self._broken, self._inside = True, False
        self._buffer.clear()


def frame(data: bytes) -> bytes:
    """Put data into a block."""
    return START + data + END
