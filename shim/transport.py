"""Names of the Redis lists that kombu's transport reads (``kombu/transport/redis.py``)."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from shim.routing import Target


@dataclass(frozen=True, slots=True)
class RedisTransport:
    """Options that publisher and workers must share (``broker_transport_options``).

    Attributes:
        key_prefix: ``global_keyprefix``, put before every key as it is.
        priority_steps: ascending; a priority falls to the largest step not above it, and one below them all, as kombu has
            it, to the last.
        separator: ``sep`` between queue and step; kombu's default is 0x06 0x16.
    """

    key_prefix: str = ""
    priority_steps: tuple[int, ...] = (0, 3, 6, 9)
    separator: str = "\x06\x16"

    def list_key(self, target: Target) -> str:
        """Name the list of ``target``: the bare queue for step 0, queue, separator, step for the others."""
        step = self.priority_steps[bisect_right(self.priority_steps, target.priority) - 1]
        suffix = f"{self.separator}{step}" if step else ""
        return f"{self.key_prefix}{target.queue}{suffix}"

    def list_keys(self, queue: str) -> tuple[str, ...]:
        """Name every list of ``queue``, the one served first in front."""
        return tuple(self.list_key(Target(queue, step)) for step in self.priority_steps)
