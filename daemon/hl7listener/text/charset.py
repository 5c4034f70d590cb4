"""From bytes to text. Nothing is ever replaced silently: text decodes, or the message is refused, or its damage is shown.

A declared character set is taken at its word, unless the feed knows better. Where none is declared, or ASCII is and the bytes
are not, or the name is unknown, UTF-8 is tried and then the feed's own default; which of them it was is recorded.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from daemon.hl7listener.text.charset_names import ASCII, SWITCHING, WIDER, declared
from daemon.hl7listener.text.content import Content
from daemon.hl7listener.text.designators import ESC, decode_switching
from daemon.hl7listener.text.header import BOM, Header


class CharsetSource(Enum):
    """How a message's character set was found."""

    DECLARED = "declared"
    ASCII = "ascii"
    ASSUMED_UTF8 = "assumed-utf-8"
    FEED_DEFAULT = "feed-default"
    FEED_FORCED = "feed-forced"
    DAMAGED = "damaged"


class Decoded(NamedTuple):
    r"""A message as text, the Python codec it was read with, and how that was found.

    Attributes:
        damaged_bytes: how many bytes are not text in that codec; each stands in the text as ``\Xhh\``.
    """

    text: str
    codec: str
    source: CharsetSource
    damaged_bytes: int = 0

    def __repr__(self) -> str:
        """Show nothing of the message."""
        return f"Decoded(codec={self.codec!r}, source={self.source})"


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A message whose bytes are not text in the character set it declares, or in any that could be assumed.

    Attributes:
        is_unsupported: whether it declares a character set that cannot be read here at all.
    """

    is_unsupported: bool = False


_DAMAGE = "carillon-damage"
_LONE = 0xDC00
_LONE_BYTES = re.compile("[\udc00-\udcff]")
_INVENTED = re.compile("[\x80-\x9f\uf8f0-\uf8ff]")
"""What the vendors' tables make of bytes that stand for nothing."""


def decode(data: bytes, header: Header, content: Content) -> Decoded | Undecodable:
    """Turn the bytes of a message into text."""
    data = data.removeprefix(BOM)
    is_plain = data.isascii()
    if is_plain and not header.fields[16] and content.charset not in SWITCHING:
        return Decoded(data.decode("ascii"), ASCII, CharsetSource.ASCII)
    said = declared(header)
    if said.is_unsupported and not content.is_forced:
        return Undecodable(is_unsupported=True)
    default_counts = content.is_forced or said.codec in ("", ASCII)
    switches = (
        ESC in data and not content.is_forced and (said.switches or (default_counts and content.charset in SWITCHING))
    )
    if is_plain and not switches and not (content.is_forced and content.charset in SWITCHING):
        return Decoded(data.decode("ascii"), ASCII, CharsetSource.DECLARED if said.is_named else CharsetSource.ASCII)
    if default_counts and not (switches and said.switches):
        return _by_default(data, header, content)
    codec = said.further or content.charset if default_counts else said.codec
    read = _switching if switches else _strict
    return read(data, codec, CharsetSource.DECLARED) or _damaged(data, header, codec, content)


def _by_default(data: bytes, header: Header, content: Content) -> Decoded | Undecodable:
    default = content.charset
    if content.is_forced:
        return _strict(data, default, CharsetSource.FEED_FORCED) or _damaged(data, header, default, content)
    is_default = default in SWITCHING and ESC in data  # to UTF-8 such text is plain
    return (
        (None if is_default else _strict(data, "utf-8", CharsetSource.ASSUMED_UTF8))
        or _strict(data, default, CharsetSource.FEED_DEFAULT)
        or _damaged(data, header, default, content)
    )


def _strict(data: bytes, codec: str, source: CharsetSource) -> Decoded | None:
    if codec in SWITCHING:
        return _switching(data, codec, source)
    try:
        return Decoded(data.decode(codec), codec, source)
    except UnicodeError:  # its text quotes the bytes; it goes no further
        wider = WIDER.get(codec)
    if wider is None:
        return None
    try:
        text = data.decode(wider)
    except UnicodeError:
        return None
    return None if _INVENTED.search(text) else Decoded(text, wider, source)


def _switching(data: bytes, codec: str, source: CharsetSource) -> Decoded | None:
    try:
        return Decoded(decode_switching(data, _base(codec)), codec, source)
    except UnicodeError:
        return None


def _damaged(data: bytes, header: Header, codec: str, content: Content) -> Decoded | Undecodable:
    """Keep what is not text as escape sequences, byte by byte, if the feed wants that."""
    if not content.keeps_damaged:
        return Undecodable()
    is_switching = codec in SWITCHING or (ESC in data and declared(header).switches)
    text = decode_switching(data, _base(codec), _DAMAGE) if is_switching else data.decode(codec, _DAMAGE)
    escape = header.delimiters.escape.decode("ascii") or "\\"
    shown, count = _LONE_BYTES.subn(lambda found: f"{escape}X{ord(found[0]) - _LONE:02X}{escape}", text)
    return Decoded(shown, codec, CharsetSource.DAMAGED, count)


def _base(codec: str) -> str:
    return ASCII if codec in SWITCHING else codec


def _mark_damage(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(_LONE + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_DAMAGE, _mark_damage)


def codec_name(name: str) -> str | None:
    """Give the one name of a codec that can be a feed's default: a text codec of Python that keeps ASCII as it is."""
    probes = (b"\\u0041", b"xn--bcher-kva", bytes(range(0x20, 0x7F)))
    try:
        if all(probe.decode(name) == probe.decode("ascii") for probe in probes):
            return codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return None
