"""MLLP blocks out of a stream of bytes (HL7 v2.3.1 appendix C, MLLP releases 1 and 2).

    <VT> data <FS><CR>        0x0B … 0x1C 0x0D

Pure: bytes in, events out, in the same order however the bytes were cut. Memory is bounded by the block limit, time is
linear in the bytes. What senders do in practice is understood and counted (``deviation.py``). FS occurs in no character set
that can travel in MLLP, so one in front of anything but CR, LF or VT is data of a damaged sender and is kept. Whether an FS
that nothing follows ends a block is a matter of time, which is not known here: ``flush`` says that it does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from string import punctuation
from typing import TypeAlias

from daemon.hl7listener.wire.deviation import OPENINGS, UTF16_OPENING, Breach, Deviation

__all__ = ["Block", "Breach", "Broken", "Commit", "Deviation", "Event", "Framer", "Oversized", "Strayed", "frame"]

VT, FS, CR, LF = 0x0B, 0x1C, 0x0D, 0x0A
START, END = b"\x0b", b"\x1c\r"

PREFIX_BYTES = 4096
"""How much of a block over the limit is kept: enough to read its header and answer it."""

NOISE_LIMIT_BYTES = 64 * 1024
"""Bytes outside any block after which a connection is given up."""

OPENING_BYTES = 16
"""How much of what came before the first block is kept, to name it."""

_BLANKS = b"\r\n\x00"
_MSH = b"MSH"
_COMMITS = {b"\x06": True, b"\x15": False}


@dataclass(frozen=True, slots=True)
class Block:
    """The data of one block."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Oversized:
    """A block over the limit; only its first bytes were kept."""

    prefix: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit block of MLLP release 2: the other side stored what we sent, or could not."""

    is_positive: bool


@dataclass(frozen=True, slots=True)
class Strayed:
    """A deviation was met; of some kinds ``count`` is the number of bytes. It comes before the block it belongs to."""

    kind: Deviation
    count: int = 1


@dataclass(frozen=True, slots=True)
class Broken:
    """The stream is no MLLP; nothing more will come out of it."""

    breach: Breach


Event: TypeAlias = Block | Oversized | Commit | Strayed | Broken


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
        self._noise = self._nuls = self._line_ends = 0  # bytes since the last block
        self._fs_inside = 0
        self._flushed = False
        self._is_first = True
        self._broken = False
        self.opening = b""
        """The first bytes that came before any block."""

    @property
    def is_open(self) -> bool:
        """Say whether a block has begun and not ended."""
        return self._inside

    @property
    def held_bytes(self) -> int:
        """Count the bytes of the open block kept so far."""
        return len(self._buffer) if self._inside else 0

    @property
    def is_noise(self) -> bool:
        """Say whether bytes came, not only blanks, and no block ever."""
        return self._is_first and self._noise > 0

    @property
    def is_broken(self) -> bool:
        """Say whether the stream was given up."""
        return self._broken

    @property
    def awaits_cr(self) -> bool:
        """Say whether the last byte that came is an FS inside a block."""
        return self._inside and len(self._buffer) == self._scan + 1

    @property
    def prefix(self) -> bytes:
        """Give the first bytes of the open block."""
        if self._prefix is not None:
            return self._prefix.lstrip(START)
        return bytes(self._buffer[: self._prefix_bytes]).lstrip(START)

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes and give what they complete."""
        events: list[Event] = []
        if self._broken:
            return events
        if not self._buffer and not self._inside:
            passed = self._pass_whole(events, data)
            if passed == len(data):
                return events
            data = data[passed:] if passed else data
        self._buffer += data
        at = 0
        while True:
            after = self._end(events, at) if self._inside else self._begin(events, at)
            if after is None:
                break
            at = after
        return events

    def flush(self) -> list[Event]:
        """Take an FS at the end of what has come as the end of its block."""
        events: list[Event] = []
        if self.awaits_cr:
            events.append(Strayed(Deviation.NO_CR))
            self._finish(events, 0, self._scan)
            self._inside, self._flushed = False, True
            self._buffer.clear()
        return events

    def _pass_whole(self, events: list[Event], data: bytes) -> int:
        """Take the blocks at the front that are whole and without anything odd, which nearly all are; say how far they go."""
        if self._noise or self._nuls or self._line_ends or self._flushed:
            return 0
        at, find, limit = 0, data.find, self._limit
        while data.startswith(b"\x0bMSH", at):
            mark = find(FS, at)
            if mark < 0 or not data.startswith(END, mark) or mark - at > limit or find(START, at + 1, mark) >= 0:
                break
            events.append(Block(data[at + 1 : mark]))
            self._is_first = False
            at = mark + 2
        return at

    # -- outside a block -----------------------------------------------------------------------------------------------

    def _begin(self, events: list[Event], at: int) -> int | None:
        """Look for the start of a block; give the place where its data begins, or ``None`` if it has not come."""
        buffer = self._buffer
        start = buffer.find(START, at)
        end = len(buffer) if start < 0 else start
        if self._flushed and at < len(buffer):
            self._flushed = False
            if buffer[at] in (CR, LF):
                events.append(Strayed(Deviation.LATE_CR))
                at += 1
        message = self._message_at(at, end)
        self._pass_noise(events, bytes(buffer[at:message]))
        if not self._broken and end - message > len(_MSH):
            self._open(events, message)
            events.append(Strayed(Deviation.NO_START))
            return message
        if not self._broken and start < 0:
            del buffer[:message]  # two or three letters may yet become a message
            return None
        self._pass_noise(events, bytes(buffer[message:end]))
        if self._broken:
            buffer.clear()
            return None
        self._open(events, start + 1)
        return start + 1

    def _message_at(self, at: int, end: int) -> int:
        """Find where a message begins without VT, or may begin with what is still to come; ``end`` if none does."""
        if self._noise or at == end:
            return end
        while at < end and self._buffer[at] in _BLANKS:
            at += 1
        first = self._buffer[at : min(end, at + len(_MSH) + 1)]
        begins = _MSH.startswith(first[:3]) and (len(first) <= len(_MSH) or chr(first[3]) in punctuation)
        return at if first and begins else end

    def _open(self, events: list[Event], scan: int) -> None:
        if self._noise:
            events.append(Strayed(Deviation.NOISE, self._noise + self._nuls))
        else:
            for kind, count in ((Deviation.NUL, self._nuls), (Deviation.LINE_END, self._line_ends)):
                if count:
                    events.append(Strayed(kind, count))
        self._noise = self._nuls = self._line_ends = 0
        self._is_first = False
        self._inside, self._scan = True, scan

    def _pass_noise(self, events: list[Event], noise: bytes) -> None:
        if not noise:
            return
        if self._is_first:
            self.opening += noise[: OPENING_BYTES - len(self.opening)]
            for opening, breach in OPENINGS:
                if self.opening.startswith(opening):
                    self._break(events, breach)
                    return
        line_ends, nuls = noise.count(b"\r") + noise.count(b"\n"), noise.count(0)
        self._line_ends += line_ends
        self._nuls += nuls
        self._noise += len(noise) - line_ends - nuls
        if self._noise + self._nuls + self._line_ends > NOISE_LIMIT_BYTES:
            self._break(events, Breach.NOISE)

    # -- inside a block ------------------------------------------------------------------------------------------------

    def _end(self, events: list[Event], at: int) -> int | None:
        """Look for the end of the open block whose data begins at ``at``; give the place behind it."""
        buffer = self._buffer
        if not self._dropped and buffer.startswith(UTF16_OPENING, at):
            self._fs_inside = 0
            self._break(events, Breach.UTF16)
            return None
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
        if START in data:
            data = _untangled(events, data)
        if data in _COMMITS:
            events.append(Commit(_COMMITS[data]))
            return
        if data[:1] == b"D" and data[1:3].isdigit() and data[3:4] == b"\r":
            events.append(Strayed(Deviation.HLLP))
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


def _untangled(events: list[Event], data: bytes) -> bytes:
    """Take out a VT that is written twice, and what stands before a block that was begun anew."""
    anew = max(data.rfind(b"\x0b" + name) for name in (_MSH, b"FHS", b"BHS"))
    lead = data[:anew].strip(START) if anew >= 0 else b""
    if anew >= 0 or data.startswith(START):
        events.append(Strayed(Deviation.RESTARTED if lead else Deviation.DOUBLE_START))
        data = data[anew + 1 :] if anew >= 0 else data.lstrip(START)
    inside = data.count(START)
    if inside:
        events.append(Strayed(Deviation.VT_IN_DATA, inside))
    return data


def frame(data: bytes) -> bytes:
    """Put data into a block."""
    return START + data + END
