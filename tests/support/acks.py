"""Reading acknowledgements back, field by field, without the code that wrote them."""

from __future__ import annotations

from typing import NamedTuple

from daemon.hl7listener.text.header import Header

VT, END = b"\x0b", b"\x1c\r"


class Ack(NamedTuple):
    """An acknowledgement cut into segments and fields: ``msh[3]`` is MSH-3, ``msa[1]`` MSA-1, ``err[1]`` ERR-1.

    Attributes:
        err: the first ERR; ``None`` if there is none.
        errs: all of them.
    """

    msh: list[bytes]
    msa: list[bytes]
    err: list[bytes] | None
    errs: tuple[list[bytes], ...] = ()


def read_acks(blocks: bytes) -> list[Ack]:
    """Cut what a listener sent into acknowledgements; every byte of it must belong to one."""
    found = []
    while blocks:
        assert blocks.startswith(VT)
        data, end, blocks = blocks[1:].partition(END)
        assert end == END
        found.append(read_ack(data))
    return found


def read_ack(data: bytes) -> Ack:
    """Cut one acknowledgement; it must end in CR and hold MSH, MSA and then nothing but ERR."""
    assert data.endswith(b"\r")
    segments = data[:-1].split(b"\r")
    separator = segments[0][3:4]
    msh, msa, *rest = (segment.split(separator) for segment in segments)
    assert [msh[0], msa[0]] == [b"MSH", b"MSA"]
    assert {segment[0] for segment in rest} <= {b"ERR"}
    errs = tuple([*segment, *[b""] * 10] for segment in rest)
    return Ack([b"MSH", separator, *msh[1:], *[b""] * 20], [*msa, *[b""] * 8], errs[0] if errs else None, errs)


def check_header_rules(ack: Ack, header: Header) -> None:
    """Check what holds for every acknowledgement of a message, whatever it says."""
    component = header.delimiters.component
    assert ack.msh[1] == header.delimiters.field
    assert ack.msh[2] == header.delimiters.encoding
    assert ack.msh[3:7] == [header.raw(5), header.raw(6), header.raw(3), header.raw(4)]
    assert ack.msh[7][:14].isdigit()
    assert ack.msh[8] == b""
    kind = ack.msh[9].split(component)
    version = header.version or (2, 5)
    event = header.trigger_event.encode("latin-1")
    if version <= (2, 3) or not event:
        assert kind == [b"ACK"]
    elif version <= (2, 3, 1):
        assert kind == [b"ACK", event]
    else:
        assert kind == [b"ACK", event, b"ACK"]
    assert ack.msh[10]
    assert len(ack.msh[10]) <= 20
    assert ack.msh[10] != header.control_id
    assert ack.msh[11] == header.raw(11)
    assert ack.msh[12] == (header.raw(12) or b"2.5")
    assert ack.msh[13] == ack.msh[14] == b""
    is_enhanced = ack.msa[1][:1] == b"C" or header.raw(15) or header.raw(16)
    assert ack.msh[15] == (b"NE" if is_enhanced else b"")
    assert ack.msh[16] == ack.msh[15]
    assert ack.msh[18] == header.raw(18)
    assert ack.msa[2] == header.control_id
    if version >= (2, 7):
        assert ack.msa[3] == b""
    assert ack.msa[4] == ack.msa[5] == b""
    assert bool(ack.msa[6]) == ((2, 2) <= version < (2, 4) and ack.err is not None)
    assert ack.msa[7:] == [b""] * len(ack.msa[7:])
    if version < (2, 5):
        assert len(ack.errs) <= 1
