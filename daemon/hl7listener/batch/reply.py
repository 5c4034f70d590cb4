"""The one block that answers a batch: the acknowledgements of its messages between the segments of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from daemon.hl7listener.batch.batch import Batch, Group
from daemon.hl7listener.text.header import Header

_CR = b"\r"


def batch_reply(
    batch: Batch, acks: Sequence[Sequence[bytes]], *, stamp: bytes, new_control_id: Callable[[], str]
) -> bytes:
    """Write the answer of a batch, unframed, with the batches and the order it has itself.

    Args:
        batch: what is answered.
        acks: for each of its messages, in their order, the acknowledgements it gets, if any.
        stamp: when, as in an acknowledgement.
        new_control_id: gives FHS-11 and BHS-11.
    """
    written = []
    if batch.file is not None:
        written.append(_header(b"FHS", batch.file, stamp, new_control_id()))
    place = 0
    for group in batch.groups:
        answers = [ack for each in acks[place : place + len(group.messages)] for ack in each]
        place += len(group.messages)
        written += _group(group, answers, stamp, new_control_id)
    if batch.file is not None:
        written.append(_trailer(b"FTS", batch.file, len(batch.groups)))
    return b"".join(written).translate(None, b"\x0b\x1c")  # echoed, either would end or begin a block


def _group(group: Group, answers: list[bytes], stamp: bytes, new_control_id: Callable[[], str]) -> list[bytes]:
    if group.header is None:
        return answers
    first = _header(b"BHS", group.header, stamp, new_control_id())
    return [first, *answers, _trailer(b"BTS", group.header, len(answers))]


def _header(name: bytes, header: Header, stamp: bytes, control_id: str) -> bytes:
    separator, fields = header.delimiters.field, header.fields
    if b"+" in separator + fields[0]:  # the sign of the offset would delimit
        stamp = stamp.partition(b"+")[0]
    written = (
        name + separator + fields[0],
        fields[3],  # 5 and 6 become 3 and 4, whole
        fields[4],
        fields[1],
        fields[2],
        stamp,
        b"",
        b"",
        b"",
        control_id.encode(),
        fields[9],  # of the batch that is answered
    )
    return separator.join(written).rstrip(separator) + _CR


def _trailer(name: bytes, header: Header, count: int) -> bytes:
    return name + header.delimiters.field + str(count).encode() + _CR
