"""A task's message to what travels to RabbitMQ: a property list and a body, both ready as bytes.

The headers of the message are the header table, its properties the basic properties; there is no envelope and no base64
(``kombu/transport/pyamqp.py``). Everything RabbitMQ would answer by closing a channel, or a whole connection with all that
is under way in it, is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from shim.amqp.table import SHORT_STRING_BYTES, encode_properties
from shim.errors import RequestInvalid
from shim.message import Message
from shim.request import Json

PRIORITY_MAX = 255
"""A queue serves higher numbers first, up to its ``x-max-priority``: the other way round than on Redis."""

EXPIRATION_MAX_MS = 2**32 - 1
"""RabbitMQ closes the channel over a longer one (49 days). It is left out then: the ``expires`` header does the same."""

PROPERTIES_LIMIT_BYTES = 131_072 - 8 - 12
"""A content header is one frame, and a frame is 128 KiB by default; a larger one ends the connection."""

MESSAGE_LIMIT_BYTES = 16 * 1024 * 1024
"""``max_message_size`` of RabbitMQ 4; older ones take 128 MiB."""

ROUTING_HEADERS = frozenset(("CC", "BCC"))
"""RabbitMQ sends copies to the queues they name."""


class AmqpMessage(NamedTuple):
    """One message, ready to be published; the same bytes can be published again.

    Attributes:
        task_id: id the worker stores the result under.
        message_id: travels in the property of that name; unique among messages that are under way together.
        exchange: empty for the default exchange.
        routing_key: with the default exchange the name of the queue.
        queue: the queue meant, for declarations and sentences; empty when only the exchange knows.
        properties: flags and properties as in a content header; not part of the representation.
        body: as the worker reads it; not part of the representation.
    """

    task_id: str
    message_id: str
    exchange: str
    routing_key: str
    queue: str
    properties: bytes
    body: bytes

    @property
    def size_bytes(self) -> int:
        """Bytes of properties and body."""
        return len(self.properties) + len(self.body)

    def __repr__(self) -> str:
        """Show where it goes, and nothing it holds."""
        place = f"exchange={self.exchange!r}, routing_key={self.routing_key!r}"
        return f"AmqpMessage(task_id={self.task_id!r}, {place})"


def build_amqp_message(
    message: Message,
    *,
    message_id: str,
    exchange: str = "",
    routing_key: str | None = None,
    limit_bytes: int = MESSAGE_LIMIT_BYTES,
) -> AmqpMessage:
    """Make the AMQP message of ``message``.

    Args:
        message: from ``build_message``; its target names the queue, its priority goes along as it is.
        message_id: unique among the messages under way.
        exchange: a topic or fanout exchange of the application, or nothing for the default exchange.
        routing_key: the name of the queue unless given.
        limit_bytes: largest body, ``max_message_size`` of the server.

    Raises:
        RequestInvalid: what RabbitMQ would not take: names of more than 255 bytes, a header ``CC`` or ``BCC``, integers
            beyond 64 bits in headers, headers of more than a frame, a body of more than ``limit_bytes``.
    """
    queue = message.target.queue
    properties = _properties(message.headers, message.properties, message, message_id)
    if len(properties) > PROPERTIES_LIMIT_BYTES:
        text = f"headers of {len(properties)} bytes: RabbitMQ takes {PROPERTIES_LIMIT_BYTES} at most"
        raise RequestInvalid(text, hint="arguments may be larger than headers: send it among them")
    if len(message.body) > limit_bytes:
        text = f"message of {len(message.body)} bytes: more than {limit_bytes}"
        raise RequestInvalid(text, hint="store the data elsewhere and send a reference")
    key = queue if routing_key is None else routing_key
    for what, name in (("exchange", exchange), ("routing key", key)):
        if len(name.encode(errors="replace")) > SHORT_STRING_BYTES:
            text = f"{what}: more than {SHORT_STRING_BYTES} bytes"
            raise RequestInvalid(text)
    return AmqpMessage(message.task_id, message_id, exchange, key, queue, properties, message.body)


def _properties(headers: Mapping[str, Json], given: Mapping[str, Any], message: Message, message_id: str) -> bytes:
    copies = ROUTING_HEADERS & headers.keys()
    if copies:
        text = f"headers: {', '.join(sorted(copies))} would send copies to other queues"
        raise RequestInvalid(text, hint="choose another name")
    priority = given.get("priority")
    if priority is not None and not 0 <= priority <= PRIORITY_MAX:
        text = f"priority {priority}: RabbitMQ knows 0 to {PRIORITY_MAX}"
        raise RequestInvalid(text, hint="higher numbers are served first, up to x-max-priority of the queue")
    expiration = given.get("expiration")
    if expiration is not None and int(expiration) > EXPIRATION_MAX_MS:
        expiration = None
    return encode_properties(
        headers,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        delivery_mode=given.get("delivery_mode") or 2,
        priority=priority,
        correlation_id=given.get("correlation_id"),
        reply_to=given.get("reply_to"),
        expiration=expiration,
        message_id=message_id,
    )
