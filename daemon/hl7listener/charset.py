"""From MSH-18 to text (HL7 table 0211). Nothing is ever replaced silently: text either decodes, or the message is refused.

A declared character set is taken at its word. Where none is declared, or ASCII is and the bytes are not, or the name is
unknown, UTF-8 is tried and then the feed's own default; which of them it was is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from daemon.hl7listener.header import BOM, Header


class CharsetSource(Enum):
    """How a message's character set was found."""

    DECLARED = "declared"
    ASCII = "ascii"
    ASSUMED_UTF8 = "assumed-utf-8"
    FEED_DEFAULT = "feed-default"


class Decoded(NamedTuple):
    """A message as text, the Python codec it was read with, and how that was found."""

    text: str
    codec: str
    source: CharsetSource

    def __repr__(self) -> str:
        """Show nothing of the message."""
        return f"Decoded(codec={self.codec!r}, source={self.source})"


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A message whose bytes are not text in the character set it declares, or in any that could be assumed."""


_SEVEN_BIT = frozenset(("iso2022_jp", "iso2022_jp_1", "iso2022_jp_ext"))
_ASCII = frozenset(("", "ASCII", "ISO IR6", "US-ASCII"))
_CODECS = {
    **{f"8859/{part}": f"iso8859-{part}" for part in (*range(1, 10), 15)},
    **{f"ISO-8859-{part}": f"iso8859-{part}" for part in (*range(1, 10), 15)},
    "8859": "iso8859-1",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "ISO IR14": "shift_jis",
    "SHIFT_JIS": "shift_jis",
    "ISO IR87": "iso2022_jp",
    "ISO IR159": "iso2022_jp_1",
    "JIS X 0202": "iso2022_jp_ext",
    "JAS2020": "iso2022_jp_ext",
    "GB 18030-2000": "gb18030",
    "GB18030": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
    "BIG5": "big5",
}
_REFUSED = frozenset(("CNS 11643-1992", "UNICODE UTF-16", "UNICODE UTF-32", "UTF-16", "UTF-32"))
"""No codec in the standard library, or cannot travel in MLLP because its bytes contain VT, FS and CR."""


def decode(data: bytes, header: Header, default_codec: str) -> Decoded | Undecodable:
    """Turn the bytes of a message into text."""
    data = data.removeprefix(BOM)
    declared = header.fields[16]
    if not declared and data.isascii():
        return Decoded(data.decode("ascii"), "ascii", CharsetSource.ASCII)
    name = header.component(18, 1).decode("latin-1").strip().upper()
    if name in _REFUSED:
        return Undecodable()
    codec = _CODECS.get(name)
    if data.isascii() and codec not in _SEVEN_BIT:
        return Decoded(data.decode("ascii"), "ascii", CharsetSource.DECLARED if name else CharsetSource.ASCII)
    if codec is not None:
        return _strict(data, codec, CharsetSource.DECLARED) or Undecodable()
    return (
        _strict(data, "utf-8", CharsetSource.ASSUMED_UTF8)
        or _strict(data, default_codec, CharsetSource.FEED_DEFAULT)
        or Undecodable()
    )


def _strict(data: bytes, codec: str, source: CharsetSource) -> Decoded | None:
    try:
        return Decoded(data.decode(codec), codec, source)
    except UnicodeError:  # its text quotes the bytes; it goes no further
        return None


def is_known_codec(name: str) -> bool:
    """Say whether ``name`` can be a feed's default: a text codec of Python that keeps ASCII as it is."""
    probes = (b"\\u0041", b"xn--bcher-kva", bytes(range(0x20, 0x7F)))
    try:
        return all(probe.decode(name) == probe.decode("ascii") for probe in probes)
    except (LookupError, ValueError):
        return False
