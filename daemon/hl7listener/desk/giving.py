"""Contents of messages as they are given to those who may see them: fields by path, segments, files. Pure."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from enum import Enum

import orjson

from daemon.clock import instant
from daemon.desks import DeskRefused, Exported, ExportForm
from daemon.hl7listener.deidentify.rewrite import Deidentified, deidentify
from daemon.hl7listener.errors import PathInvalid
from daemon.hl7listener.spool.query import StoredMessage
from daemon.hl7listener.text.charset import Undecodable, decode
from daemon.hl7listener.text.content import Content
from daemon.hl7listener.text.header import HeaderFault, parse_header
from daemon.hl7listener.text.header_text import true_header
from daemon.hl7listener.text.message import Message
from daemon.hl7listener.text.path import Hl7Path, parse_path
from daemon.hl7listener.wire.framer import frame

VALUES_LIMIT = 1000


class Unreadable(Enum):
    """Why no field can be given."""

    HEADER = "no-header"
    CHARSET = "not-in-its-charset"


def places_of(scope: str) -> Hl7Path:
    """Read which field is asked for.

    Raises:
        DeskRefused: it is no path.
    """
    try:
        return parse_path(scope)
    except PathInvalid as error:
        message = "the scope is no place in a message"
        raise DeskRefused(message, hint=f'{error.hint}; or "whole" or "answer"', field="scope") from None


def values_at(data: bytes, path: Hl7Path, content: Content | None) -> list[str | None] | Unreadable:
    """Give the values at the places a path names; ``content`` is how its feed reads messages."""
    content = content or Content()
    header = parse_header(data, content.end)
    if isinstance(header, HeaderFault):
        return Unreadable.HEADER
    header = true_header(data, header, content)
    decoded = decode(data, header, content)
    if isinstance(decoded, Undecodable):
        return Unreadable.CHARSET
    return Message(decoded.text, header.delimiters, decoded.codec).get_all(path)[:VALUES_LIMIT]


def segments_of(data: bytes) -> list[str]:
    """Give a message a segment a line; bytes that are no UTF-8 are escaped."""
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\r").replace("\n", "\r")
    return [line for line in text.strip("\x0b\x1c\r").split("\r") if line]


def exported(messages: Sequence[StoredMessage], form: ExportForm, secret: bytes | None) -> Exported:
    """Write messages one after the other, de-identified if there is a secret; what is damaged or unclear is left out."""
    parts: list[bytes] = []
    for message in messages:
        data = _clean(message, secret)
        if data is not None:
            parts.append(_written(message, data, form, is_clean=secret is not None))
    return Exported(b"".join(parts), len(parts), len(messages) - len(parts))


def _clean(message: StoredMessage, secret: bytes | None) -> bytes | None:
    if not message.found.is_whole:
        return None
    if secret is None:
        return message.data
    clean = deidentify(message.data, secret)
    return clean.data if isinstance(clean, Deidentified) else None


def _written(message: StoredMessage, data: bytes, form: ExportForm, *, is_clean: bool) -> bytes:
    if form is ExportForm.MLLP:
        return frame(data)
    if form is ExportForm.PLAIN:
        return data if data.endswith((b"\r", b"\n")) else data + b"\r"
    found = message.found
    values = {"feed": found.feed, "state": found.state.value, "type": found.type, "event": found.event}
    if not is_clean:
        values |= {
            "sequence": str(found.seq),
            "received_at": instant(found.received_us).isoformat(),
            "peer": found.peer,
        }
    return orjson.dumps({**values, "raw_b64": base64.b64encode(data).decode()}) + b"\n"
