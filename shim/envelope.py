"""A message to the bytes of one Redis list element, as kombu's virtual transports write it.

A JSON body stands in it as plain text instead of base64 (``body_encoding`` is left out, which kombu reads as "text as
it is"); any other body is base64. One that holds a long text is written piece by piece.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from shim.custom_headers import RESERVED_HEADERS
from shim.encoding import NO_EMBED, as_json_text, check_arguments, dump
from shim.errors import RequestInvalid
from shim.message import REPR_LIMIT, Message, is_usual, message_parts
from shim.option import EARLIEST_AT, LATEST_AT, NAME_LIMIT, TIME_LIMIT_MAX_S, name
from shim.pieces import Payload, Pieces, holds_long_text, json_text_pieces
from shim.request import TaskRequest
from shim.routing import Target
from shim.value import Json

__all__ = [
    "EARLIEST_AT", "ENVELOPE_LIMIT_BYTES", "LATEST_AT", "NAME_LIMIT", "REPR_LIMIT", "RESERVED_HEADERS", "TIME_LIMIT_MAX_S",
    "Envelope", "build_envelope", "delivery_info", "wrap",
]  # fmt: skip

ENVELOPE_LIMIT_BYTES = 128 * 1024 * 1024
"""Larger messages are refused; the server's own limit for one element is 512 MB."""

_BEGIN = b'{"body":"'


class Envelope(NamedTuple):
    """One message, ready to be pushed.

    Attributes:
        task_id: id the worker stores the result under.
        target: queue and priority.
        payload: the list element, UTF-8 JSON; not part of the representation.
    """

    task_id: str
    target: Target
    payload: Payload

    def __repr__(self) -> str:
        """Show where it goes, and nothing it holds."""
        return f"Envelope(task_id={self.task_id!r}, target={self.target!r})"


def build_envelope(request: TaskRequest, target: Target, *, delivery_tag: str, at: datetime, origin: str) -> Envelope:
    """Build the message of ``request`` for ``target`` and wrap it.

    Args:
        request: what to run.
        target: where it goes, from the router.
        delivery_tag: unique for each message; two in flight with the same tag would share one ``unacked`` entry and a
            worker crash would lose one of them.
        at: now, aware; for the properties ``expiration`` and ``timestamp``.
        origin: who sends, free text such as ``carillon@host``.

    Raises:
        RequestInvalid: anything a worker could not take.
    """
    if is_usual(request) and _holds_long_text(request):
        return _envelope_in_pieces(request, target, delivery_tag, at, origin)
    parts = message_parts(request, target, at, origin)
    return Envelope(request.task_id, target, _element(target, delivery_tag, at, *parts))


def wrap(message: Message, *, delivery_tag: str, at: datetime) -> Envelope:
    """Wrap a message for a Redis list; ``delivery_tag`` and ``at`` as in ``build_envelope``.

    Raises:
        RequestInvalid: no proper tag, text that is not Unicode, or too large.
    """
    task_id, target, headers, properties, body, content_type, content_encoding = message
    payload = _element(target, delivery_tag, at, headers, properties, body, content_type, content_encoding)
    return Envelope(task_id, target, payload)


def _holds_long_text(request: TaskRequest) -> bool:
    """Say whether an argument is a long text; checked first, which also bounds how deep there is to look."""
    args, kwargs = request.args, request.kwargs
    return check_arguments(args, kwargs) and (holds_long_text(args) or holds_long_text(kwargs))


def _envelope_in_pieces(request: TaskRequest, target: Target, delivery_tag: str, at: datetime, origin: str) -> Envelope:
    args, kwargs = request.args, request.kwargs
    headers, properties, *_ = message_parts(request._replace(args=(), kwargs={}), target, at, origin)
    end = _end(target, delivery_tag, at, headers, properties, "application/json", "utf-8")

    def pieces() -> Iterator[bytes]:
        yield _BEGIN
        yield from json_text_pieces([args, kwargs, NO_EMBED])
        yield end

    payload = Pieces(pieces)
    _check_size(len(payload))
    return Envelope(request.task_id, target, payload)


def _element(
    target: Target,
    delivery_tag: str,
    at: datetime,
    headers: dict[str, Json],
    properties: dict[str, Json],
    body: bytes,
    content_type: str,
    content_encoding: str,
) -> bytes:
    if content_type == "application/json" and "compression" not in headers:
        text: bytes | bytearray = as_json_text(body)
    else:
        text = b64encode(body)
        properties = {**properties, "body_encoding": "base64"}
    end = _end(target, delivery_tag, at, headers, properties, content_type, content_encoding)
    payload = b"".join((_BEGIN, text, end))
    _check_size(len(payload))
    return payload


def _end(
    target: Target,
    delivery_tag: str,
    at: datetime,
    headers: dict[str, Json],
    properties: dict[str, Json],
    content_type: str,
    content_encoding: str,
) -> bytes:
    """Write what follows the body."""
    around: dict[str, Json] = {
        "content-encoding": content_encoding,
        "content-type": content_type,
        "headers": headers,
        "properties": {
            **properties,
            "delivery_info": delivery_info(target),
            "delivery_tag": name(delivery_tag, "delivery_tag"),
            # Celery has no such property on Redis; whoever looks into a queue sees by it how long a message has waited.
            "timestamp": round(at.timestamp(), 3),
        },
    }
    return b'",' + dump(around, "headers")[1:]


def _check_size(size_bytes: int) -> None:
    if size_bytes > ENVELOPE_LIMIT_BYTES:
        message = f"message of {size_bytes} bytes: more than {ENVELOPE_LIMIT_BYTES}"
        raise RequestInvalid(message, hint="store the data elsewhere and send a reference")


def delivery_info(target: Target) -> dict[str, Json]:
    """Say where a message was published.

    A worker puts the message back by it, so it is the anonymous exchange and the queue itself, however the queue was
    found: a worker that does not know a named exchange would delete the message. Only a fanout has its own, for nothing
    of it is put back.
    """
    if target.exchange:
        return {"exchange": target.exchange, "routing_key": target.routing_key}
    return {"exchange": "", "routing_key": target.queue}
