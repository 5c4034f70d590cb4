"""What hospital it is: how large, what happens in it, and how its systems write. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

WARDS = MappingProxyType({"ICU": 12, "MED": 28, "SURG": 24, "PED": 16, "MAT": 14})
"""The beds of a small hospital."""

SIZES = MappingProxyType({"small": sum(WARDS.values()), "medium": 400, "large": 1500})
_LARGEST_WARD = 30
_LONGEST_ROW = 100_000

MOVEMENTS = frozenset(("ADT^A01", "ADT^A02", "ADT^A03", "ADT^A08"))
KINDS = MOVEMENTS | frozenset(
    (
        "ADT^A04", "ADT^A11", "ADT^A12", "ADT^A13", "ADT^A28", "ADT^A31", "ADT^A40", "ORM^O01", "ORU^R01", "RDE^O11", "SIU^S12",
        "SIU^S13", "SIU^S14", "SIU^S15", "SIU^S26",
    )
)  # fmt: skip
"""All that can happen. Up to version 2.3 a merge is told as A34, and an order for a drug as O01 up to 2.3.1."""

VERSIONS = ("2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2", "2.9")

CODECS = MappingProxyType(
    {
        "": "ascii",
        "ASCII": "ascii",
        **{f"8859/{part}": f"iso8859-{part}" for part in (*range(1, 10), 15)},
        "UNICODE UTF-8": "utf-8",
        "ISO IR87": "iso2022_jp",
        "GB 18030-2000": "gb18030",
        "BIG-5": "big5",
        "KS X 1001": "euc_kr",
    }
)
"""What can stand in MSH-18, and the Python codec of it."""

_SPELLINGS = MappingProxyType(
    {"utf-8": "UNICODE UTF-8", "utf8": "UNICODE UTF-8", "none": "", "gb18030": "GB 18030-2000", "big5": "BIG-5",
     "iso2022-jp": "ISO IR87", "euc-kr": "KS X 1001", "latin-1": "8859/1", "latin1": "8859/1"}
)  # fmt: skip


class ShapeInvalid(ValueError):
    """There is no such size, type, version or character set."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A hospital.

    Attributes:
        wards: the number of beds by ward.
        kinds: what may happen, as type and event.
        versions: of HL7, one by chance for each message.
        charsets: for MSH-18, likewise.
    """

    wards: Mapping[str, int] = field(default_factory=lambda: WARDS)
    kinds: frozenset[str] = MOVEMENTS
    versions: tuple[str, ...] = ("2.5",)
    charsets: tuple[str, ...] = ("",)

    @property
    def beds(self) -> int:
        """Count the beds."""
        return sum(self.wards.values())


def wards_for(size: str) -> Mapping[str, int]:
    """Give the wards of a hospital: ``small``, ``medium``, ``large``, or with so many beds.

    Raises:
        ShapeInvalid: neither.
    """
    if size == "small":
        return WARDS
    beds = SIZES.get(size) or (int(size) if size.isascii() and size.isdecimal() and len(size) < 7 else 0)  # noqa: PLR2004
    if not 2 <= beds <= _LONGEST_ROW:  # noqa: PLR2004 - a transfer needs a second bed
        message = f'"{size}" is not a size; write small, medium, large, or a number of beds from 2 to {_LONGEST_ROW}'
        raise ShapeInvalid(message)
    count = -(-beds // _LARGEST_WARD)
    names = [f"{name}{number}" for number in range(1, count // len(WARDS) + 2) for name in WARDS][:count]
    return {name: beds // count + (place < beds % count) for place, name in enumerate(names)}


def kinds_of(text: str) -> frozenset[str]:
    """Read ``ADT,ORU`` or ``ADT^A01,SIU^S12``.

    Raises:
        ShapeInvalid: something else.
    """
    found: set[str] = set()
    for word in text.upper().replace("A34", "A40").split(","):
        matching = {kind for kind in KINDS if word.strip() in (kind, kind.partition("^")[0])}
        if not matching:
            message = f'nothing simulated is a "{word}"; there are {" ".join(sorted(KINDS))}'
            raise ShapeInvalid(message)
        found |= matching
    return frozenset(found)


def versions_of(text: str) -> tuple[str, ...]:
    """Read ``2.3,2.5.1``.

    Raises:
        ShapeInvalid: one of them is no version of HL7 v2.
    """
    found = tuple(word.strip() for word in text.split(","))
    for word in found:
        if word not in VERSIONS:
            message = f'"{word}" is no version; there are {" ".join(VERSIONS)}'
            raise ShapeInvalid(message)
    return found


def charsets_of(text: str) -> tuple[str, ...]:
    """Read ``utf-8,8859/1``: names of MSH-18, or how people call them.

    Raises:
        ShapeInvalid: one of them cannot be written.
    """
    found = tuple(_SPELLINGS.get(word.strip().lower(), word.strip().upper()) for word in text.split(","))
    for word in found:
        if word not in CODECS:
            known = " ".join(sorted({*_SPELLINGS, *(name for name in CODECS if name)}))
            message = f'"{word}" is no character set that can be simulated; there are {known}'
            raise ShapeInvalid(message)
    return found
