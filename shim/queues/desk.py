"""Looks into queues on Redis and moves what lies there (``kombu/transport/redis.py`` has the names)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shim import option
from shim.errors import RequestInvalid
from shim.link import Link
from shim.queues.backlog import Backlog, Backlogs, count_unacked
from shim.queues.message import QueuedMessage, read_message, read_routing_key, read_sent_at, readdress
from shim.queues.parking import Parked, Parking
from shim.script import Script
from shim.transport import RedisTransport

LOOK = Script("shim.queues", "look.lua")
HELD = Script("shim.queues", "held.lua")
MOVE = Script("shim.queues", "move.lua")

QUEUES_PER_LOOK = 200
PEEK_LIMIT = 1000
PEEKED_PER_CALL = 20
PEEK_BYTES = 4 * 1024 * 1024
"""Once so much has been read, no more is: reading it blocks the loop."""

MOVED_PER_CALL = 100
MOVED_BYTES_PER_CALL = 8 * 1024 * 1024
"""What one step of a move reads, and writes twice; a single larger message travels alone."""

UNACKED_LOOK_LIMIT = 10_000
"""Unacknowledged messages looked at to tell queues apart; beyond it only their total is known."""

NEXT_END_BYTES = 4096
"""Of each message next in line only the end is read, where its properties are; a thousand queues may hold large ones."""

HELD_END_BYTES = 2048
"""A routing key has at most 255 characters, each at most 6 bytes long in JSON."""


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge took out; ``token`` brings it back, empty if it was thrown away or there was nothing."""

    queue: str
    count: int
    token: str


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move did; ``left`` were unreadable and stay where they are."""

    count: int
    left: int


class Queues:
    """The queues of one broker database. Owns nothing: the link is the caller's."""

    def __init__(self, link: Link, transport: RedisTransport, *, unacked_key: str = "unacked") -> None:
        """Keep link and names; ``unacked_key`` is the transport option of that name."""
        self._link = link
        self._transport = transport
        self._unacked = transport.key_prefix + unacked_key
        self._parking = Parking(link, transport)

    async def backlogs(self, queues: Sequence[str]) -> Backlogs:
        """Count what waits in ``queues``, all priority steps, and what workers hold of it.

        Raises:
            ShimError: as ``Link.call``.
        """
        names = list(dict.fromkeys(queues))
        found: dict[str, Backlog] = {}
        total = 0
        for first in range(0, max(len(names), 1), QUEUES_PER_LOOK):
            part = names[first : first + QUEUES_PER_LOOK]
            keys = [key for name in part for key in self._transport.list_keys(name)]
            *looks, total = await LOOK.run(self._link, [*keys, self._unacked], [NEXT_END_BYTES])
            steps = len(self._transport.priority_steps)
            for place, name in enumerate(part):
                found[name] = _backlog(name, keys, looks, place * steps, steps)
        is_complete = total <= UNACKED_LOOK_LIMIT
        if is_complete:
            counts = count_unacked(await self._unacked_routing_keys(total), names)
            found = {name: _with_unacked(one, counts[name]) for name, one in found.items()}
        return Backlogs(found, total, is_complete)

    async def peek(self, queue: str, count: int = 20) -> list[QueuedMessage]:
        """Read the next ``count`` messages in the order workers take them; nothing is taken. Of large ones fewer are read.

        Raises:
            RequestInvalid: more than ``PEEK_LIMIT``, or less than one.
            ShimError: as ``Link.call``.
        """
        if not 0 < count <= PEEK_LIMIT:
            message = f"count {count}: 1 to {PEEK_LIMIT} messages can be shown"
            raise RequestInvalid(message)
        found: list[QueuedMessage] = []
        for key in self._transport.list_keys(queue):
            seen = 0
            while len(found) < count and sum(one.size_bytes for one in found) < PEEK_BYTES:
                part = min(PEEKED_PER_CALL, count - len(found))
                raws = await self._link.call("LRANGE", key, -seen - part, -seen - 1)
                found += [read_message(raw) for raw in reversed(raws)]
                seen += len(raws)
                if len(raws) < part:
                    break
        return found

    async def purge(self, queue: str, *, token: str | None) -> Purged:
        """Take all waiting messages out of ``queue``; what workers already hold stays with them.

        Args:
            queue: its name.
            token: any new unique text; the messages are parked under it for 24 hours and ``restore`` brings them back.
                ``None`` throws them away.

        Raises:
            RequestInvalid: too much to park.
            ShimError: as ``Link.call``.
        """
        count = await self._parking.park(queue, token)
        return Purged(queue, count, token if token is not None and count else "")

    async def restore(self, queue: str, token: str) -> int:
        """Put the messages of a purge back in front of the queue; says how many there were.

        Raises:
            ShimError: as ``Link.call``; what was put back until then stays, and the rest stays parked.
        """
        return await self._parking.restore(queue, token)

    async def parked(self) -> list[Parked]:
        """List what purges have set aside, of all queues, the latest first.

        Raises:
            ShimError: as ``Link.call``.
        """
        return await self._parking.rows()

    async def discard(self, queue: str, token: str) -> int:
        """Throw away what a purge has set aside; says how many messages there were.

        Raises:
            ShimError: as ``Link.call``.
        """
        return await self._parking.discard(queue, token)

    async def move(self, queue: str, to: str, *, count: int | None = None) -> Moved:
        """Move the next ``count`` messages, or all there are now, to the end of another queue, priorities kept.

        A message that a worker takes meanwhile is not moved, and none is in both queues at any time.

        Raises:
            RequestInvalid: both queues are the same, or the other cannot be a queue's name.
            ShimError: as ``Link.call``; what was moved until then stays moved.
        """
        if queue == to:
            message = f"queue {queue!r}: a queue cannot be moved to itself"
            raise RequestInvalid(message)
        option.name(to, f"queue {to[: option.NAME_LIMIT]!r}")
        done = left = 0
        for key, target in zip(self._transport.list_keys(queue), self._transport.list_keys(to), strict=True):
            length = int(await self._link.call("LLEN", key))
            budget = length if count is None else min(length, count - done)
            skipped, size = 0, 1
            while budget > 0:
                size = min(budget, size)
                raws = list(reversed(await self._link.call("LRANGE", key, -size - skipped, -1 - skipped)))
                if not raws:
                    break
                pairs = [(raw, anew) for raw in raws if (anew := readdress(raw, to)) is not None]
                moved = int(await MOVE.run(self._link, [key, target], [text for pair in pairs for text in pair]))
                skipped += len(raws) - len(pairs)
                budget -= len(raws)
                done += moved
                size = min(2 * size, MOVED_PER_CALL, max(MOVED_BYTES_PER_CALL // max(map(len, raws)), 1))
            left += skipped
        return Moved(done, left)

    async def _unacked_routing_keys(self, total: int) -> list[str]:
        if not total:
            return []
        ends = await HELD.run(self._link, [self._unacked], [HELD_END_BYTES])
        return [name for name in map(read_routing_key, ends) if name is not None]


def _backlog(queue: str, keys: Sequence[str], looks: Sequence[int | bytes | None], place: int, steps: int) -> Backlog:
    lengths = [int(looks[2 * number] or 0) for number in range(place, place + steps)]
    tails = [looks[2 * number + 1] for number in range(place, place + steps)]
    sent = [read_sent_at(tail) for tail in tails if isinstance(tail, bytes)]
    return Backlog(
        queue,
        sum(max(length, 0) for length in lengths),
        tuple(max(length, 0) for length in lengths),
        oldest_sent_at=min((at for at in sent if at is not None), default=None),
        blocked_keys=tuple(keys[place + number] for number, length in enumerate(lengths) if length < 0),
    )


def _with_unacked(backlog: Backlog, unacked: int) -> Backlog:
    return Backlog(
        backlog.queue,
        backlog.waiting,
        backlog.by_step,
        unacked,
        backlog.consumers,
        backlog.oldest_sent_at,
        backlog.blocked_keys,
    )
