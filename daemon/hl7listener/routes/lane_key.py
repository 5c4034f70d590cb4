"""Ordered lanes: messages with the same key go to the same queue, others beside them. Pure.

The queue's name holds the number of the lane and nothing of the message.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from daemon.hl7listener.text.message import Message
from daemon.hl7listener.text.path import Hl7Path
from daemon.public import Public

NO_KEY_LANE = 0


@dataclass(frozen=True, slots=True)
class LaneKey:
    """What messages have in common that must stay in order.

    Attributes:
        base: what the names of the queues begin with.
        paths: where the key is looked for; the first value found is it.
        lanes: how many queues there are.
        holds: whether what has the key of a message that could not be handed on waits for it.
    """

    base: Public
    paths: tuple[Hl7Path, ...] = field(repr=False)
    lanes: int
    holds: bool = True

    def of(self, message: Message) -> int | None:
        """Give a number messages with the same key share, and others practically never; ``None`` if there is no key."""
        for path in self.paths:
            value = message.get(path)
            if value:
                digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest()
                return int.from_bytes(digest, "big")
        return None

    def queue(self, key: int | None) -> Public:
        """Name the queue for a key; messages without one share a lane."""
        return self._queue(NO_KEY_LANE if key is None else key % self.lanes)

    @property
    def queues(self) -> tuple[Public, ...]:
        """Name the queues of all lanes."""
        return tuple(map(self._queue, range(self.lanes)))

    def _queue(self, number: int) -> Public:
        return Public(f"{self.base}.lane-{number}")
