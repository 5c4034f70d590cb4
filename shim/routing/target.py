"""Where one copy of a message goes."""

from __future__ import annotations

from typing import NamedTuple

from shim.errors import RequestInvalid

PRIORITY_MIN, PRIORITY_MAX = 0, 9
NAME_LIMIT = 255


class Target(NamedTuple):
    """One place in the broker; a tuple because it is hashed for every message.

    Attributes:
        queue: name of the queue, without prefix. For a fanout, the queue by which it was found, or an empty string.
        priority: 0…9; on Redis 0 is served first.
        exchange: empty for a queue. Otherwise the name of a fanout exchange: the message is published to whoever listens,
            and nothing is stored.
        routing_key: of a fanout; part of the channel's name.
        queue_expires_ms: ``x-expires`` of the queue: all its lists expire that long after the last push; 0 for never.
    """

    queue: str
    priority: int
    exchange: str = ""
    routing_key: str = ""
    queue_expires_ms: int = 0


def check_name(name: str, what: str = "queue") -> str:
    """Give ``name`` back if a queue or an exchange may have it.

    Raises:
        RequestInvalid: an empty, overlong or unprintable name.
    """
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        message = f"{what} {name!r}: a {what} name is 1 to {NAME_LIMIT} printable characters"
        raise RequestInvalid(message)
    return name


def check_priority(priority: object) -> int:
    """Give ``priority`` back if the transport knows it.

    Raises:
        RequestInvalid: no integer, or outside 0…9.
    """
    if not isinstance(priority, int) or isinstance(priority, bool) or not PRIORITY_MIN <= priority <= PRIORITY_MAX:
        message = f"priority {priority!r}: Celery's Redis transport knows {PRIORITY_MIN} to {PRIORITY_MAX}"
        raise RequestInvalid(message, hint="0 is served first on Redis, 9 last")
    return priority
