"""Bytes in base64, made piece by piece."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

PIECE_BYTES = 3 * 64 * 1024
"""A multiple of three, so that the pieces stand beside each other without padding (RFC 4648 4)."""


class Base64Text:
    """Text that is never whole in memory; what it says is no part of its representation."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        """Keep the bytes; nothing is made of them yet."""
        self._data = data

    def pieces(self) -> Iterator[str]:
        """Make the text; the same each time."""
        for start in range(0, len(self._data), PIECE_BYTES):
            yield b64encode(self._data[start : start + PIECE_BYTES]).decode("ascii")

    def __repr__(self) -> str:
        """Show how much it is."""
        return f"Base64Text({len(self._data)} bytes)"
