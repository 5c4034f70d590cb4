"""Which routing keys a binding takes, as kombu's virtual exchanges decide it (``kombu/transport/virtual/exchange.py``)."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from shim.errors import RequestInvalid

DIRECT, TOPIC, FANOUT = "direct", "topic", "fanout"
EXCHANGE_TYPES = (DIRECT, TOPIC, FANOUT)

_WILDCARDS = {"*": r"[^\.]+", "#": ".*?"}


def topic_pattern(binding_key: str) -> re.Pattern[str]:
    """Compile a binding key of a topic exchange: ``*`` is one word, ``#`` any text.

    Only a whole word is a wildcard, and a star within a word keeps its meaning in a regular expression, as in kombu.

    Raises:
        RequestInvalid: stars that mean nothing.
    """
    words = [_WILDCARDS.get(word, re.escape(word).replace(r"\*", "*")) for word in binding_key.split(".")]
    try:
        return re.compile("^" + r"\.".join(words) + "$")
    except re.error:
        message = f"binding key {binding_key!r}: a star stands for a whole word"
        raise RequestInvalid(message) from None


def reaches(exchange_type: str, binding_key: str, routing_key: str) -> bool:
    """Tell whether a message with ``routing_key`` gets to a queue bound with ``binding_key``.

    A fanout on Redis is a channel named after the routing key, to which queues subscribe by pattern: a message with a key
    nobody subscribed to is lost (``_get_publish_topic``, ``_queue_bind`` in ``kombu/transport/redis.py``).
    """
    if exchange_type == TOPIC:
        return topic_pattern(binding_key).match(routing_key) is not None
    if exchange_type == FANOUT and routing_key and binding_key:
        return fnmatchcase(routing_key, binding_key.replace("#", "*"))
    return routing_key == binding_key
