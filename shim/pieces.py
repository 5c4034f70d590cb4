"""What is too large to be held in memory as a whole: bytes that are made piece by piece, as often as they are asked for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from shim.encoding import as_json_text, dump, in_full
from shim.value import LongText, Value

PIECE_CHARACTERS = 256 * 1024


class Pieces:
    """Bytes of a known number, made anew each time they are gone through; what they are is no part of the representation."""

    __slots__ = ("_make", "_size_bytes")

    def __init__(self, make: Callable[[], Iterator[bytes]]) -> None:
        """Go through them once, to count them.

        Args:
            make: gives the same bytes each time, cut in any way.

        Raises:
            RequestInvalid: as ``make`` does.
        """
        self._make = make
        self._size_bytes = sum(map(len, make()))

    def __len__(self) -> int:
        """Give the number of bytes."""
        return self._size_bytes

    def __iter__(self) -> Iterator[bytes]:
        """Make them."""
        return self._make()

    def __bytes__(self) -> bytes:
        """Make all of them at once."""
        return b"".join(self)

    def __repr__(self) -> str:
        """Show how many there are."""
        return f"Pieces({self._size_bytes} bytes)"


Payload: TypeAlias = bytes | Pieces
"""An element of a list, or what a channel is told."""


def holds_long_text(value: Value) -> bool:
    """Say whether a long text stands in a value, at any depth."""
    if isinstance(value, (str, int, float)) or value is None:
        return False
    if isinstance(value, Mapping):
        return any(map(holds_long_text, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(holds_long_text, value))
    return isinstance(value, LongText)


def json_text_pieces(value: Value) -> Iterator[bytes]:
    """Write a checked value as JSON, and that as the inside of a JSON string: what ``as_json_text`` of ``dump`` says, piece by piece.

    Raises:
        RequestInvalid: text that is not Unicode (lone surrogates).
    """
    return map(bytes, map(as_json_text, _json_pieces(value)))


def _json_pieces(value: Value) -> Iterator[bytes]:
    if isinstance(value, str) and len(value) > PIECE_CHARACTERS:
        yield from _text_pieces(_cut(value))
    elif isinstance(value, Mapping):
        mark = b"{"
        for key, item in value.items():
            yield mark + dump(key, "arguments") + b":"
            yield from _json_pieces(item)
            mark = b","
        yield b"}" if value else b"{}"
    elif isinstance(value, (list, tuple)):
        yield from _array_pieces(value)
    elif not isinstance(value, str) and isinstance(value, LongText):
        yield from _text_pieces(value.pieces())
    else:
        yield dump(in_full(value), "arguments")


def _array_pieces(value: Sequence[Value]) -> Iterator[bytes]:
    mark = b"["
    for item in value:
        yield mark
        yield from _json_pieces(item)
        mark = b","
    yield b"]" if value else b"[]"


def _text_pieces(pieces: Iterator[str]) -> Iterator[bytes]:
    yield b'"'
    for piece in pieces:
        yield dump(piece, "arguments")[1:-1]
    yield b'"'


def _cut(text: str) -> Iterator[str]:
    return (text[start : start + PIECE_CHARACTERS] for start in range(0, len(text), PIECE_CHARACTERS))
