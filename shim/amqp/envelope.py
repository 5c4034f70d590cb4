"""What RabbitMQ delivers, in the envelope that the readers of commands' answers and of events know.

On Redis one list element or one pub/sub message carries headers and body together; on AMQP they come apart.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from shim.amqp.table import encode_properties
from shim.amqp.wire import AmqpMessage
from shim.value import Json

TRANSIENT = 1

_PLAIN = (str, int, float, bool, type(None))


class Delivery(NamedTuple):
    """One message as it was delivered; its representation shows where it came from, and nothing it holds.

    Attributes:
        exchange, routing_key: where it was published to.
        content_type: empty if there was none.
        headers: decoded header table.
        body: as it came.
    """

    exchange: str
    routing_key: str
    content_type: str
    headers: Mapping[str, Any]
    body: bytes

    def __repr__(self) -> str:
        """Show where it came from."""
        return f"Delivery(exchange={self.exchange!r}, routing_key={self.routing_key!r})"


def as_envelope(delivery: Delivery) -> bytes:
    """Put a delivery into the envelope of the Redis transport, body in base64; headers that are no plain values are left out."""
    headers = {name: value for name, value in delivery.headers.items() if isinstance(value, _PLAIN)}
    return b"".join(
        (
            b'{"body":"',
            b2a_base64(delivery.body, newline=False),
            b'","properties":{"body_encoding":"base64"},"content-encoding":"utf-8","content-type":',
            orjson.dumps(delivery.content_type),
            b',"headers":',
            orjson.dumps(headers),
            b"}",
        )
    )


def from_envelope(payload: bytes, *, exchange: str, routing_key: str, message_id: str) -> AmqpMessage:
    """Take a command or an event out of the envelope of the Redis transport, its body as plain text, and make it ready for AMQP.

    Args:
        payload: from ``write_command`` or a writer of events.
        exchange: where it goes.
        routing_key: the type of an event, with dots for dashes; empty for a command.
        message_id: unique among the messages under way.

    Raises:
        RequestInvalid: a header without a form in AMQP.
    """
    envelope = orjson.loads(payload)
    headers: Mapping[str, Json] = envelope["headers"]
    properties = encode_properties(
        headers,
        content_type=envelope["content-type"],
        content_encoding=envelope["content-encoding"],
        delivery_mode=TRANSIENT,
        priority=0,
        message_id=message_id,
    )
    return AmqpMessage(message_id, message_id, exchange, routing_key, "", properties, envelope["body"].encode())
