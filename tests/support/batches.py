"""Batches of messages, and the ones that answer them, taken apart without the code that wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tests.support.acks import Ack, read_ack


def batch(
    *messages: bytes,
    control_id: str = "B1",
    count: int | str | None = None,
    trailer: bool = True,
    end: bytes = b"\r",
    reference: str = "",
) -> bytes:
    """Write one batch; its count is right unless another is given."""
    said = len(messages) if count is None else count
    header = f"BHS|^~\\&|BAPP|BFAC|RAPP|RFAC|20261122040506+0100||NAME|COMMENT|{control_id}|{reference}".encode()
    last = [f"BTS|{said}".encode() + end] if trailer else []
    return b"".join([header.rstrip(b"|") + end, *messages, *last])


def file_of(*batches: bytes, count: int | None = None, trailer: bool = True) -> bytes:
    """Put batches into a file."""
    said = len(batches) if count is None else count
    last = [f"FTS|{said}\r".encode()] if trailer else []
    return b"".join([b"FHS|^~\\&|FAPP|FFAC|GAPP|GFAC|20261122||F|C|F1\r", *batches, *last])


class Answered(NamedTuple):
    """The answer of a batch: the fields of its first and last segments, and the acknowledgements between."""

    file: list[bytes] | None
    header: list[bytes]
    acks: list[Ack]
    total: int
    file_count: int | None


def read_answer(data: bytes) -> Answered:
    """Take the answer of a single batch apart."""
    assert data.endswith(b"\r")
    lines = data[:-1].split(b"\r")
    file = _numbered(lines.pop(0)) if lines[0].startswith(b"FHS") else None
    file_count = None
    if file is not None:
        last = lines.pop().split(file[1])
        assert last[0] == b"FTS"
        file_count = int(last[1])
    header = _numbered(lines.pop(0))
    assert header[0] == b"BHS"
    last = lines.pop().split(header[1])
    assert last[0] == b"BTS"
    return Answered(file, header, _acks(lines), int(last[1]), file_count)


def _numbered(line: bytes) -> list[bytes]:
    separator = line[3:4]
    first, *rest = line.split(separator)
    return [first, separator, *rest, *[b""] * 12]


def _acks(lines: Sequence[bytes]) -> list[Ack]:
    found: list[list[bytes]] = []
    for line in lines:
        if line.startswith(b"MSH"):
            found.append([])
        found[-1].append(line)
    return [read_ack(b"".join(segment + b"\r" for segment in each)) for each in found]
