"""A witness outside the database: the highest sequence number that was acknowledged.

A damaged or missing write-ahead log loses rows, and every check of SQLite still says the file is sound. The mark tells. It
holds two slots that are written in turn, so that one is whole whatever happens during a write.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

SLOT_BYTES = 512
_FORMAT = struct.Struct("<8s16sqqq")
_MAGIC = b"CARMARK1"


@dataclass(frozen=True, slots=True)
class Mark:
    """What was acknowledged when the mark was written.

    Attributes:
        epoch: token of the epoch, up to 16 ASCII characters.
        sequence: the highest sequence number acknowledged in it.
        written_us: when.
    """

    epoch: str
    sequence: int
    written_us: int


def encode_mark(mark: Mark, count: int) -> bytes:
    """Write one slot; ``count`` grows with each write and tells the newer slot."""
    body = _FORMAT.pack(_MAGIC, mark.epoch.encode("ascii"), mark.sequence, mark.written_us, count)
    return (body + struct.pack("<I", zlib.crc32(body))).ljust(SLOT_BYTES, b"\0")


def decode_mark(content: bytes) -> tuple[Mark, int] | None:
    """Read the newest whole slot; ``None`` if there is none."""
    found: tuple[Mark, int] | None = None
    for start in range(0, len(content) - _FORMAT.size - 3, SLOT_BYTES):
        body = content[start : start + _FORMAT.size]
        (crc,) = struct.unpack_from("<I", content, start + _FORMAT.size)
        magic, epoch, sequence, written_us, count = _FORMAT.unpack(body)
        if magic == _MAGIC and zlib.crc32(body) == crc and (found is None or count > found[1]):
            found = Mark(epoch.rstrip(b"\0").decode("ascii", "replace"), sequence, written_us), count
    return found


def read_mark(path: Path) -> Mark | None:
    """Read the mark in a file; ``None`` if there is none.

    Raises:
        OSError: it cannot be read.
    """
    try:
        found = decode_mark(path.read_bytes()[: 2 * SLOT_BYTES])
    except FileNotFoundError:
        return None
    return None if found is None else found[0]


class MarkFile:
    """The mark on disk."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            OSError: it cannot be used.
        """
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        found = decode_mark(os.pread(self._descriptor, 2 * SLOT_BYTES, 0))
        self.last: Mark | None = found[0] if found is not None else None
        self._count = found[1] if found is not None else 0

    def write(self, mark: Mark) -> None:
        """Write a mark and wait until it is on the disk.

        Raises:
            OSError: it cannot be written.
        """
        self._count += 1
        os.pwrite(self._descriptor, encode_mark(mark, self._count), self._count % 2 * SLOT_BYTES)
        os.fdatasync(self._descriptor)
        self.last = mark

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
