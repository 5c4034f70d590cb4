"""The header of a message whose character set lets a byte of a character equal a delimiter.

``parse_header`` cuts bytes. In Shift_JIS, Big5, GB 18030 and the sets of ISO 2022 a name in MSH-3 to MSH-6 can hold the byte of
a field separator; such a header is cut again, from its text.
"""

from __future__ import annotations

from daemon.hl7listener.text.charset_names import ASCII, SWITCHING, UNSAFE, declared, shifted
from daemon.hl7listener.text.content import Content
from daemon.hl7listener.text.designators import ESC, decode_switching
from daemon.hl7listener.text.header import BOM, Header, HeaderFault, parse_header
from daemon.hl7listener.text.segments import SegmentEnd, line_ends


def true_header(data: bytes, header: Header, content: Content) -> Header:
    """Cut a header again if its bytes may have been cut inside a character; else give it back.

    Its fields are the bytes of the text; where a character set has two spellings for one text, those of the codec.
    """
    if data.isascii() and ESC not in data:
        return header
    codec = content.charset if content.is_forced else _codec(header, content)
    if codec not in UNSAFE:
        return header
    line = _line(data, header.delimiters.end)
    if line.isascii() and ESC not in line:
        return header
    try:
        text = decode_switching(line, ASCII) if codec in SWITCHING else line.decode(codec)
        found = _cut(text, codec, header.delimiters.end)
    except UnicodeError:  # the whole message will not decode either
        return header
    return found if found is not None and (content.is_forced or _codec(found, content) == codec) else header


def _codec(header: Header, content: Content) -> str:
    """Give the codec a header is to be read with, as far as it says so."""
    said = declared(header)
    if said.codec and said.codec != ASCII:
        return said.codec
    return said.further or shifted(header) or content.charset


def _line(data: bytes, end: SegmentEnd) -> bytes:
    data = data.removeprefix(BOM).lstrip(b"\r\n")
    ends = [place for mark in line_ends(end) if (place := data.find(mark.encode())) >= 0]
    return data[: min(ends)] if ends else data


def _cut(text: str, codec: str, end: SegmentEnd) -> Header | None:
    header = parse_header(text.encode("ascii", "replace"), end)
    if isinstance(header, HeaderFault):
        return None
    count = len(header.fields)
    fields = [field.encode(codec) for field in text[4:].split(text[3], count)[:count]]
    return header._replace(fields=(*fields, *(b"",) * (count - len(fields))))
