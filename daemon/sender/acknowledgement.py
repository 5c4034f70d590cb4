"""Reading an acknowledgement as its receiver: the code, which message it is for, and what went wrong. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.hl7listener.header import HeaderFault, parse_header
from daemon.hl7listener.path import split_segments

POSITIVE = frozenset(("AA", "CA"))


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What an acknowledgement says.

    Attributes:
        code: MSA-1; empty if the reply is no acknowledgement.
        control_id: MSA-2.
        text: MSA-3, or what ERR says, if either says something.
    """

    code: str
    control_id: str
    text: str

    @property
    def is_positive(self) -> bool:
        """Say whether the message was accepted."""
        return self.code in POSITIVE


def read_acknowledgement(data: bytes) -> Acknowledgement:
    """Read the data of a reply; whatever it is, something is said of it."""
    header = parse_header(data)
    if isinstance(header, HeaderFault):
        return Acknowledgement("", "", f"the reply is no HL7 message ({header.value})")
    separator = header.delimiters.field.decode("ascii")
    component = header.delimiters.component.decode("ascii")
    lines = [line.split(separator) for line in split_segments(data.decode("latin-1"), separator)]
    msa = next((line for line in lines if line[0] == "MSA"), None)
    if msa is None:
        return Acknowledgement("", "", "the reply has no MSA segment")
    fields = [*msa, "", "", ""]
    err = next((line for line in lines if line[0] == "ERR"), [])
    error = " ".join(part.replace(component, " ") for part in err[1:4] if part)
    return Acknowledgement(fields[1], fields[2], fields[3] or error)
