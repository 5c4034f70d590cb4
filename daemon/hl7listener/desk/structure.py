"""The outline of a message: names, sizes and counts, and of the header what names systems. Pure; nothing of a patient is in it."""

from __future__ import annotations

from string import ascii_uppercase, digits
from typing import NamedTuple

from daemon.desks import AnswerShape, FieldShape, HeaderField, SegmentShape
from daemon.hl7listener.text.header import Delimiters, Header, HeaderFault, parse_header
from daemon.hl7listener.text.segments import split_segments
from daemon.public import Public

SEGMENTS_SHOWN = 500
FIELDS_SHOWN = 100
VALUE_LIMIT = 200
UNKNOWN = Public("?")
_NAME_LENGTH = 3
_BLOCK_MARKS = b"\x0b\x1c"
_HEADER_FIELDS = (3, 4, 5, 6, 7, 9, 10, 11, 12, 15, 16, 17, 18, 19, 20, 21)
"""Of MSH: applications, facilities, times, types, ids and character sets. The others may hold anything."""

_CODES = frozenset(f"{first}{second}" for first in "AC" for second in "AER")
_NAMES = frozenset(
    """ABS ACC ADD ADJ AFF AIG AIL AIP AIS AL1 APR ARQ ARV AUT BHS BLC BLG BPO BPX BTS BTX BUI CDM CDO CER CM0 CM1 CM2 CNS CON
    CSP CSR CSS CTD CTI CTR DB1 DEV DG1 DMI DON DPS DRG DSC DSP DST ECD ECR EDU EQP EQU ERR EVN FAC FHS FT1 FTS GOL GP1 GP2 GT1
    IAM IAR IIM ILT IN1 IN2 IN3 INV IPC IPR ISD ITM IVC IVT LAN LCC LCH LDP LOC LRL MCP MFA MFE MFI MRG MSA MSH NCK NDS NK1 NPU
    NSC NST NTE OBR OBX ODS ODT OH1 OH2 OH3 OH4 OM1 OM2 OM3 OM4 OM5 OM6 OM7 OMC ORC ORG OVR PAC PCE PCR PD1 PDA PDC PEO PES PID
    PKG PM1 PMT PR1 PRA PRB PRC PRD PRT PSG PSH PSL PSS PTH PV1 PV2 PYE QAK QID QPD QRD QRF QRI RCP RDF RDT REL RF1 RFI RGS RMI
    ROL RQ1 RQD RXA RXC RXD RXE RXG RXO RXR RXV SAC SCD SCH SCP SDD SFT SGH SGT SHP SID SLT SPM STF STZ TCC TCD TQ1 TQ2 TXA UAC
    UB1 UB2 URD URS VAR VND""".split()  # noqa: SIM905 - a page of quotes otherwise
)
"""The segments of the standard up to v2.9. Any other name is shown only if it begins with Z, as those of a site do."""


class Outline(NamedTuple):
    """What may be shown of a message."""

    header: list[HeaderField]
    segments: list[SegmentShape]
    left_out: int


def outline_of(data: bytes) -> Outline:
    """Read the outline of a message; empty if it has no header."""
    header = parse_header(data)
    if isinstance(header, HeaderFault):
        return Outline([], [], 0)
    lines = _lines(data, header)
    shown = [_segment(line, header.delimiters) for line in lines[:SEGMENTS_SHOWN]]
    return Outline(_header_fields(header), shown, max(len(lines) - SEGMENTS_SHOWN, 0))


def answer_of(ack: bytes) -> AnswerShape:
    """Read the outline of an answer, which may be two messages, the later one behind the first."""
    codes: list[Public] = []
    segments: list[SegmentShape] = []
    for part in ack.split(_BLOCK_MARKS[:1]):
        data = part.strip(_BLOCK_MARKS + b"\r\n")
        header = parse_header(data)
        if isinstance(header, HeaderFault):
            continue
        lines = _lines(data, header)
        separator = header.delimiters.field.decode("latin-1")
        codes += [
            Public(code)
            for line in lines
            if line.startswith(f"MSA{separator}") and (code := line[4:].split(separator, 1)[0]) in _CODES
        ]
        segments += [_segment(line, header.delimiters) for line in lines[:SEGMENTS_SHOWN]]
    return AnswerShape(codes, len(ack), segments)


def _lines(data: bytes, header: Header) -> list[str]:
    """Cut a message into segments. As Latin-1 a byte is a character, whatever the character set: only sizes are read."""
    delimiters = header.delimiters
    cut = split_segments(data.decode("latin-1"), delimiters.field.decode("latin-1"), delimiters.end)
    return [line for line in cut if line]


def _header_fields(header: Header) -> list[HeaderField]:
    return [
        HeaderField(Public(f"MSH-{number}"), _text(header.raw(number)))
        for number in _HEADER_FIELDS
        if header.raw(number)
    ]


def _segment(line: str, delimiters: Delimiters) -> SegmentShape:
    separator = delimiters.field.decode("latin-1")
    name, *fields = line.split(separator, FIELDS_SHOWN + 1)
    first = 2 if name in ("MSH", "BHS", "FHS") else 1  # the separator itself is field 1
    shapes = [
        _field(number, value, delimiters, is_marks=number == 2 and first == 2)  # noqa: PLR2004 - MSH-2
        for number, value in enumerate(fields[:FIELDS_SHOWN], first)
        if value
    ]
    return SegmentShape(_name(name), len(line), shapes)


def _field(number: int, value: str, delimiters: Delimiters, *, is_marks: bool) -> FieldShape:
    if is_marks:
        return FieldShape(number, len(value), 1, 1)
    repetitions = value.count(delimiters.repetition.decode("latin-1")) + 1
    first = value.split(delimiters.repetition.decode("latin-1"), 1)[0]
    return FieldShape(number, len(value), repetitions, first.count(delimiters.component.decode("latin-1")) + 1)


def _name(text: str) -> Public:
    is_own = len(text) == _NAME_LENGTH and text[0] == "Z" and all(mark in ascii_uppercase + digits for mark in text)
    return Public(text) if text in _NAMES or is_own else UNKNOWN


def _text(value: bytes) -> str:
    try:
        return value[:VALUE_LIMIT].decode("utf-8")
    except UnicodeDecodeError:
        return value[:VALUE_LIMIT].decode("latin-1")
