"""The header of a message whose character set lets a byte of a character equal a delimiter.

``parse_header`` cuts bytes. In Shift_JIS, Big5, GB 18030 and the sets of ISO 2022 a name in MSH-3 to MSH-6 can hold the byte of
a field separator; such a header is cut again, from its text.
"""

from __future__ import annotations

from daemon.hl7listener.text.charset_names import ASCII, SWITCHING, UNSAFE, declared, shifted
from daemon.hl7listener.text.content import Content
from daemon.hl7listener.text.designators import ESC, decode_switching, masked
from daemon.hl7listener.text.header import BOM, Header, HeaderFault, parse_header
from daemon.hl7listener.text.segments import SegmentEnd, line_ends


def true_header(data: bytes, header: Header, content: Content) -> Header:
    """Cut a header again if its bytes may have been cut inside a character; else give it back.

    Its fields are the bytes of the text; where a character set has two spellings for one text, those of the codec.
    """
    if data.isascii() and ESC not in data:
        return header
    found = None
    codec = content.charset if content.is_forced else _codec(header, content)
    if codec in UNSAFE:
        line = _line(data, header.delimiters.end)
        if line.isascii() and ESC not in line:
            return header
        found = _cut_as(line, codec, header, content)
    if found is None and ESC in data and not content.is_forced:
        found = _cut_outside(data, header)
    return header if found is None else found


def _cut_as(line: bytes, codec: str, header: Header, content: Content) -> Header | None:
    """Cut a header as text of one codec; ``None`` if it is not, or says that it is in another."""
    try:
        text = decode_switching(line, ASCII) if codec in SWITCHING else line.decode(codec)
        found = _cut(text, codec, header.delimiters.end)
    except UnicodeError:
        return None
    return found if found is not None and (content.is_forced or _codec(found, content) == codec) else None


def _cut_outside(data: bytes, header: Header) -> Header | None:
    """Cut a header whose first character set is safe, where a further one that ESC switches to is not."""
    end = header.delimiters.end
    line = _line(data, end)
    found = parse_header(masked(line), end)
    if ESC not in line or isinstance(found, HeaderFault):
        return None
    fields = []
    start = 4
    for field in found.fields:
        fields.append(line[start : start + len(field)])
        start += len(field) + 1
    cut = found._replace(fields=tuple(fields))
    return cut if declared(cut).switches else None


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
