"""What MSH-18 may say (HL7 table 0211 and the spellings senders use), and the Python codec each of it means."""

from __future__ import annotations

import re
from typing import NamedTuple

from daemon.hl7listener.text.header import Header


class Declared(NamedTuple):
    """What MSH-18 says.

    Attributes:
        codec: empty if it says nothing, or something nobody knows.
        is_named: whether it says anything.
        is_unsupported: whether it is known, and cannot be read here.
        switches: whether ESC may switch to other character sets.
        further: the first codec its further repetitions name; empty if they name none.
    """

    codec: str = ""
    is_named: bool = False
    is_unsupported: bool = False
    switches: bool = False
    further: str = ""


ASCII = "ascii"
_DICOM = {100: 1, 101: 2, 109: 3, 110: 4, 144: 5, 127: 6, 126: 7, 138: 8, 148: 9, 203: 15}
_PARTS = (*range(1, 12), *range(13, 17))
_CODECS = {
    "ASCII": ASCII,
    "USASCII": ASCII,
    "ISOIR6": ASCII,
    **{f"8859{part}": f"iso8859-{part}" for part in _PARTS},
    **{f"ISO8859{part}": f"iso8859-{part}" for part in _PARTS},
    **{f"ISOIR{number}": f"iso8859-{part}" for number, part in _DICOM.items()},
    "8859": "iso8859-1",
    "ISO8859": "iso8859-1",
    "LATIN1": "iso8859-1",
    **{f"{word}125{part}": f"cp125{part}" for word in ("CP", "WINDOWS") for part in range(9)},
    "UNICODE": "utf-8",
    "UNICODEUTF8": "utf-8",
    "UTF8": "utf-8",
    "ISOIR192": "utf-8",
    "ISOIR13": "shift_jis",
    "ISOIR14": "shift_jis",
    "SHIFTJIS": "shift_jis",
    "SJIS": "shift_jis",
    "ISOIR87": "iso2022_jp",
    "ISO2022IR87": "iso2022_jp",
    "ISO2022JP": "iso2022_jp",
    "ISOIR159": "iso2022_jp_1",
    "ISO2022IR159": "iso2022_jp_1",
    "JISX0202": "iso2022_jp_ext",
    "JAS2020": "iso2022_jp_ext",
    "EUCJP": "euc_jp",
    "GB180302000": "gb18030",
    "GB18030": "gb18030",
    "GBK": "gb18030",
    "GB2312": "gb18030",
    "KSX1001": "euc_kr",
    "EUCKR": "euc_kr",
    "BIG5": "big5",
}
_UNSUPPORTED = frozenset(
    (
        "CNS116431992",
        "CNS11643",
        *(f"{u}UTF{n}{e}" for u in ("", "UNICODE") for n in (16, 32) for e in ("", "LE", "BE")),
    )
)
"""No codec in the standard library, or cannot travel in MLLP because its bytes contain VT, FS and CR."""

SWITCHING = frozenset(
    ("iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_3", "iso2022_jp_2004", "iso2022_jp_ext", "iso2022_kr")
)
"""Seven-bit codecs: their text is ASCII on the outside."""
UNSAFE = SWITCHING | frozenset(
    (
        "shift_jis",
        "cp932",
        "shift_jis_2004",
        "shift_jisx0213",
        "big5",
        "big5hkscs",
        "cp950",
        "gb18030",
        "gbk",
        "cp949",
        "johab",
    )
)
"""Codecs in which a byte of a character can equal a delimiter."""
WIDER = {"shift_jis": "cp932", "big5": "cp950", "euc_kr": "cp949"}
"""What vendors mean by a name: the standard's set, and some hundred signs more."""

_NOISE = re.compile(r"[^0-9A-Z]+")
_NOTHING = Declared()
_LONGEST = 64
_EXACT: dict[bytes, Declared] = {b"": _NOTHING}
"""The names as the standard writes them: of these nothing has to be taken apart."""


def _meaning(name: str) -> Declared:
    plain = _NOISE.sub("", name.upper())
    if not plain:
        return _NOTHING
    codec = _CODECS.get(plain, "")
    return Declared(codec, is_named=True, is_unsupported=plain in _UNSUPPORTED, switches=codec in SWITCHING)


_STANDARD = ("ASCII", "ISO IR6", "UNICODE UTF-8", "UTF-8", "UNICODE", "BIG-5", "GB 18030-2000", "KS X 1001", "ISO IR87")
_EXACT |= {name.encode(): _meaning(name) for name in (*_STANDARD, *(f"8859/{part}" for part in _PARTS))}


def declared(header: Header) -> Declared:
    """Read MSH-18.

    Its first repetition counts for the message. If a further one names a set that is switched to by ESC, ESC switches.
    """
    raw = header.fields[16]
    found = _EXACT.get(raw)
    if found is not None:
        return found
    names = [part.split(header.delimiters.component, 1)[0] for part in raw.split(header.delimiters.repetition, 9)]
    meant = [_meaning(name.decode("latin-1")) for name in names if len(name) <= _LONGEST]
    if not meant or len(names[0]) > _LONGEST:
        return Declared(is_named=True)
    further = next((one.codec for one in meant[1:] if one.codec not in ("", ASCII)), "")
    return meant[0]._replace(switches=meant[0].switches or bool(further), further=further)


def shifted(header: Header) -> str:
    """Give the codec named by a field behind MSH-18, where a delimiter inside a character may have moved it; or nothing."""
    for raw in header.fields[17:]:
        if len(raw) <= _LONGEST:
            for name in raw.split(header.delimiters.repetition, 9):
                codec = _meaning(name.decode("latin-1")).codec
                if codec in UNSAFE:
                    return codec
    return ""
