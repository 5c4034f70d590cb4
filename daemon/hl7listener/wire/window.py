"""The first bytes of a stream, for whoever looks into it: framing and control bytes are shown, text is not."""

from __future__ import annotations

from itertools import groupby

from daemon.public import Public

_FIRST_LETTER, _DELETE = 0x20, 0x7F


def redacted(data: bytes) -> Public:
    """Write bytes in hex, each run of anything that may be text as its length only."""
    parts = []
    for is_text, run in groupby(data, lambda byte: byte >= _FIRST_LETTER and byte != _DELETE):
        values = list(run)
        parts.append(f"({len(values)} of text)" if is_text else " ".join(f"{value:02x}" for value in values))
    return Public(" ".join(parts))
