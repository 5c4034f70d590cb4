"""Reading an acknowledgement as its receiver: the code, which message it is for, and what went wrong. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from daemon.hl7listener.text.header import HeaderFault, parse_header
from daemon.hl7listener.text.segments import split_segments

POSITIVE = frozenset(("AA", "CA"))
_SHORTEST_ENVELOPE = 9
_REFERENCE = 11
"""FHS-12 and BHS-12, counted from the name of the segment."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What an acknowledgement says.

    Attributes:
        code: MSA-1; empty if the reply is no acknowledgement. Of a batch of them, the first that is not positive.
        control_id: MSA-2; of a batch, the control id of the batch that is answered.
        text: MSA-3, or what ERR says, if either says something.
        is_batch: whether the reply is a batch (BHS, FHS).
        data: the reply as it came.
    """

    code: str
    control_id: str
    text: str = field(repr=False)
    is_batch: bool = False
    data: bytes = field(default=b"", repr=False, compare=False)

    @property
    def is_positive(self) -> bool:
        """Say whether the message was accepted."""
        return self.code in POSITIVE


def read_acknowledgement(data: bytes) -> Acknowledgement:
    """Read the data of a reply; whatever it is, something is said of it."""
    return replace(_read(data), data=data)


def _read(data: bytes) -> Acknowledgement:
    if data.startswith((b"FHS", b"BHS")) and len(data) >= _SHORTEST_ENVELOPE:
        return _read_batch(data)
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


def _read_batch(data: bytes) -> Acknowledgement:
    """Read a batch of acknowledgements; one without any says that all was accepted (HL7 v2.5 2.10.3.4)."""
    separator = chr(data[3])
    lines = [line.split(separator) for line in split_segments(data.decode("latin-1"), separator)]
    references = [line[_REFERENCE] for line in lines if line[0] in ("BHS", "FHS") and len(line) > _REFERENCE]
    codes = [line[1] for line in lines if line[0] == "MSA" and len(line) > 1]
    refused = [code for code in codes if code not in POSITIVE]
    text = f"{len(refused)} of the messages refused" if refused else ""
    code = refused[0] if refused else (codes[0] if codes else "AA")
    return Acknowledgement(code, next((one for one in references if one), ""), text, is_batch=True)
