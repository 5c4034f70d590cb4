"""AMQP field tables and property lists as bytes, each value in the form py-amqp writes it.

A general AMQP library would choose other forms: the shortest integer, which older py-amqp reads as text, and floats of 32
bits, which turn a time limit of 0.3 into 0.30000001. What is written here is what Celery's own client writes
(``amqp/serialization.py``), byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct

from shim.errors import RequestInvalid
from shim.request import Json

SHORT_STRING_BYTES = 255
"""Longest name of a header, an exchange or a routing key, and longest text property, in UTF-8 bytes."""

_INT32_MAX = 2**31 - 1
_INT64_LIMIT = 2**63

_LENGTH = Struct(">I")
_LONG_STRING = Struct(">cI")
_INT32 = Struct(">ci")
_INT64 = Struct(">cq")
_DOUBLE = Struct(">cd")
_TRUE, _FALSE, _VOID = b"t\x01", b"t\x00", b"V"


def encode_table(table: Mapping[str, Json], what: str = "headers") -> bytes:
    """Write a field table with its length in front.

    Args:
        table: names of at most 255 bytes; values as JSON has them.
        what: names the table in messages of errors.

    Raises:
        RequestInvalid: a name that is too long, an integer beyond 64 bits, text that is not Unicode, or a value that is
            no JSON.
    """
    parts: list[bytes] = []
    for name, value in table.items():
        parts.append(encode_short(name, f"{what}: a name"))
        _write(parts, value, f"{what}[{name!r}]")
    return _with_length(parts)


def encode_short(text: str, what: str) -> bytes:
    """Write a short string with its length in front.

    Raises:
        RequestInvalid: more than 255 bytes, or lone surrogates.
    """
    encoded = _utf8(text, what)
    if len(encoded) > SHORT_STRING_BYTES:
        message = f"{what}: {len(encoded)} bytes, and AMQP takes {SHORT_STRING_BYTES}"
        raise RequestInvalid(message)
    return bytes((len(encoded),)) + encoded


def encode_properties(
    headers: Mapping[str, Json],
    *,
    content_type: str,
    content_encoding: str,
    delivery_mode: int = 2,
    priority: int | None = None,
    correlation_id: str | None = None,
    reply_to: str | None = None,
    expiration: str | None = None,
    message_id: str | None = None,
) -> bytes:
    """Write the property list of a content header (AMQP 0-9-1, 4.2.6.1): flags, then what they announce.

    Raises:
        RequestInvalid: as ``encode_table``.
    """
    parts = [
        (0x8000, encode_short(content_type, "content_type")),
        (0x4000, encode_short(content_encoding, "content_encoding")),
        (0x2000, encode_table(headers)),
        (0x1000, bytes((delivery_mode,))),
    ]
    if priority is not None:
        parts.append((0x0800, bytes((priority,))))
    for flag, value, what in (
        (0x0400, correlation_id, "correlation_id"),
        (0x0200, reply_to, "reply_to"),
        (0x0100, expiration, "expiration"),
        (0x0080, message_id, "message_id"),
    ):
        if value is not None:
            parts.append((flag, encode_short(value, what)))
    flags = sum(flag for flag, _ in parts)
    return flags.to_bytes(2, "big") + b"".join(encoded for _, encoded in parts)


def _write(parts: list[bytes], value: Json, where: str) -> None:
    if isinstance(value, str):
        encoded = _utf8(value, where)
        parts += (_LONG_STRING.pack(b"S", len(encoded)), encoded)
    elif value is None:
        parts.append(_VOID)
    elif isinstance(value, bool):
        parts.append(_TRUE if value else _FALSE)
    elif isinstance(value, int):
        parts.append(_integer(value, where))
    elif isinstance(value, float):
        parts.append(_DOUBLE.pack(b"d", value))
    elif isinstance(value, Mapping):
        parts += (b"F", encode_table(value, where))
    elif isinstance(value, (list, tuple)):
        inner: list[bytes] = []
        for item in value:
            _write(inner, item, where)
        parts += (b"A", _with_length(inner))
    else:
        message = f"{where}: {type(value).__name__} has no form in an AMQP header"
        raise RequestInvalid(message, hint="send text, numbers, booleans, null, lists and objects")


def _integer(value: int, where: str) -> bytes:
    if -_INT32_MAX <= value <= _INT32_MAX:
        return _INT32.pack(b"I", value)
    if -_INT64_LIMIT <= value < _INT64_LIMIT:
        return _INT64.pack(b"L", value)
    message = f"{where}: an integer of more than 64 bits has no form in an AMQP header"
    raise RequestInvalid(message, hint="send it as text, or among the arguments")


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        message = f"{what}: text with lone surrogates is not Unicode and cannot travel"
        raise RequestInvalid(message) from None


def _with_length(parts: list[bytes]) -> bytes:
    content = b"".join(parts)
    return _LENGTH.pack(len(content)) + content
