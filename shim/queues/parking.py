"""What purges have set aside: listed, put back, thrown away. A hash tells of all of it, written in the step that sets aside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shim.errors import RequestInvalid
from shim.link import Link
from shim.script import Script
from shim.transport import RedisTransport

PARK = Script("shim.queues", "park.lua")
UNPARK = Script("shim.queues", "unpark.lua")
DISCARD = Script("shim.queues", "discard.lua")

UNPARKED_PER_CALL = 500
PARK_TTL_S = 24 * 3600
PARK_LIMIT_BYTES = 1024 * 1024 * 1024
"""Parked messages still take up the broker's memory: with more than this, nothing further is parked."""

PARKED_LIMIT = 1000
"""Purges looked at for a list, and kept at once."""

PARKED = "carillon:1:parked"
INDEX = "carillon:1:set-aside"


@dataclass(frozen=True, slots=True)
class Parked:
    """A purge that can be undone: what it took out, less what has been put back since."""

    queue: str
    token: str
    count: int
    parked_at: datetime
    kept_until_at: datetime


class Parking:
    """What lies aside in one broker database. Every method may raise ``ShimError`` as ``Link.call``."""

    def __init__(self, link: Link, transport: RedisTransport) -> None:
        """Keep link and names."""
        self._link = link
        self._transport = transport
        self._index = f"{transport.key_prefix}{INDEX}"

    async def park(self, queue: str, token: str | None) -> int:
        """Set aside what waits in ``queue``, or with ``None`` throw it away; say how many messages there were.

        Raises:
            RequestInvalid: too much to set aside.
        """
        keys = self._transport.list_keys(queue)
        if token is not None:
            await self._check_room(queue, keys)
        keep_s = PARK_TTL_S if token is not None else 0
        parked = self._keys(queue, token or "-")
        return int(await PARK.run(self._link, [*keys, *parked, self._index], [keep_s, token or "-", queue]))

    async def rows(self) -> list[Parked]:
        """List what lies aside, the latest first."""
        told = await self._link.call("HVALS", self._index)
        rows = [row for text in told if (row := _read(text)) is not None]
        found = [await self._counted(row) for row in rows[:PARKED_LIMIT]]
        return sorted((row for row in found if row.count), key=lambda row: row.parked_at, reverse=True)

    async def restore(self, queue: str, token: str) -> int:
        """Put messages back in front of their queue; say how many. What was put back until it failed stays, the rest stays parked."""
        moved = 0
        for parked, key in zip(self._keys(queue, token), self._transport.list_keys(queue), strict=True):
            while True:
                part = int(await UNPARK.run(self._link, [parked, key], [UNPARKED_PER_CALL]))
                moved += part
                if part < UNPARKED_PER_CALL:
                    break
        await self._link.call("HDEL", self._index, token)
        return moved

    async def discard(self, queue: str, token: str) -> int:
        """Throw messages away; say how many."""
        return int(await DISCARD.run(self._link, [*self._keys(queue, token), self._index], [token]))

    async def _counted(self, row: Parked) -> Parked:
        lengths = [int(await self._link.call("LLEN", key)) for key in self._keys(row.queue, row.token)]
        return Parked(row.queue, row.token, sum(lengths), row.parked_at, row.kept_until_at)

    async def _check_room(self, queue: str, keys: Sequence[str]) -> None:
        size = await self._size(keys)
        aside = [key for row in await self.rows() for key in self._keys(row.queue, row.token)]
        taken = await self._size(aside)
        if size + taken > PARK_LIMIT_BYTES or len(aside) >= PARKED_LIMIT * len(keys):
            message = (
                f"queue {queue!r}: its messages take {size} bytes; with the {taken} there are already "
                f"that is more than {PARK_LIMIT_BYTES} to set aside"
            )
            raise RequestInvalid(message, hint="move them, or purge without keeping them")

    async def _size(self, keys: Sequence[str]) -> int:
        return sum([int(await self._link.call("MEMORY", "USAGE", key) or 0) for key in keys])

    def _keys(self, queue: str, token: str) -> list[str]:
        steps = self._transport.priority_steps
        return [f"{self._transport.key_prefix}{PARKED}:{token}:{step}:{queue}" for step in steps]


def _read(text: bytes) -> Parked | None:
    try:
        row = json.loads(text)
        at, until = (datetime.fromtimestamp(row[name], UTC) for name in ("at", "until"))
        return Parked(str(row["queue"]), str(row["token"]), int(row["count"]), at, until)
    except (ValueError, TypeError, LookupError, OverflowError, OSError):
        return None
