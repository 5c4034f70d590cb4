"""Names of the Redis lists that kombu's transport reads (``kombu/transport/redis.py``)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shim.errors import RequestInvalid
from shim.routing.target import Target


@dataclass(frozen=True, slots=True)
class RedisTransport:
    """Options that publisher and workers must share (``broker_transport_options``).

    Attributes:
        key_prefix: ``global_keyprefix``, put before every key as it is.
        priority_steps: ascending; a priority falls to the largest step not above it, and one below them all, as kombu has
            it, to the last.
        separator: ``sep`` between queue and step; kombu's default is 0x06 0x16.
        db: number of the broker's database; part of the names of fanout channels, which a server has only one set of.
        fanout_prefix: put before the name of a fanout's channel, ``{db}`` replaced.
        fanout_patterns: whether a fanout's routing key is part of its channel's name.
    """

    key_prefix: str = ""
    priority_steps: tuple[int, ...] = (0, 3, 6, 9)
    separator: str = "\x06\x16"
    db: int = 0
    fanout_prefix: str = "/{db}."
    fanout_patterns: bool = True

    def list_key(self, target: Target) -> str:
        """Name the list of ``target``: the bare queue for step 0, queue, separator, step for the others."""
        step = self.priority_steps[bisect_right(self.priority_steps, target.priority) - 1]
        suffix = f"{self.separator}{step}" if step else ""
        return f"{self.key_prefix}{target.queue}{suffix}"

    def list_keys(self, queue: str) -> tuple[str, ...]:
        """Name every list of ``queue``, the one served first in front."""
        return tuple(self.list_key(Target(queue, step)) for step in self.priority_steps)

    def channel(self, exchange: str, routing_key: str = "") -> str:
        """Name the channel on which a fanout exchange publishes (``_get_publish_topic``)."""
        name = f"{self.key_prefix}{self.fanout_prefix.replace('{db}', str(self.db))}{exchange}"
        return f"{name}/{routing_key}" if routing_key and self.fanout_patterns else name


def transport_from_options(options: Mapping[str, Any], *, db: int = 0) -> RedisTransport:
    """Read ``broker_transport_options``; those that say nothing of keys and channels are left alone.

    Args:
        options: the setting, in Celery's names.
        db: number of the broker's database.

    Raises:
        RequestInvalid: an option of the wrong kind.
    """
    usual = RedisTransport()
    steps = options.get("priority_steps") or usual.priority_steps
    if not isinstance(steps, (list, tuple)) or not all(type(step) is int and 0 <= step <= 9 for step in steps):  # noqa: PLR2004 - Celery's priorities
        message = f"broker_transport_options.priority_steps: {steps!r} is no list of priorities from 0 to 9"
        raise RequestInvalid(message)
    prefix = options.get("fanout_prefix", True)
    if prefix is True:
        prefix = usual.fanout_prefix
    texts = {
        "global_keyprefix": options.get("global_keyprefix") or "",
        "sep": options.get("sep") or usual.separator,
        "fanout_prefix": prefix or "",
    }
    for name, value in texts.items():
        if not isinstance(value, str):
            message = f"broker_transport_options.{name}: text is needed"
            raise RequestInvalid(message)
    return RedisTransport(
        key_prefix=texts["global_keyprefix"],
        priority_steps=tuple(sorted(set(steps))),
        separator=texts["sep"],
        db=db,
        fanout_prefix=texts["fanout_prefix"],
        fanout_patterns=bool(options.get("fanout_patterns", True)),
    )
