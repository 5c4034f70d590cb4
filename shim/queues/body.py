"""The body of a message that lies in a queue, opened for someone who may see it. Reading never raises, and runs nothing."""

from __future__ import annotations

import bz2
import json
import lzma
import zlib
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
BODY_LIMIT_BYTES = 8 * 1024 * 1024
"""More than this is not opened, packed or unpacked."""


class _Unopened(Exception):
    """Why a body stays closed."""


@dataclass(frozen=True, slots=True)
class QueuedBody:
    """What a task was called with; not part of the representation. ``why`` says why it could not be read, else it is empty."""

    args: Any = field(default=None, repr=False)
    kwargs: Any = field(default=None, repr=False)
    why: str = ""


def read_body(raw: bytes) -> QueuedBody:
    """Open one list element. Only JSON is opened: other serializers could run code, or need what the application has."""
    try:
        found = _opened(raw)
    except _Unopened as error:
        return QueuedBody(why=str(error))
    except (ValueError, RecursionError, OSError, EOFError, zlib.error, lzma.LZMAError):
        return QueuedBody(why="it is damaged")
    if isinstance(found, list) and len(found) == _PARTS:
        return QueuedBody(found[0], found[1])
    if isinstance(found, dict) and ("args" in found or "kwargs" in found):  # protocol 1
        return QueuedBody(found.get("args"), found.get("kwargs"))
    return QueuedBody(why="it has not the form of a task")


_PARTS = 3


def _opened(raw: bytes) -> Any:
    message = json.loads(raw)
    if not isinstance(message, dict) or not isinstance(message.get("body"), str):
        message_ = "it is no message"
        raise _Unopened(message_)
    body = message["body"].encode()
    properties, headers = message.get("properties"), message.get("headers")
    if isinstance(properties, Mapping) and properties.get("body_encoding") == "base64":
        body = b64decode(body, validate=True)
    if len(body) > BODY_LIMIT_BYTES:
        why = f"it has more than {BODY_LIMIT_BYTES} bytes"
        raise _Unopened(why)
    packed = headers.get("compression") if isinstance(headers, Mapping) else None
    if packed is not None:
        body = _unpacked(body, str(packed))
    if message.get("content-type") != JSON:
        why = f"it is {str(message.get('content-type'))[:100]}, and only {JSON} is opened"
        raise _Unopened(why)
    return json.loads(body)


def _unpacked(body: bytes, packed: str) -> bytes:
    make = _UNPACKERS.get(packed)
    if make is None:
        why = f"it is packed as {packed[:100]}, which is not opened"
        raise _Unopened(why)
    found: bytes = make().decompress(body, BODY_LIMIT_BYTES + 1)
    if len(found) > BODY_LIMIT_BYTES:
        why = f"unpacked it has more than {BODY_LIMIT_BYTES} bytes"
        raise _Unopened(why)
    return found


_UNPACKERS: Mapping[str, Callable[[], Any]] = {
    "application/x-gzip": zlib.decompressobj,
    "application/x-bz2": bz2.BZ2Decompressor,
    "application/x-lzma": lzma.LZMADecompressor,
}
