"""What a beat answers when it is pinged, decided as Celery 5.7's does (``celery/beat.py``, ``BeatPidbox``).

Of all commands it knows only ``ping``. To every other it keeps silent, for an error would stand among the answers of workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from shim.control.audience import PATTERN_LIMIT, matches
from shim.control.message import UNREADABLE, read_message, write_message
from shim.value import Json

BEAT = "celerybeat"
TRANSIENT = 1
ROUTE_LIMIT = 255
PONG: Mapping[str, Json] = {"ok": "pong"}
BINDINGS = "_kombu.binding."
"""What stands before the name of an exchange in the key of its bindings."""


class Question(NamedTuple):
    """A ping that wants an answer.

    Attributes:
        exchange: where the answer goes; empty for straight into the queue ``routing_key``.
        routing_key: what a queue must be bound by.
        ticket: handed back with the answer.
        clock: logical clock of whoever asks.
    """

    exchange: str
    routing_key: str
    ticket: Json
    clock: int


def beat_name(host: str) -> str:
    """Name the node as Celery's beat does: ``celerybeat@host``, unless ``host`` is a full name already."""
    return host if "@" in host else f"{BEAT}@{host}"


def read_question(payload: bytes, node: str) -> Question | None:
    """Read a command; ``None`` unless it is a ping, meant for ``node``, that wants an answer. Never raises."""
    message = read_message(payload)
    if message is None or message.body is UNREADABLE or not isinstance(message.body, dict):
        return None
    body: dict[str, Any] = message.body
    if body.get("method") != "ping" or not _is_meant(body, node):
        return None
    route = body.get("reply_to")
    if not isinstance(route, dict):
        return None
    exchange, routing_key = route.get("exchange"), route.get("routing_key")
    if not (_is_name(exchange) or exchange == "") or not _is_name(routing_key):
        return None
    return Question(str(exchange), str(routing_key), body.get("ticket"), message.clock)


def write_answer(question: Question, node: str, *, clock: int, delivery_tag: str) -> bytes:
    """Build the answer, in the form workers write.

    Raises:
        RequestInvalid: a ticket with lone surrogates.
    """
    return write_message(
        {node: PONG},
        headers={"ticket": question.ticket, "clock": clock},
        exchange=question.exchange,
        routing_key=question.routing_key,
        delivery_mode=TRANSIENT,
        delivery_tag=delivery_tag,
        as_base64=True,
    )


def bound_queues(members: Iterable[bytes], routing_key: str, separator: str) -> tuple[str, ...]:
    """Name the queues that are bound by ``routing_key``; ``members`` are those of the exchange's set of bindings."""
    rows = (member.decode(errors="replace").split(separator) for member in members)
    return tuple(sorted({row[2] for row in rows if len(row) == _BINDING_PARTS and row[0] == routing_key and row[2]}))


_BINDING_PARTS = 3


def _is_meant(body: Mapping[str, Any], node: str) -> bool:
    destination, pattern, matcher = body.get("destination"), body.get("pattern"), body.get("matcher")
    if destination:
        return isinstance(destination, (list, str, dict)) and node in destination
    if not (pattern and matcher):
        return True
    if not isinstance(pattern, str) or len(pattern) > PATTERN_LIMIT or matcher not in ("glob", "pcre"):
        return False
    return matches(node, pattern, matcher)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= ROUTE_LIMIT
