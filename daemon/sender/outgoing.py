"""A message on its way out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from daemon.hl7listener.text.header import Header, parse_header
from daemon.hl7listener.text.segments import split_segments
from daemon.hl7listener.wire.framer import frame

_ENVELOPE = (b"FHS", b"BHS")
_CONTROL_ID, _TIME = 9, 6
"""MSH-10 and MSH-7 among the fields after ``MSH``."""
_BATCH_ID = 10
"""BHS-11 and FHS-11, counted from the name of the segment."""
_LONGEST_ID = 20


class Outgoing(NamedTuple):
    """A block to be sent. The representation shows nothing of it.

    Attributes:
        source: where it comes from: a file's name.
        number: which one of that source, from 1.
        data: what goes into the block.
        control_id: MSH-10, or the control id of a batch.
        members: the control ids of a batch's messages; empty of a single message.
        packets: the whole block as it is to be written, if not as the standard has it.
        is_resend: whether it was sent before and is to go over a new connection.
    """

    source: str
    number: int
    data: bytes
    control_id: str
    members: tuple[str, ...] = ()
    packets: tuple[bytes, ...] = ()
    is_resend: bool = False

    def __repr__(self) -> str:
        """Show where it comes from and nothing of the message."""
        return f"Outgoing({self.source!r}, {self.number})"

    @property
    def pieces(self) -> tuple[bytes, ...]:
        """The bytes on the wire, packet by packet."""
        return self.packets or (frame(self.data),)


def outgoing(source: str, number: int, data: bytes) -> Outgoing:
    """Read what a block must be known by: its control id, or those of a batch and of its messages."""
    if data.startswith(_ENVELOPE):
        return _batch(source, number, data)
    return Outgoing(source, number, data, control_id_of(data))


def control_id_of(data: bytes) -> str:
    """Give MSH-10; empty if there is none."""
    header = parse_header(data)
    return header.control_id.decode("latin-1") if isinstance(header, Header) else ""


def renewed(data: bytes, control_id: str, stamp: str) -> bytes:
    """Give a message another MSH-10 and MSH-7; one that has no header, and a batch, stay as they are."""
    header = parse_header(data)
    if not isinstance(header, Header):
        return data
    separator = header.delimiters.field
    begin = data.find(b"MSH")
    ends = [place for end in (b"\r", b"\n") if (place := data.find(end, begin)) >= 0]
    end = min(ends, default=len(data))
    fields = data[begin:end].split(separator)
    fields += [b""] * (_CONTROL_ID + 1 - len(fields))
    fields[_TIME], fields[_CONTROL_ID] = stamp.encode("ascii"), control_id.encode("ascii")
    return data[:begin] + separator.join(fields) + data[end:]


def repeated(
    messages: Sequence[Outgoing], times: int | None, fresh: Callable[[int], tuple[str, datetime]] | None
) -> Iterator[Outgoing]:
    """Give the messages over and over, ``times`` in all or for ever.

    With ``fresh``, each gets the control id and the time that ``fresh`` gives for its place in the row.
    """
    for place, one in enumerate(_rounds(messages, times)):
        if fresh is None or one.members:
            yield one
            continue
        control_id, at = fresh(place)
        data = renewed(one.data, control_id[-_LONGEST_ID:], at.strftime("%Y%m%d%H%M%S%z"))
        yield one._replace(data=data, control_id=control_id_of(data))


def _rounds(messages: Sequence[Outgoing], times: int | None) -> Iterable[Outgoing]:
    given = 0
    while messages and (times is None or given < times):
        for one in messages:
            if given == times:
                return
            yield one
            given += 1


def _batch(source: str, number: int, data: bytes) -> Outgoing:
    separator = data[3:4].decode("latin-1")
    text = data.decode("latin-1")
    lines = [line.split(separator) for line in split_segments(text, separator)] if separator else []
    heads = [line for line in lines if line[0] in ("BHS", "FHS")]
    ids = [line[_BATCH_ID] for line in heads if len(line) > _BATCH_ID and line[_BATCH_ID]]
    members = tuple(line[_CONTROL_ID] for line in lines if line[0] == "MSH" and len(line) > _CONTROL_ID)
    return Outgoing(source, number, data, ids[-1] if ids else "", members or ("",))
