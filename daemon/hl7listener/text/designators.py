"""Character sets switched within a text by ISO 2022: in raw bytes after ESC, or written as an HL7 escape sequence.

A designator is the bytes behind ESC. Those that fill the upper half (G1) leave ASCII alone and are read with the codec of
their set; the Japanese and Korean ones of the lower half (G0) are what Python's iso2022 codecs read with ESC in front.
"""

from __future__ import annotations

import codecs

ESC = b"\x1b"

_LOWER = {
    b"$@": "iso2022_jp_ext",
    b"$B": "iso2022_jp_ext",
    b"$(D": "iso2022_jp_ext",
    b"(I": "iso2022_jp_ext",
    b"$A": "iso2022_jp_2",
    b"$(C": "iso2022_jp_2",
}
_UPPER = {
    b"-A": "iso8859-1",
    b"-B": "iso8859-2",
    b"-C": "iso8859-3",
    b"-D": "iso8859-4",
    b"-L": "iso8859-5",
    b"-G": "iso8859-6",
    b"-F": "iso8859-7",
    b"-H": "iso8859-8",
    b"-M": "iso8859-9",
    b"-b": "iso8859-15",
    b")I": "shift_jis",
    b"$)A": "gb2312",
    b"$)C": "euc_kr",
}
_BACK = frozenset((b"(B", b"(J"))
"""Back to ASCII, or to what differs from it in two signs nobody means."""
_LONGEST = 3


def read_designated(designator: bytes, data: bytes, base: str) -> str | None:
    """Read bytes in the character set a designator names; ``None`` if it is not known.

    ``base`` is the codec of what no designator precedes.

    Raises:
        UnicodeError: the bytes are not in that set.
    """
    if designator in _BACK:
        return data.decode(base)
    upper = _UPPER.get(designator)
    if upper is not None:
        return data.decode(upper)
    lower = _LOWER.get(designator)
    if lower is None:
        return None
    return (ESC + designator + data).decode(lower)


def decode_switching(data: bytes, base: str, errors: str = "strict") -> str:
    """Decode text in which ESC switches the character set.

    Raises:
        UnicodeError: a designator is not known, or bytes are not in the set it names.
    """
    first, *runs = data.split(ESC)
    text = [first.decode(base, errors)]
    for run in runs:
        designator = _designator(run)
        if designator is None:
            unknown = UnicodeDecodeError(base, ESC, 0, 1, "no designator follows")
            text.append(str(codecs.lookup_error(errors)(unknown)[0]) + run.decode(base, errors))
        elif designator in _LOWER:
            text.append((ESC + run).decode(_LOWER[designator], errors))
        else:
            codec = _UPPER.get(designator, base)
            text.append(run[len(designator) :].decode(codec, errors))
    return "".join(text)


def masked(data: bytes) -> bytes:
    """Give text as long as ``data`` in which no byte of a set of the lower half is left that could equal a delimiter."""
    first, *runs = data.split(ESC)
    parts = [first]
    for run in runs:
        designator = _designator(run)
        parts.append(b"x" * len(run) if designator in _LOWER else run)
    return b"x".join(parts)


def _designator(run: bytes) -> bytes | None:
    for length in range(2, _LONGEST + 1):
        found = run[:length]
        if found in _BACK or found in _UPPER or found in _LOWER:
            return found
    return None
