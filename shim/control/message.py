"""The envelope of commands and answers, as kombu's transports on Redis write it (``kombu/transport/virtual/base.py``)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from shim.encoding import as_json_text, dump
from shim.value import Json

CLOCK_LIMIT = 2**53
"""Larger logical clocks are not believed; a node that took one over would hand it to all others."""


class _Unreadable:
    """The type of ``UNREADABLE``."""

    def __repr__(self) -> str:
        return "UNREADABLE"


UNREADABLE: Final = _Unreadable()
"""Stands for a body in a serializer other than JSON, or a damaged one."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was read.

    Attributes:
        headers: as they came.
        clock: logical clock of the sender, 0 if it gave none.
        body: the decoded body, or ``UNREADABLE``; not part of the representation.
    """

    headers: Mapping[str, Json]
    clock: int
    body: Json | _Unreadable = field(repr=False)


def read_message(payload: bytes) -> Message | None:
    """Read an envelope, tolerantly; ``None`` if it is none. Never raises."""
    envelope = _parse(payload)
    if not isinstance(envelope, dict):
        return None
    headers = envelope.get("headers") or {}
    if not isinstance(headers, dict):
        return None
    return Message(headers, _clock(headers.get("clock")), _body(envelope))


def write_message(
    body: Json,
    *,
    headers: Mapping[str, Json],
    exchange: str,
    routing_key: str,
    delivery_mode: int,
    delivery_tag: str,
    as_base64: bool = False,
) -> bytes:
    """Write an envelope with ``body`` as plain JSON text, or in base64 as kombu does.

    Raises:
        RequestInvalid: text that is not Unicode (lone surrogates).
    """
    properties: dict[str, Json] = {
        "delivery_mode": delivery_mode,
        "delivery_info": {"exchange": exchange, "routing_key": routing_key},
        "priority": 0,
        "delivery_tag": delivery_tag,
    }
    text = dump(body, "arguments")
    if as_base64:
        properties["body_encoding"] = "base64"
        text = base64.b64encode(text)
    return b"".join(
        (
            b'{"body":"',
            as_json_text(text),
            b'","content-encoding":"utf-8","content-type":"application/json","headers":',
            dump(headers, "headers"),
            b',"properties":',
            dump(properties, "properties"),
            b"}",
        )
    )


def _parse(text: bytes | str) -> Json | _Unreadable:
    try:
        # Not orjson: workers write NaN, lone surrogates and integers of any size.
        value: Json = json.loads(text)
    except (ValueError, RecursionError):
        return UNREADABLE
    return value


def _body(envelope: dict[str, Json]) -> Json | _Unreadable:
    body = envelope.get("body")
    if envelope.get("content-type") != "application/json" or not isinstance(body, str):
        return UNREADABLE
    properties = envelope.get("properties")
    encoding = properties.get("body_encoding") if isinstance(properties, dict) else None
    if not encoding:
        return _parse(body)
    try:
        return _parse(base64.b64decode(body))
    except ValueError:
        return UNREADABLE


def _clock(value: Json) -> int:
    return value if type(value) is int and 0 <= value < CLOCK_LIMIT else 0
