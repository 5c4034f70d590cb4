"""What the header of a reply shows: facts about form, and nothing of its content. Pure."""

from __future__ import annotations

from typing import NamedTuple

from daemon.hl7listener.text.header import Header, parse_header
from daemon.hl7listener.text.segments import split_segments
from daemon.sender.acknowledgement import POSITIVE, Acknowledgement, read_acknowledgement
from daemon.sender.expecting import CODES

_WITH_EVENT, _WITH_STRUCTURE = (2, 3, 1), (2, 4)


class Reply(NamedTuple):
    """A reply, read. The representation shows its code alone."""

    data: bytes
    ack: Acknowledgement
    header: Header | None

    def __repr__(self) -> str:
        """Show the code and nothing else."""
        return f"Reply({self.code})"

    @property
    def code(self) -> str:
        """MSA-1 if it is a code of table 0008; a dash if there is none, ``??`` for anything else."""
        return self.ack.code if self.ack.code in CODES else ("??" if self.ack.code else "-")

    @property
    def is_positive(self) -> bool:
        """Say whether it accepts."""
        return self.ack.code in POSITIVE

    @property
    def own_id(self) -> bytes:
        """MSH-10 of the reply."""
        return self.header.control_id if self.header is not None else b""

    @property
    def has_err(self) -> bool:
        """Say whether there is an ERR segment."""
        return b"\rERR" in self.data


def read_reply(data: bytes) -> Reply:
    """Read a reply."""
    header = parse_header(data)
    return Reply(data, read_acknowledgement(data), header if isinstance(header, Header) else None)


def faults_of_parties(reply: Reply, sent: Header) -> list[str]:
    """Name what is wrong with MSH-3 to MSH-6: they are to be those of the message, swapped, with all components."""
    got = reply.header
    if got is None:
        return ["the reply has no header"]
    pairs = ((3, 5), (4, 6), (5, 3), (6, 4))
    return [
        f"MSH-{mine} is not the message's MSH-{theirs}" for mine, theirs in pairs if got.raw(mine) != sent.raw(theirs)
    ]


def fault_of_type(reply: Reply, sent: Header) -> str:
    """Say what is wrong with MSH-9; empty if nothing is."""
    got = reply.header
    if got is None:
        return "the reply has no header"
    parts = [part.decode("latin-1") for part in got.raw(9).split(got.delimiters.component)]
    if parts[0] != "ACK":
        return "MSH-9 is not ACK"
    event = sent.trigger_event
    if sent.version >= _WITH_STRUCTURE:
        wanted = ["ACK", event, "ACK"]
    elif sent.version >= _WITH_EVENT:
        wanted = ["ACK", event]
    else:
        wanted = ["ACK"]
    if parts == wanted:
        return ""
    if len(parts) > 2 and parts[2] != "ACK":  # noqa: PLR2004 - the structure
        return "MSH-9.3 is the structure of the message, not ACK"
    return f"MSH-9 has {len(parts)} components instead of {len(wanted)}"


def fault_of_form(reply: Reply) -> str:
    """Say what is wrong with the segments of a reply; empty if nothing is."""
    if reply.header is None:
        return "the reply does not begin with MSH"
    if not reply.data.endswith(b"\r"):
        return "the last segment does not end in CR"
    names = [line[:3] for line in split_segments(reply.data.decode("latin-1"), chr(reply.data[3])) if line]
    if names[1:2] != ["MSA"] and names[1:3] != ["SFT", "MSA"]:
        return "MSA does not follow MSH"
    return ""
