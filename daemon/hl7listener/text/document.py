"""The whole message as a JSON document, as a task gets it."""

from __future__ import annotations

import base64
from datetime import tzinfo
from functools import lru_cache
from typing import Any

from daemon.clock import SECOND_US, instant
from daemon.hl7listener.text.base64_text import Base64Text
from daemon.hl7listener.text.charset import Decoded
from daemon.hl7listener.text.content import Content
from daemon.hl7listener.text.header import Header
from daemon.hl7listener.text.segments import first_segment
from daemon.hl7listener.text.timestamp import parse_timestamp
from daemon.public import Public

LARGE_BYTES = 1024 * 1024
"""Of a larger message there is no more in memory than its bytes and its text; the rest is made while it is sent."""

_LONGEST_TIME = 32
_PLAIN = Content()


def document(
    data: bytes, received_us: int, feed: Public, header: Header, decoded: Decoded, content: Content = _PLAIN
) -> dict[str, Any]:
    """Write a message as a JSON document: header fields as text, the decoded text, and the exact bytes in base64.

    Those of a large message are a ``Base64Text``; all else is JSON.
    """
    separator = header.delimiters.field.decode("ascii")
    component = header.delimiters.component.decode("ascii")
    fields = first_segment(decoded.text, separator, header.delimiters.end).split(separator, 12)
    fields += ("",) * (12 - len(fields))
    repetition = header.delimiters.repetition.decode("ascii")
    kind = fields[8].split(repetition, 1)[0].split(component, 3)
    kind += ("",) * (3 - len(kind))
    stamp = fields[6]
    time, zone = _message_time(stamp[:_LONGEST_TIME], content.zone, header.version, component)
    return {
        "feed": str(feed),
        "received_at": _iso_instant(received_us),
        "control_id": fields[9] or header.control_id.decode("latin-1"),  # one that was made is not in the text
        "type": kind[0],
        "event": kind[1],
        "structure": kind[2],
        "version": fields[11].split(component, 1)[0],
        "processing_id": fields[10].split(component, 1)[0],
        "sending_application": fields[2],
        "sending_facility": fields[3],
        "receiving_application": fields[4],
        "receiving_facility": fields[5],
        "message_time": time,
        "time_zone": zone,
        "charset": decoded.codec,
        "charset_source": decoded.source.value,
        "text": decoded.text,
        "raw_b64": base64.b64encode(data).decode("ascii") if len(data) <= LARGE_BYTES else Base64Text(data),
    }


def _iso_instant(at_us: int) -> str:
    seconds, micros = divmod(at_us, SECOND_US)
    return f"{_iso_second(seconds)}.{micros:06d}+00:00"


# Messages of one second share these; nothing of a patient is remembered.


@lru_cache(maxsize=4)
def _iso_second(at_s: int) -> str:
    return instant(at_s * SECOND_US).replace(tzinfo=None).isoformat()


# Of the header alone: a sender's messages come many a second, and nothing in it is about a patient.


@lru_cache(maxsize=64)
def _message_time(
    stamp: str, zone: tzinfo | None, version: tuple[int, ...], component: str
) -> tuple[str | None, str | None]:
    """Give the time of a message, and where its sender's clocks are."""
    found = parse_timestamp(stamp, zone, version=version, component=component)
    if found is not None and found.is_sent and not found.is_placeless:
        return found.iso(), found.offset_iso()
    return None if found is None else found.iso(), None if zone is None else str(zone)
