"""What a task receives: the whole message as a document, or the values its route names."""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from typing import Any

from daemon.clock import SECOND_US, instant
from daemon.hl7listener.charset import Decoded
from daemon.hl7listener.finding import Finding
from daemon.hl7listener.header import Header
from daemon.hl7listener.path import Segments, first_segment
from daemon.public import Public

_TIME = re.compile(r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(\.\d{1,4})?)?)?)?)?)?([+-]\d{4})?", re.ASCII)
_LONGEST_TIME = 24


def task_arguments(data: bytes, received_us: int, feed: Public, finding: Finding) -> dict[str, Any] | None:
    """Give the keyword arguments of the task: what the route's paths find, or ``message`` with the whole document.

    ``None`` if the finding says that the block is no message with a route.
    """
    header, decoded, route = finding.header, finding.decoded, finding.route
    if header is None or decoded is None or route is None:
        return None
    if route.arguments is None:
        return {"message": document(data, received_us, feed, header, decoded)}
    segments = Segments(decoded.text, header.delimiters)
    return {name: segments.get(path) for name, path in route.arguments.items()}


def document(data: bytes, received_us: int, feed: Public, header: Header, decoded: Decoded) -> dict[str, Any]:
    """Write a message as a JSON document: header fields as text, the decoded text, and the exact bytes in base64."""
    separator = header.delimiters.field.decode("ascii")
    component = header.delimiters.component.decode("ascii")
    fields = first_segment(decoded.text, separator).split(separator, 12)
    fields += ("",) * (12 - len(fields))
    repetition = header.delimiters.repetition.decode("ascii")
    kind = fields[8].split(repetition, 1)[0].split(component, 3)
    kind += ("",) * (3 - len(kind))
    return {
        "feed": str(feed),
        "received_at": _iso_instant(received_us),
        "control_id": fields[9],
        "type": kind[0],
        "event": kind[1],
        "structure": kind[2],
        "version": fields[11].split(component, 1)[0],
        "processing_id": fields[10].split(component, 1)[0],
        "sending_application": fields[2],
        "sending_facility": fields[3],
        "receiving_application": fields[4],
        "receiving_facility": fields[5],
        "message_time": iso_time(fields[6].split(component, 1)[0]),
        "charset": decoded.codec,
        "charset_source": decoded.source.value,
        "text": decoded.text,
        "raw_b64": base64.b64encode(data).decode("ascii"),
    }


def _iso_instant(at_us: int) -> str:
    seconds, micros = divmod(at_us, SECOND_US)
    return f"{_iso_second(seconds)}.{micros:06d}+00:00"


# Messages of one second share these; nothing of a patient is remembered.


@lru_cache(maxsize=4)
def _iso_second(at_s: int) -> str:
    return instant(at_s * SECOND_US).replace(tzinfo=None).isoformat()


def iso_time(stamp: str) -> str | None:
    """Write an HL7 time stamp in ISO 8601 with the precision and the offset the sender gave, and no more.

    A stamp without offset is the sender's local time and stays without; what is no stamp gives ``None``.
    """
    stamp = stamp.strip()
    return _iso_time(stamp) if len(stamp) <= _LONGEST_TIME else None


@lru_cache(maxsize=64)
def _iso_time(stamp: str) -> str | None:
    match = _TIME.fullmatch(stamp)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    text = "-".join(part for part in (year, month, day) if part is not None)
    if hour is None:
        return text
    clock = ":".join(part for part in (hour, minute or "00", second) if part is not None)
    zone = f"{offset[:3]}:{offset[3:]}" if offset else ""
    return f"{text}T{clock}{fraction or ''}{zone}"
